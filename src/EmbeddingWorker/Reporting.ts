/**
 * The worker's word to others: at its start, at each heartbeat, and at once when its provider goes down or comes back,
 * but not for every job. It has a fiber of its own, so that a database that is slow to take a report delays neither
 * heart nor hands; and a report that fails is worth no more than a line for whoever looks for it.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { WorkerReport } from "../Domain/Worker.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"

/** Reports as long as the scope lasts, then signs off. Whoever opens `news` has a report made at once. */
export const start = ({
  every,
  news,
  status,
}: {
  readonly status: Effect.Effect<WorkerReport>
  readonly every: Duration.DurationInput
  readonly news: Effect.Latch
}): Effect.Effect<void, never, EmbeddingQueue | Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const quietly = Effect.catchAllCause((cause: Cause.Cause<unknown>) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.interrupt
        : Effect.logDebug("how this worker stands could not be told", cause),
    )
    yield* Effect.addFinalizer(() => queue.signOff)
    yield* news.close.pipe(
      Effect.zipRight(quietly(Effect.flatMap(status, queue.report))),
      Effect.zipRight(Effect.race(news.await, Effect.sleep(every))),
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.forkScoped,
    )
  })
