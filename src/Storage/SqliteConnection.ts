/**
 * The one connection to an SQLite file: opened so that every trouble is a typed error which names the path, set up
 * the same way every time, and guarded where the stock client is not safe. It comes from `SqliteClient.make`, whose
 * only connection is reserved for as long as the scope lives; WAL is switched on here and not there, since the stock
 * constructor waits five seconds with the event loop stopped and fails as a defect.
 */
import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { StorageError, type StorageTrouble } from "../Domain/Errors.js"
import { toStorageError } from "./SqliteErrors.js"

/** A connection whose every failure is an `SqlError`, never a defect. */
export interface SafeConnection extends Connection {
  /**
   * Throws the connection away: from now on every statement fails with `reason`. For the case that not even ROLLBACK
   * worked: what a later statement would be part of is unknown then. It is not opened anew behind the callers' backs,
   * since a file whose ROLLBACK fails needs a look, and a fresh process opens (and recovers) it anyway.
   */
  readonly discard: (reason: StorageError) => void
}

const isInMemory = (filename: string) => filename === "" || filename === ":memory:"

/** How errors name a database. */
export const nameOf = (filename: string): string =>
  isInMemory(filename) ? "the in-memory database" : filename

/**
 * `busy_timeout` is how long SQLite may stop the event loop; longer waits are Effect's. FULL, since an acknowledged
 * write survives loss of power. Claims spill to a file without `temp_store`. 64 MB of cache.
 */
const pragmas = [
  "PRAGMA busy_timeout = 10",
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = FULL",
  "PRAGMA foreign_keys = ON",
  "PRAGMA temp_store = MEMORY",
  "PRAGMA cache_size = -65536",
  "PRAGMA journal_size_limit = 67108864",
]

const refuse = (trouble: StorageTrouble, reason: string, cause?: unknown) =>
  new StorageError({ trouble, reason, ...(cause === undefined ? {} : { cause }) })

const errnoOf = (cause: unknown) =>
  Predicate.isRecord(cause) && typeof cause["code"] === "string" ? cause["code"] : "unknown"

/**
 * Makes a folder and those above it, one by one: Node's own `recursive` never returns where the parent is there and
 * says that it is not, as `/proc` does.
 */
const makeFolders = (folder: string): Effect.Effect<void, { readonly cause: unknown }> =>
  Effect.suspend(() =>
    existsSync(folder)
      ? Effect.void
      : Effect.zipRight(
          makeFolders(dirname(folder)),
          Effect.try({ try: () => mkdirSync(folder), catch: (cause) => ({ cause }) }),
        ),
  ).pipe(
    // Another process may have been quicker.
    Effect.catchIf(
      ({ cause }) => errnoOf(cause) === "EEXIST",
      () => Effect.void,
    ),
  )

const makeFolder = (filename: string) =>
  Effect.mapError(makeFolders(dirname(resolve(filename))), ({ cause }) =>
    refuse(
      errnoOf(cause) === "EROFS" ? "ReadOnly" : "CannotOpen",
      `the folder of ${filename} cannot be made (${errnoOf(cause)}): choose a path where this user may write`,
      cause,
    ),
  )

/** Asked before SQLite is, because SQLite opens a read-only file without a word and fails at the first write. */
const checkPath = (filename: string) =>
  Effect.try({
    try: () => {
      const found = statSync(filename, { throwIfNoEntry: false })
      if (found !== undefined && !found.isFile()) {
        return found.isDirectory()
          ? refuse(
              "CannotOpen",
              `${filename} is a folder: give the path of a file, such as ${filename}/embedbox.db`,
            )
          : refuse("CannotOpen", `${filename} is not a regular file: choose another path`)
      }
      for (const file of [filename, `${filename}-wal`, `${filename}-shm`]) {
        if (existsSync(file)) accessSync(file, constants.W_OK)
      }
      accessSync(dirname(filename), constants.W_OK | constants.X_OK) // SQLite keeps its log beside the file
      return undefined
    },
    catch: (cause) =>
      refuse(
        ["EACCES", "EPERM", "EROFS"].includes(errnoOf(cause)) ? "ReadOnly" : "CannotOpen",
        `${filename} cannot be written (${errnoOf(cause)}): give this user write permission on the file, those beside it and its folder, or choose another file`,
        cause,
      ),
  }).pipe(Effect.flatMap((refusal) => (refusal === undefined ? Effect.void : Effect.fail(refusal))))

