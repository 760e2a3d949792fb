/**
 * The life of a shell that is driven by promises: who is inside, and how it ends. Calls come from outside Effect, so no
 * scope of theirs holds the shell open; here they are counted in. A stop lets no more in, drains the worker while
 * the calls under way come to their own end, and only then interrupts what is left: waits for jobs that nobody works on
 * any more, and calls that take longer than the drain may.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"

/** The shell takes no more calls. */
export class Stopped extends Schema.TaggedError<Stopped>()("Stopped", {}) {}

/** How calls come in, and how background work begins and ends. */
export class Life extends Context.Tag("embedbox/Shell/Promise/Life")<
  Life,
  {
    /** A call that comes to an end by itself. */
    readonly call: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Stopped, R>
    /** A call that lasts until something else happens: a stop does not wait for it. */
    readonly wait: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Stopped, R>
    /** Begins the background work, once. */
    readonly start: Effect.Effect<void, Stopped>
    /** Ends the background work and all calls, once. What the calls stand on is still there when it returns. */
    readonly stop: Effect.Effect<void>
  }
>() {}

/** A life whose background work is that Layer. `drainTimeout`: how long a stop waits for calls under way. */
export const layer = <A, R>(
  background: Layer.Layer<A, never, R>,
  drainTimeout: Duration.DurationInput,
): Layer.Layer<Life, never, R> =>
  Layer.scoped(
    Life,
    Effect.gen(function* () {
      const calls = yield* FiberSet.make<unknown, unknown>()
      const waits = yield* FiberSet.make<unknown, unknown>()
      const work = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      let isOpen = true

      // Its own fiber is what is counted: a fiber more for each call would cost as much as the call.
      const among =
        (fibers: FiberSet.FiberSet<unknown, unknown>) =>
        <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Stopped, R> =>
          Effect.withFiberRuntime<A, E | Stopped, R>((fiber) => {
            if (!isOpen) return Effect.fail(new Stopped())
            FiberSet.unsafeAdd(fibers, fiber)
            return effect
          })

      const context = yield* Effect.context<R>()
      // Not made uninterruptible, however short it is: what it forks would be so too, for good.
      const started = yield* Effect.cached(
        Layer.buildWithScope(background, work).pipe(Effect.provide(context), Effect.asVoid),
      )
      const ended = yield* Effect.cached(
        Effect.gen(function* () {
          isOpen = false
          yield* Effect.zip(
            Scope.close(work, Exit.void),
            Effect.timeoutOption(FiberSet.awaitEmpty(calls), drainTimeout),
            { concurrent: true },
          )
          yield* Effect.zip(FiberSet.clear(waits), FiberSet.clear(calls), { concurrent: true })
        }),
      )
      return { call: among(calls), wait: among(waits), start: among(calls)(started), stop: ended }
    }),
  )
