/** How the fibers of the interface go on: whatever happens is logged and tried again, except that the account is lost. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { StorageError } from "../Domain/Errors.js"
import type { MatrixError, NotHolder } from "./Errors.js"

/** The first wait after a failure, in milliseconds; each further one is twice as long, up to the longest. */
const first = 1_000
const longest = 30_000

/** Where the other side has turned the bot away, asking again soon would not help. */
const longestRefused = Duration.toMillis("5 minutes")

/** How long to wait before the next try, in milliseconds, after so many failures in a row (at least 1). */
export const pauseAfter = (
  failures: number,
  error: MatrixError | StorageError | undefined,
): Effect.Effect<number> =>
  Effect.map(Random.nextRange(0.8, 1.2), (jitter) => {
    const asked = error?._tag === "MatrixError" ? error.retryAfterMillis : null
    if (asked !== null) return asked
    const refused = error?._tag === "MatrixError" && !error.isTransient
    const backoff = Math.min(refused ? longestRefused : longest, first * 2 ** Math.min(failures - 1, 20))
    return Math.round(backoff * jitter)
  })

/**
 * Runs `step` for ever. After a failure it waits, longer each time; `onFailure` hears of each. Ends only by the loss of
 * the account, or by interruption.
 */
export const forever = (
  name: string,
  step: Effect.Effect<void, MatrixError | NotHolder | StorageError>,
  onFailure: (error: MatrixError | StorageError) => Effect.Effect<void> = () => Effect.void,
): Effect.Effect<never, NotHolder> => {
  const go = (failures: number): Effect.Effect<number, NotHolder> =>
    step.pipe(
      Effect.as(0),
      Effect.catchAllCause((cause) => {
        if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
        const error = Option.getOrUndefined(Cause.failureOption(cause))
        if (error?._tag === "NotHolder") return Effect.fail(error)
        return Effect.gen(function* () {
          if (error === undefined) yield* Effect.logError(`matrix: ${name} died and goes on`, cause)
          else {
            yield* Effect.logDebug(`matrix: ${name}: ${error.message}`)
            yield* onFailure(error)
          }
          yield* Effect.sleep(yield* pauseAfter(failures + 1, error))
          return failures + 1
        })
      }),
    )
  const loop = (failures: number): Effect.Effect<never, NotHolder> => Effect.flatMap(go(failures), loop)
  return loop(0)
}
