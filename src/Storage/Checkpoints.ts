/**
 * Moves what was committed from the write-ahead log into the file, on another thread. SQLite does that by itself within a
 * COMMIT, every thousand pages: it flushes two files and copies four megabytes while the event loop stands still, longer
 * than anything else that a writer does. Here a passive checkpoint follows some time after a commit, beside the writers,
 * whom it never makes wait. It cannot empty a log that is written all the while; what is left of it is SQLite's own
 * checkpoint, at a length that is seldom reached and with little left to copy. Nothing depends on it: a thread that cannot
 * be started or has died leaves everything to that.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as RcRef from "effect/RcRef"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SafeConnection } from "./SqliteConnection.js"
import * as SqliteThread from "./SqliteThread.js"

/** Told of each commit: it costs next to nothing. */
export interface Checkpoints {
  readonly committed: () => void
}

/** Settings, which tests choose smaller. */
export interface Options {
  /** How long after a commit, so that one checkpoint serves many. */
  readonly pause: Duration.DurationInput
  /** Rows that must have been changed since the last: fewer are not worth a thread. */
  readonly rows: number
  /** How long the thread is kept without work. */
  readonly idleTime: Duration.DurationInput
}

/** A thousand rows are about as many pages as SQLite waits for, where notes come one by one. */
export const defaults: Options = { pause: "50 millis", rows: 1_000, idleTime: "10 seconds" }

const decodeChanges = Schema.decodeUnknownOption(Schema.Tuple(Schema.Struct({ changes: Schema.Int })))

/** Begins to watch `connection`, which has the file open. */
export const make = (
  filename: string,
  connection: Pick<SafeConnection, "rows">,
  given: Partial<Options> = {},
): Effect.Effect<Checkpoints, never, Scope.Scope> =>
  Effect.gen(function* () {
    const options = { ...defaults, ...given }
    const bell = yield* Effect.makeLatch()
    const thread = yield* RcRef.make({
      acquire: SqliteThread.open({ filename, readonly: false }),
      idleTimeToLive: options.idleTime,
    })
    let moved = 0

    /** Rows that this connection has ever changed. */
    const changes = () =>
      Either.getRight(connection.rows("SELECT total_changes() AS changes", [])).pipe(
        Option.flatMap(decodeChanges),
        Option.match({ onNone: () => 0, onSome: ([{ changes }]) => changes }),
      )

    const checkpoint = Effect.scoped(
      Effect.flatMap(RcRef.get(thread), (rows) => rows("PRAGMA wal_checkpoint(PASSIVE)", [])),
    )

    const watch = Effect.gen(function* () {
      yield* bell.await
      yield* Effect.sleep(options.pause)
      bell.unsafeClose()
      const now = changes()
      if (now - moved < options.rows) return
      moved = now
      yield* Effect.catchAll(checkpoint, ({ message }) =>
        Effect.logDebug("the write-ahead log was not moved into the file; SQLite does it").pipe(
          Effect.annotateLogs({ reason: message }),
        ),
      )
    })

    yield* Effect.forkScoped(Effect.forever(watch))
    return { committed: () => bell.unsafeOpen() }
  })
