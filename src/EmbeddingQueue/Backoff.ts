/**
 * How long a failed item waits. The rule is a `Schedule`, so that a host can bring its own; the queue asks it
 * for one number, since what waits is a row in the database and not a fiber.
 */
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"

export type Backoff = Schedule.Schedule<unknown, unknown>

/** 2^retryCount seconds (1, 2, 4, 8 …), at most an hour, each varied by a fifth either way. */
export const standard: Backoff = Schedule.exponential("1 second").pipe(
  Schedule.union(Schedule.spaced("1 hour")),
  Schedule.jittered,
)

/**
 * The delay in milliseconds before the next attempt of an item that has failed `failures` times (1 or more).
 * A schedule that ends earlier keeps its last delay: how often to try is `maxRetries`' affair.
 */
export const delayMillis = (backoff: Backoff, failures: number): Effect.Effect<number> =>
  Schedule.run(
    Schedule.delays(backoff),
    0,
    Array.from({ length: Math.max(1, Math.min(failures, 64)) }, () => undefined),
  ).pipe(
    Effect.map((delays) =>
      Chunk.last(delays).pipe(
        Option.map(Duration.toMillis),
        Option.map(Math.round),
        Option.getOrElse(() => 0),
      ),
    ),
  )
