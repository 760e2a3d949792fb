/**
 * What the worker remembers of a provider that is down. Faults of a provider spend no attempts, so without this
 * the whole backlog would be tried again and again; with it the worker waits, then tries one single job, and goes
 * on in full only when that one succeeds. The wait follows the provider's own wish where it names one.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type { EmbeddingError } from "../Domain/Errors.js"
import type { ProviderState } from "../Domain/Worker.js"
import * as Backoff from "../EmbeddingQueue/Backoff.js"

export interface Breaker {
  readonly state: Effect.Effect<ProviderState>
  /** A job was embedded: the provider is there. */
  readonly succeeded: Effect.Effect<void>
  /** The provider failed; answers the milliseconds to wait. */
  readonly failed: (error: EmbeddingError) => Effect.Effect<number>
}

/** 1, 2, 4 … seconds, at most a minute, with jitter. */
export const standard: Backoff.Backoff = Schedule.exponential("1 second").pipe(
  Schedule.union(Schedule.spaced(Duration.minutes(1))),
  Schedule.jittered,
)

/** `changed` is run whenever the state is another than before. */
export const make = (
  backoff: Backoff.Backoff,
  changed: Effect.Effect<unknown> = Effect.void,
): Effect.Effect<Breaker> =>
  Effect.gen(function* () {
    const ref = yield* Ref.make<ProviderState>({ state: "closed" })
    return {
      state: Ref.get(ref),
      succeeded: Effect.flatMap(Ref.getAndSet(ref, { state: "closed" }), (before) =>
        before.state === "closed" ? Effect.void : Effect.asVoid(changed),
      ),
      failed: (error) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const before = yield* Ref.get(ref)
          // Several jobs in flight fail of the same outage: that is one failure.
          if (before.state === "open" && before.until > now) return before.until - now
          const failures = before.state === "open" ? before.failures + 1 : 1
          const wait = error.retryAfterMillis ?? (yield* Backoff.delayMillis(backoff, failures))
          yield* Ref.set(ref, { state: "open", failures, until: now + wait, reason: error.reason })
          yield* changed
          return wait
        }),
    }
  })
