/**
 * How a test gets to the end of the queue without sleeping: time is the test's own, and passes in small steps, with
 * turns of the event loop in between for everything that runs in the background. A step is no longer than a worker's heart
 * needs to keep its leases; where nothing changes, steps grow. While all that waits is told a time, of a retry or of a
 * provider that is down, nothing is in hand and the clock goes there at once, however far that is.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { StorageError } from "../Domain/Errors.js"
import { counted } from "../Domain/Phrases.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"

/** Turns of the event loop, enough for what is under way in this process to come to rest. */
export const settle: Effect.Effect<void> = Effect.forEach(
  Array.from({ length: 20 }),
  () =>
    Effect.zipRight(
      Effect.yieldNow(),
      Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))),
    ),
  { discard: true },
)

/** Lets so much time pass, and what is due in it happen. */
export const advance = (duration: Duration.DurationInput): Effect.Effect<void> =>
  Effect.zipRight(settle, Effect.zipRight(TestClock.adjust(duration), settle))

const shortest = 100
const longest = 10_000

/** Until when nobody will begin anything; nothing where that is not known. */
const quietUntil = (queue: typeof EmbeddingQueue.Service) =>
  Effect.gen(function* () {
    const { nextDue, ready } = yield* queue.workAhead
    const providers = (yield* queue.workers).filter(({ alive }) => alive).map(({ provider }) => provider)
    const back = providers.map((provider) => (provider.state === "open" ? provider.until : 0))
    return Math.max(ready ? 0 : (nextDue ?? 0), back.length === 0 ? 0 : Math.min(...back))
  })

/**
 * Lets time pass until no job waits or is worked on, retries and outages included; jobs that failed stay failed. Dies
 * when that has not come to pass after `atMost` of the test's time (default an hour): the queue is paused, no worker
 * runs, or the embedder hangs. For the fake embedder, which answers at once; a real one has no time to.
 */
export const drain = (
  atMost: Duration.DurationInput = "1 hour",
): Effect.Effect<void, StorageError, EmbeddingQueue> =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(atMost)
    let step = shortest
    let before = ""
    while (true) {
      yield* settle
      const stats = yield* queue.getStats
      if (stats.pending + stats.processing === 0) return
      const now = yield* Clock.currentTimeMillis
      if (now >= end) {
        const { paused } = yield* queue.workAhead
        return yield* Effect.dieMessage(
          `after ${Duration.format(atMost)} of the test's time (atMost) ${counted(stats.pending, "job")} still pending, ${stats.processing} in hand` +
            (paused ? ": the queue is paused" : ""),
        )
      }
      const seen = JSON.stringify(stats)
      step = seen === before ? Math.min(longest, step * 2) : shortest
      before = seen
      const far = stats.processing === 0 ? (yield* quietUntil(queue)) - now : 0
      yield* TestClock.adjust(Math.min(Math.max(step, far), end - now))
    }
  })
