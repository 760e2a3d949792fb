/**
 * Threads for statements that only read and take long: ranking the words of a hundred thousand texts, fifty milliseconds.
 * One is started when it is needed (a second one when the first is busy) and ends
 * when it was not asked for a while, because most programs never need any.
 */
import { availableParallelism } from "node:os"
import * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import * as SqliteThread from "./SqliteThread.js"

export interface ReadingThreads {
  /** How many statements can run at the same time. */
  readonly width: number
  /** Runs one statement on the idlest of them. */
  readonly rows: SqliteThread.Rows
}

/** How long the thread is kept without a question. */
const idleTime: Duration.DurationInput = "1 minute"

/** More than that and the caller's own thread, the models and the vectors would have nothing left. */
const mostThreads = 4

/** The first of those with the least in hand. */
const idlest = <A extends { readonly inHand: number }>(all: readonly [A, ...ReadonlyArray<A>]): A =>
  all.reduce((best, one) => (one.inHand < best.inHand ? one : best))

/** Reading threads for this file, which must exist when they are first asked. One for each core by default, at most four. */
export const make = (
  filename: string,
  options: {
    readonly entry?: URL
    readonly idleTime?: Duration.DurationInput
    readonly width?: number
  } = {},
): Effect.Effect<ReadingThreads, never, Scope.Scope> =>
  Effect.gen(function* () {
    const width = options.width ?? Math.min(mostThreads, availableParallelism())
    const thread = Effect.map(
      RcRef.make({
        acquire: SqliteThread.open({ filename, readonly: true }, options.entry),
        idleTimeToLive: options.idleTime ?? idleTime,
      }),
      (ref) => ({ ref, inHand: 0 }),
    )
    const threads = yield* Effect.all(Arr.replicate(thread, width))
    return {
      width,
      rows: (sql, params) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            const one = idlest(threads)
            one.inHand++
            return one
          }),
          ({ ref }) => Effect.scoped(Effect.flatMap(RcRef.get(ref), (rows) => rows(sql, params))),
          (one) => Effect.sync(() => one.inHand--),
        ),
    }
  })
