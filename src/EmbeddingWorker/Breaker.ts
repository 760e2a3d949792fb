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
import * as Backoff from "../EmbeddingQueue/Backoff.js"

export type BreakerState =
  | { readonly state: "closed" }
  | {
      /** `open`: nothing is tried until `until`; then one job probes (`until` lies in the past). */
      readonly state: "open"
      readonly failures: number
      /** Milliseconds since the epoch. */
      readonly until: number
      readonly reason: string
    }

export interface Breaker {
  readonly state: Effect.Effect<BreakerState>
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

export const make = (backoff: Backoff.Backoff): Effect.Effect<Breaker> =>
  Effect.gen(function* () {
    const ref = yield* Ref.make<BreakerState>({ state: "closed" })
    return {
      state: Ref.get(ref),
      succeeded: Ref.set(ref, { state: "closed" }),
      failed: (error) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const before = yield* Ref.get(ref)
          // Several jobs in flight fail of the same outage: that is one failure.
          if (before.state === "open" && before.until > now) return before.until - now
          const failures = before.state === "open" ? before.failures + 1 : 1
          const wait = error.retryAfterMillis ?? (yield* Backoff.delayMillis(backoff, failures))
          yield* Ref.set(ref, { state: "open", failures, until: now + wait, reason: error.reason })
          return wait
        }),
    }
  })