/** The stock client's connection. What its constructor throws is a defect there and an error here. */
const reserve = (filename: string) =>
  Effect.flatMap(SqliteClient.make({ filename, disableWAL: true }), (client) => client.reserve).pipe(
    Effect.catchAllDefect((cause) => Effect.fail(new SqlError({ cause, message: "Failed to open" }))),
  )

/** The stock client remembers a statement that could not be prepared, and fails it for ten minutes. */
const isPrepareFailure = (error: SqlError) => error.message.startsWith("Failed to prepare")

const guard = (connection: Connection): SafeConnection => {
  let discarded: SqlError | undefined
  // A table that was missing may be there now, and a file that was locked may be free: asking with one more blank at
  // the end is the same statement under another key of the client's cache.
  const blanks = new Map<string, number>()
  const noteFailure = (sql: string) => (error: SqlError) =>
    Effect.sync(() => {
      if (!isPrepareFailure(error)) return
      if (blanks.size >= 100) blanks.clear()
      blanks.set(sql, (blanks.get(sql) ?? 0) + 1)
    })
  const run = <A>(sql: string, statement: (sql: string) => Effect.Effect<A, SqlError>) =>
    Effect.suspend(() => {
      if (discarded !== undefined) return Effect.fail(discarded)
      const text = blanks.size === 0 ? sql : sql + " ".repeat(blanks.get(sql) ?? 0)
      return Effect.tapError(statement(text), noteFailure(sql))
    })
  const execute: Connection["execute"] = (sql, params, transform) =>
    run(sql, (text) => connection.execute(text, params, transform))
  return {
    execute,
    executeRaw: (sql, params) => run(sql, (text) => connection.executeRaw(text, params)),
    executeValues: (sql, params) => run(sql, (text) => connection.executeValues(text, params)),
    // Prepares, and may throw, while it is built.
    executeUnprepared: (sql, params, transform) =>
      Effect.suspend(() => (discarded === undefined ? Effect.void : Effect.fail(discarded))).pipe(
        Effect.zipRight(
          Effect.try({
            try: () => connection.executeUnprepared(sql, params, transform),
            catch: (cause) => new SqlError({ cause, message: "Failed to prepare statement" }),
          }),
        ),
        Effect.flatten,
      ),
    // The stock client has none and dies.
    executeStream: (sql, params, transform) => Stream.fromIterableEffect(execute(sql, params, transform)),
    discard: (reason) => {
      discarded ??= new SqlError({ cause: reason, message: reason.reason })
    },
  }
}

const setUp = (connection: Connection) =>
  Effect.gen(function* () {
    for (const pragma of pragmas) yield* connection.execute(pragma, [], undefined)
    yield* connection.execute("SELECT count(*) FROM sqlite_schema", [], undefined) // a damaged file says so now
  })

/**
 * Opens the file and sets the connection up. The folder is made when missing. While another process holds the file
 * locked it fails with "Busy", with nothing left open, and may be tried again.
 */
export const open = (filename: string): Effect.Effect<SafeConnection, StorageError, Scope.Scope> =>
  Effect.gen(function* () {
    if (!isInMemory(filename)) yield* Effect.zipRight(makeFolder(filename), checkPath(filename))
    const reactivity = yield* Reactivity.make
    const parent = yield* Effect.scope
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        // A scope of its own, so that an attempt that failed closes its file before the next one.
        const scope = yield* Scope.make()
        const connection = yield* reserve(filename).pipe(
          Effect.map(guard),
          Effect.provideService(Scope.Scope, scope),
          Effect.provideService(Reactivity.Reactivity, reactivity),
          Effect.tap((connection) => restore(setUp(connection))),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
          Effect.mapError((error) => toStorageError(error, nameOf(filename))),
        )
        yield* Scope.addFinalizerExit(parent, (exit) => Scope.close(scope, exit))
        return connection
      }),
    )
  })
