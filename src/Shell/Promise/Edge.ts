/**
 * Where effects become promises, and the only place where anything is thrown. An effect is run by the runtime of its
 * shell; its failure becomes an `Error`, made after an `await`, so that its stack names the caller's lines and not a
 * fiber's. A signal that is aborted already keeps the call from being begun at all; later it interrupts the fiber,
 * and the promise rejects with the signal's own reason, as `fetch` does.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Arguments from "./Arguments.js"
import * as Errors from "./Errors.js"
import type { CallOptions } from "./Basics.js"

/** Turns effects that need `R` into promises. */
export type Edge<R> = <A>(
  effect: () => Effect.Effect<A, Errors.Failure, R>,
  options?: CallOptions,
) => Promise<A>

/** The value of what has ended, or its error. */
const settle = <A>(exit: Exit.Exit<A, Errors.Failure>, signal: AbortSignal | undefined): A => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Exit.isInterrupted(exit)) signal?.throwIfAborted()
  throw Errors.ofCause(exit.cause)
}

/** The value, or its error thrown. */
export const get = <A>(either: Either.Either<A, Errors.Failure>): A =>
  Either.getOrThrowWith(either, Errors.ofFailure)

/** Runs an effect that needs nothing. */
export const run = async <A>(
  effect: Effect.Effect<A, Errors.Failure>,
  { signal }: CallOptions = {},
): Promise<A> => {
  signal?.throwIfAborted()
  return settle(await Effect.runPromiseExit(effect, signal === undefined ? {} : { signal }), signal)
}

/** The edge of a runtime. It outlives the runtime, so that calls after the end are answered as such. */
export const make = <R>(runtime: Runtime.Runtime<R>): Edge<R> => {
  const runExit = Runtime.runPromiseExit(runtime)
  return async (effect, options) => {
    const signal = get(Arguments.signalOf(options))
    // A fiber takes its first steps before it is interrupted, and some calls are done with them.
    signal?.throwIfAborted()
    const exit = await runExit(Effect.suspend(effect), signal === undefined ? {} : { signal })
    return settle(exit, signal)
  }
}
