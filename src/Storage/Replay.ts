/**
 * The border of the database: waits while it is busy and turns low-level errors into `StorageError`. The waiting is
 * done here, in Effect, since SQLite's own would stop the event loop; and the whole is run again rather than the
 * statement that failed, since a transaction that lost the race has read what is no longer true. Only the outermost
 * unit is replayed: inside a transaction the locks are held already, and what is busy there cannot become free.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { StorageError } from "../Domain/Errors.js"
import type { LowLevelError } from "../Storage.js"
import { isBusy, isLowLevel, toStorageError } from "./SqliteErrors.js"

/** Runs a unit of work on the database until it is not busy, within the budget. */
export type Replay = <A, E, R>(
  unit: Effect.Effect<A, E, R>,
) => Effect.Effect<A, Exclude<E, LowLevelError> | StorageError, R>

/** `file` is how errors name the database; `isInside` tells whether a transaction on it is open. */
export interface ReplayOptions {
  readonly file: string
  readonly budget: Duration.DurationInput
  readonly isInside: (context: Context.Context<never>) => boolean
}

const passes = <E>(error: E): error is Exclude<E, LowLevelError> => !isLowLevel(error)

/** Short at first, since most locks last as long as one commit, and never so long that the lock stays idle. */
const waits = (budget: Duration.DurationInput) =>
  Schedule.exponential("2 millis").pipe(
    Schedule.union(Schedule.spaced("100 millis")),
    Schedule.jittered,
    // Timers know whole milliseconds only; a test's clock would stand at the fraction, and that be stored as a time.
    Schedule.modifyDelay((_, wait) => Math.ceil(Duration.toMillis(wait))),
    Schedule.upTo(budget),
  )

/** Makes the border of one database. */
export const make = ({ budget, file, isInside }: ReplayOptions): Replay => {
  const policy = { schedule: waits(budget), while: isBusy }

  /** The schedule costs more than a statement does, so it is set up only when the first attempt was in vain. */
  const again = <A, E, R>(unit: Effect.Effect<A, E, R>, error: E) => {
    let isFirst = true
    const next = Effect.suspend(() => {
      if (!isFirst) return unit
      isFirst = false
      return Effect.fail(error)
    })
    return Effect.retry(next, policy)
  }

  const typed = <E>(error: E): Effect.Effect<never, Exclude<E, LowLevelError> | StorageError> =>
    passes(error) ? Effect.fail(error) : Effect.fail(toStorageError(error, file))

  return <A, E, R>(unit: Effect.Effect<A, E, R>) =>
    Effect.catchAll(unit, (error) =>
      isBusy(error)
        ? Effect.contextWithEffect((context: Context.Context<never>) =>
            isInside(context) ? typed(error) : Effect.catchAll(again(unit, error), typed),
          )
        : typed(error),
    )
}
