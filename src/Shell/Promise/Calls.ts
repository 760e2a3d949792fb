/** How the calls of a shell are run: inside its life, at its edge, and with no options that they do not take. */
import * as Effect from "effect/Effect"
import { unsafeCoerce } from "effect/Function"
import type * as Shell from "../../Shell.js"
import * as Arguments from "./Arguments.js"
import type * as Edge from "./Edge.js"
import type * as Errors from "./Errors.js"
import type { CallOptions } from "./Interfaces.js"
import type * as Life from "./Life.js"

/** What the methods of a shell stand on. */
export type Needed = Shell.Foundation | Shell.Services | Life.Life

/** What a host says of its entities' types is its own word: nothing here could check it. */
export const asSaid: <A>(value: unknown) => A = unsafeCoerce

/** A call that takes no options but a signal. */
export type Plain = Edge.Edge<Needed>

/** A call that is told its options: all but the signal. */
export type Told = <A, Options extends CallOptions>(
  effect: (said: Omit<Options, "signal"> | undefined) => Effect.Effect<A, Errors.Failure, Needed>,
  options?: Options,
) => Promise<A>

/** The same, of a call that takes none. */
export const plain =
  (told: Told): Plain =>
  (effect, options) =>
    told((said) => Effect.zipRight(Arguments.none(said ?? {}), Effect.suspend(effect)), options)

/** Calls that count as `among` says. */
export const told =
  (edge: Edge.Edge<Needed>, among: (typeof Life.Life.Service)["call"]): Told =>
  (effect, options) =>
    edge(() => among(Effect.suspend(() => effect(options && Arguments.beside(options)))), options)
