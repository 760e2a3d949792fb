/**
 * The one connection to an SQLite file: opened so that every trouble is a typed error which names the path, and set up
 * the same way every time. It stands on better-sqlite3 itself and not on the connection of the stock client: that one
 * can only be reached through Effects, some fifteen steps of the interpreter for a statement, and a whole transaction of
 * ours must cost what its statements cost. It also waits five seconds with the event loop stopped where a file is
 * locked, dies where it cannot be opened, remembers for ten minutes that a statement could not be prepared, and lets
 * `SafeIntegers` stick to a statement.
 */
import { accessSync, constants, existsSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { StorageError, type StorageTrouble } from "../Domain/Errors.js"
import { toStorageError } from "./SqliteErrors.js"
import * as Folders from "./Folders.js"

/** A connection whose every failure is an `SqlError`, never a defect. */
export interface SafeConnection extends Connection {
  /** Runs one statement in one step. */
  readonly rows: (
    sql: string,
    params: ReadonlyArray<unknown>,
  ) => Either.Either<ReadonlyArray<unknown>, SqlError>
  /** Whether a commit waits until it is on the disk, as it does from the start. Not inside a transaction. */
  readonly flushCommits: (flush: boolean) => Either.Either<void, SqlError>
  /**
   * Throws the connection away: from now on every statement fails with `reason`. For the case that not even ROLLBACK
   * worked: what a later statement would be part of is unknown then. It is not opened anew behind the callers' backs,
   * since a file whose ROLLBACK fails needs a look, and a fresh process opens (and recovers) it anyway.
   */
  readonly discard: (reason: StorageError) => void
}

/** Nobody else can see such a database. */
export const isInMemory = (filename: string) => filename === "" || filename === ":memory:"

/** How errors name a database. */
export const nameOf = (filename: string): string =>
  isInMemory(filename) ? "the in-memory database" : filename

/**
 * `busy_timeout` is how long SQLite may stop the event loop; longer waits are Effect's. FULL, since an acknowledged
 * write survives loss of power. Claims spill to a file without `temp_store`. 64 MB of cache. What `Checkpoints` leaves
 * over is done at four times the usual length of the log.
 */
const pragmas = [
  "PRAGMA busy_timeout = 10",
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = FULL",
  "PRAGMA foreign_keys = ON",
  "PRAGMA temp_store = MEMORY",
  "PRAGMA cache_size = -65536",
  "PRAGMA journal_size_limit = 67108864",
  "PRAGMA wal_autocheckpoint = 4000",
]

const refuse = (trouble: StorageTrouble, reason: string, cause?: unknown) =>
  new StorageError({ trouble, reason, ...(cause === undefined ? {} : { cause }) })

const errnoOf = (cause: unknown) =>
  Predicate.isRecord(cause) && typeof cause["code"] === "string" ? cause["code"] : "unknown"

const makeFolder = (filename: string) =>
  Effect.mapError(Folders.make(dirname(resolve(filename))), ({ cause }) =>
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
              `${filename} is a folder: give the path of a file, such as ${filename}/embedbox.sqlite`,
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

/** Statements that are kept prepared. The queue's own are some sixty; those of a host come on top. */
const mostPrepared = 200

/** A statement, and whether it gives whole numbers as bigint. */
interface Prepared {
  readonly statement: Database.Statement<Array<unknown>, unknown>
  safeIntegers: boolean
}

type Answer<A> = Either.Either<A, SqlError>

/** An open file, to be closed. */
interface Opened {
  readonly connection: SafeConnection
  readonly close: () => void
}

const make = (database: Database.Database): Opened => {
  let discarded: SqlError | undefined
  // In the order of their preparation: the oldest goes first, and is prepared anew where it is still in use.
  const cache = new Map<string, Prepared>()

  const prepare = (sql: string): Answer<Prepared> => {
    if (discarded !== undefined) return Either.left(discarded)
    const known = cache.get(sql)
    if (known !== undefined) return Either.right(known)
    // A failure is not kept: a table that was missing may be there the next time.
    return Either.map(
      Either.try({
        try: () => database.prepare<Array<unknown>, unknown>(sql),
        catch: (cause) => new SqlError({ cause, message: "Failed to prepare statement" }),
      }),
      (statement) => {
        const fresh = { statement, safeIntegers: false }
        if (cache.size >= mostPrepared) cache.delete(cache.keys().next().value ?? "")
        cache.set(sql, fresh)
        return fresh
      },
    )
  }

  const run = <A>(
    sql: string,
    safeIntegers: boolean,
    work: (statement: Prepared["statement"]) => A,
  ): Answer<A> => {
    const prepared = prepare(sql)
    if (Either.isLeft(prepared)) return Either.left(prepared.left)
    if (prepared.right.safeIntegers !== safeIntegers) {
      prepared.right.statement.safeIntegers(safeIntegers)
      prepared.right.safeIntegers = safeIntegers
    }
    return Either.try({
      try: () => work(prepared.right.statement),
      catch: (cause) => new SqlError({ cause, message: "Failed to execute statement" }),
    })
  }

  const rows = (sql: string, params: ReadonlyArray<unknown>, safeIntegers = false) =>
    run(sql, safeIntegers, (statement): ReadonlyArray<unknown> => {
      if (statement.reader) return statement.all(...params)
      statement.run(...params)
      return []
    })

  const asEffect = <A>(work: (safeIntegers: boolean) => Answer<A>): Effect.Effect<A, SqlError> =>
    Effect.withFiberRuntime((fiber) => work(Context.get(fiber.currentContext, SqlClient.SafeIntegers)))

  const execute: Connection["execute"] = (sql, params, transform) =>
    Effect.map(
      asEffect((safe) => rows(sql, params, safe)),
      (list) => (transform === undefined ? list : transform(list.filter(Predicate.isRecord))),
    )

  return {
    connection: {
      rows,
      execute,
      executeRaw: (sql, params) =>
        asEffect((safe) =>
          run(sql, safe, (statement) =>
            statement.reader ? statement.all(...params) : statement.run(...params),
          ),
        ),
      executeValues: (sql, params) =>
        asEffect((safe) =>
          run(sql, safe, (statement): ReadonlyArray<ReadonlyArray<unknown>> => {
            if (!statement.reader) return (statement.run(...params), [])
            const lists = statement.raw(true).all(...params)
            statement.raw(false)
            return lists.filter(Array.isArray)
          }),
        ),
      executeUnprepared: execute,
      executeStream: (sql, params, transform) => Stream.fromIterableEffect(execute(sql, params, transform)),
      // SQLite carries this pragma out as it prepares it: one that is kept prepared would do nothing.
      flushCommits: (flush) =>
        Either.try({
          try: () => void database.exec(`PRAGMA synchronous = ${flush ? "FULL" : "NORMAL"}`),
          catch: (cause) => new SqlError({ cause, message: "Failed to set the durability of commits" }),
        }),
      discard: (reason) => {
        discarded ??= new SqlError({ cause: reason, message: reason.reason })
      },
    },
    close: () => void database.close(),
  }
}

/** Opened and set up in one go, so that an attempt that failed leaves nothing open. */
const connect = (filename: string): Answer<Opened> =>
  Either.gen(function* () {
    const opened = yield* Either.try({
      try: () => make(new Database(filename)),
      catch: (cause) => new SqlError({ cause, message: "Failed to open" }),
    })
    // The last one, since a damaged file should say so now.
    for (const sql of [...pragmas, "SELECT count(*) FROM sqlite_schema"]) {
      const done = opened.connection.rows(sql, [])
      if (Either.isLeft(done)) opened.close()
      yield* done
    }
    return opened
  })

/**
 * Opens the file and sets the connection up. The folder is made when missing. While another process holds the file
 * locked it fails with "Busy", with nothing left open, and may be tried again.
 */
export const open = (filename: string): Effect.Effect<SafeConnection, StorageError, Scope.Scope> =>
  Effect.gen(function* () {
    if (!isInMemory(filename)) yield* Effect.zipRight(makeFolder(filename), checkPath(filename))
    const { connection } = yield* Effect.acquireRelease(
      Effect.mapError(
        Effect.suspend(() => connect(filename)),
        (error) => toStorageError(error, nameOf(filename)),
      ),
      ({ close }) => Effect.sync(close),
    )
    return connection
  })
