/** Real files, second connections and turns of the event loop for the storage tests. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SqlError } from "@effect/sql/SqlError"
import Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"

/** A fresh folder that is gone after the test. */
export const tempFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "embedbox-storage-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

/** The path of a database that does not exist yet. */
export const tempFile = Effect.map(tempFolder, (folder) => join(folder, "test.db"))

/** `Storage` on a file for as long as the test lasts, without Embedbox's own tables. */
export const open = (filename: string, options: Omit<Sqlite.SqliteOptions, "filename"> = {}) =>
  Effect.map(Layer.build(Sqlite.layer({ migrations: {}, ...options, filename })), (context) =>
    Context.get(context, Storage),
  )

/** A second connection, as another process would have it. It never waits. */
export const otherConnection = (filename: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Database(filename, { timeout: 0 })),
    (database) => Effect.sync(() => database.close()),
  )

/** A fresh file, `Storage` on it, a second connection, and a table `notes` with one column. */
export const openWithNotes = (options: Omit<Sqlite.SqliteOptions, "filename"> = {}) =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const storage = yield* open(file, options)
    yield* storage.sql`CREATE TABLE notes (note TEXT NOT NULL)`
    const other = yield* otherConnection(file)
    const notes = storage.sql<{ readonly note: string }>`SELECT note FROM notes ORDER BY rowid`.pipe(
      Effect.map((rows) => rows.map((row) => row.note)),
    )
    const add = (note: string) => storage.sql`INSERT INTO notes ${storage.sql.insert({ note })}`
    return { file, storage, sql: storage.sql, other, notes, add }
  })

/** Lets the event loop turn so many times. */
export const turns = (count: number) =>
  Effect.gen(function* () {
    for (let turn = 0; turn < count; turn++) {
      yield* Effect.async<void>((resume) => {
        setImmediate(() => resume(Effect.void))
      })
    }
  })

/** Lets the other fibers go so many steps. */
export const steps = (count: number) =>
  Effect.gen(function* () {
    for (let step = 0; step < count; step++) yield* Effect.yieldNow()
  })

/** What better-sqlite3 gives, wrapped as the client does. */
export const sqlError = (code: string) =>
  new SqlError({
    cause: Object.assign(new Error(`made up: ${code}`), { code }),
    message: "Failed to execute statement",
  })
