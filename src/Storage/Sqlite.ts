/**
 * `Storage` on SQLite. `layer` opens a file and is the only user of its connection, which is what lets it be fair,
 * begin transactions with the write lock, and fail safely; use it, and share its `SqlClient`, wherever you can: two
 * clients on one file in one process only wait for each other. `layerClient` is for a host that must bring its own.
 *
 * @example
 * import { Shell, Sqlite } from "embedbox"
 *
 * // Serves the `SqlClient` too, for the host's own tables.
 * export const MyShell = Shell.layerFrom({
 *   storage: Sqlite.layer({ filename: "notes.sqlite", busyBudget: "2 seconds" }),
 * })
 */
import { resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { StorageError } from "../Domain/Errors.js"
import { type Statement, Storage } from "../Storage.js"
import * as Checkpoints from "./Checkpoints.js"
import * as FairClient from "./FairClient.js"
import * as LeanStatement from "./LeanStatement.js"
import * as Migrations from "./Migrations.js"
import * as PlainClient from "./PlainClient.js"
import * as ReadingThreads from "./ReadingThreads.js"
import * as Replay from "./Replay.js"
import * as SqliteConnection from "./SqliteConnection.js"
import { toStorageError } from "./SqliteErrors.js"
import * as Step from "./Step.js"
import * as Traced from "./Traced.js"

/** How long to wait for another process's lock before giving up with "Busy". */
export const defaultBusyBudget: Duration.DurationInput = "10 seconds"

/** Settings of `layer`. */
export interface SqliteOptions {
  /** Path of the file; its folder is made when missing. `:memory:` for a database that nobody else sees. */
  readonly filename: string
  /** See `defaultBusyBudget`. */
  readonly busyBudget?: Duration.DurationInput | undefined
  /** Put on every span of a statement. */
  readonly spanAttributes?: Record<string, unknown> | undefined
  /** The migrations this program knows; others than Embedbox's own are for tests. */
  readonly migrations?: Migrations.Migrations | undefined
}

/** Settings of `layerClient`. */
export interface ClientOptions {
  readonly busyBudget?: Duration.DurationInput | undefined
  readonly migrations?: Migrations.Migrations | undefined
}

const dataVersionOf = (file: string, rows: ReadonlyArray<unknown>) => {
  const row = rows[0]
  return Predicate.hasProperty(row, "data_version") && typeof row.data_version === "number"
    ? Effect.succeed(row.data_version)
    : Effect.fail(new StorageError({ trouble: "Other", reason: `${file} did not tell its data version` }))
}

/** A step that fails as callers know it, run by itself or as part of another: there, what it is alone is never made. */
const bordered = <A>(step: Step.Step<A>, alone: () => Effect.Effect<A, StorageError>, file: string) =>
  Step.make(alone, (runner) => Either.mapLeft(step.perform(runner), (error) => toStorageError(error, file)))

const hooked = (effect: Effect.Effect<void>, alone: Effect.Effect<void>) =>
  Step.make<void, never>(
    () => alone,
    (runner) => Either.right(runner.afterCommit(effect)),
  )

const make = (options: SqliteOptions) =>
  Effect.gen(function* () {
    const file = SqliteConnection.nameOf(options.filename)
    const budget = options.busyBudget ?? defaultBusyBudget
    const opening = Replay.make({ file, budget, isInside: () => false })
    const connection = yield* opening(SqliteConnection.open(options.filename))
    const checkpoints = SqliteConnection.isInMemory(options.filename)
      ? undefined
      : yield* Checkpoints.make(resolve(options.filename), connection)
    const client = yield* FairClient.make(connection, {
      file,
      spanAttributes: options.spanAttributes,
      committed: checkpoints?.committed,
    })
    const replay = Replay.make({ file, budget, isInside: client.isInside })
    yield* Migrations.run({ migrations: options.migrations ?? Migrations.known, file, replay }).pipe(
      Effect.provideService(SqlClient.SqlClient, client.sql),
    )

    const threads = SqliteConnection.isInMemory(options.filename)
      ? undefined
      : yield* ReadingThreads.make(resolve(options.filename))
    const aside = (statement: Statement) =>
      Effect.contextWithEffect((context: Context.Context<never>) =>
        threads === undefined || client.isInside(context)
          ? client.ignoringOthers(statement)
          : threads.rows(...statement.compile()),
      )

    const storage = Storage.of({
      sql: client.sql,
      statement: client.statement,
      isInside: Effect.contextWith(client.isInside),
      read: (effect) => replay(client.ignoringOthers(effect)),
      readAside: (statement) => replay(aside(statement)).pipe(Traced.span("Storage.readAside")),
      asideWidth: threads?.width ?? 1,
      write: (effect) => replay(client.sql.withTransaction(effect)),
      transact: (step, options) => bordered(step, () => replay(client.transact(step, options)), file),
      query: (step) => bordered(step, () => replay(client.ignoringOthers(client.query(step))), file),
      afterCommit: (effect) => hooked(effect, client.afterCommit(effect)),
      dataVersion: Effect.flatMap(replay(client.execute("PRAGMA data_version")), (rows) =>
        dataVersionOf(file, rows),
      ),
    })
    return Context.make(Storage, storage).pipe(Context.add(SqlClient.SqlClient, client.sql))
  })

/** Opens an SQLite file, migrates it, and serves both `Storage` and the `SqlClient` that hosts share with it. */
export const layer = (options: SqliteOptions): Layer.Layer<Storage | SqlClient.SqlClient, StorageError> =>
  Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))

/**
 * `Storage` over a host's own plain SQLite client, which is used as it is: its transactions begin deferred, are not
 * fair, and stop the event loop for as long as its `busy_timeout` says; a COMMIT that fails is a defect. `afterCommit`
 * waits for the end of the outermost `storage.write`; when the host's own `sql.withTransaction` is around that, the
 * effect runs before the host has committed, and also when it rolls back. Prefer `layer`.
 */
export const layerClient = (
  options: ClientOptions = {},
): Layer.Layer<Storage, StorageError, SqlClient.SqlClient> =>
  Layer.effect(
    Storage,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const file = "the database"
      const replay = Replay.make({
        file,
        budget: options.busyBudget ?? defaultBusyBudget,
        isInside: PlainClient.isInside,
      })
      yield* Migrations.run({ migrations: options.migrations ?? Migrations.known, file, replay })
      return Storage.of({
        sql,
        statement: LeanStatement.plain(sql),
        isInside: Effect.contextWith(PlainClient.isInside),
        read: replay,
        readAside: replay,
        asideWidth: 1,
        write: (effect) => replay(PlainClient.withTransaction(sql, effect)),
        transact: (step) => bordered(step, () => replay(PlainClient.withTransaction(sql, step)), file),
        query: (step) => bordered(step, () => replay(step), file),
        afterCommit: (effect) => hooked(effect, PlainClient.afterCommit(effect)),
        dataVersion: Effect.flatMap(replay(sql`PRAGMA data_version`), (rows) => dataVersionOf(file, rows)),
      })
    }),
  )
