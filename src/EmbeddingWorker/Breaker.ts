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
  /** Milliseconds until the next try; 0 when it is time, or all is well. No clock that is set back prolongs it. */
  readonly remaining: Effect.Effect<number>
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
    // What decides runs forward only; `until` of the state is for people.
    const deadline = yield* Ref.make(0n)
    const remaining = Effect.zipWith(Ref.get(deadline), Clock.currentTimeNanos, (end, now) =>
      end > now ? Number((end - now + 999_999n) / 1_000_000n) : 0,
    )
    return {
      state: Ref.get(ref),
      remaining: Effect.flatMap(Ref.get(ref), ({ state }) =>
        state === "open" ? remaining : Effect.succeed(0),
      ),
      succeeded: Effect.flatMap(Ref.getAndSet(ref, { state: "closed" }), (before) =>
        before.state === "closed" ? Effect.void : Effect.asVoid(changed),
      ),
      failed: (error) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const before = yield* Ref.get(ref)
          // Several jobs in flight fail of the same outage: that is one failure.
          const left = yield* remaining
          if (before.state === "open" && left > 0) return left
          const failures = before.state === "open" ? before.failures + 1 : 1
          const wait = error.retryAfterMillis ?? (yield* Backoff.delayMillis(backoff, failures))
          yield* Ref.set(deadline, (yield* Clock.currentTimeNanos) + BigInt(Math.ceil(wait)) * 1_000_000n)
          yield* Ref.set(ref, { state: "open", failures, until: now + wait, reason: error.reason })
          yield* changed
          return wait
        }),
    }
  })
