import { describe, expect, it } from "@effect/vitest"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { StorageError, type StorageTrouble } from "../../src/Domain/Errors.js"
import { isBusy, isLowLevel, notLoaded, toStorageError } from "../../src/Storage/SqliteErrors.js"
import { sqlError } from "./support.js"

const table: ReadonlyArray<readonly [code: string, trouble: StorageTrouble, reason: RegExp]> = [
  ["SQLITE_BUSY", "Busy", /locked by another process/],
  ["SQLITE_BUSY_SNAPSHOT", "Busy", /locked/],
  ["SQLITE_BUSY_RECOVERY", "Busy", /locked/],
  ["SQLITE_LOCKED", "Busy", /locked/],
  ["SQLITE_LOCKED_SHAREDCACHE", "Busy", /locked/],
  ["SQLITE_PROTOCOL", "Busy", /locked/],
  ["SQLITE_FULL", "Full", /free some space/],
  ["SQLITE_IOERR_SHMSIZE", "Full", /free some space/],
  ["SQLITE_READONLY", "ReadOnly", /permission/],
  ["SQLITE_READONLY_DBMOVED", "ReadOnly", /moved or deleted/],
  ["SQLITE_CORRUPT", "Corrupt", /backup/],
  ["SQLITE_CORRUPT_INDEX", "Corrupt", /backup/],
  ["SQLITE_NOTADB", "Corrupt", /no SQLite database/],
  ["SQLITE_CANTOPEN", "CannotOpen", /path/],
  ["SQLITE_CANTOPEN_ISDIR", "CannotOpen", /path/],
  ["SQLITE_IOERR_FSYNC", "Other", /check the disk/],
  ["SQLITE_IOERR_WRITE", "Other", /quota/],
  ["SQLITE_CONSTRAINT_UNIQUE", "Other", /made up: SQLITE_CONSTRAINT_UNIQUE/],
]

describe("SqliteErrors", () => {
  it("maps every code to a trouble and a reason of one line that names the file", () => {
    for (const [code, trouble, reason] of table) {
      const error = toStorageError(sqlError(code), "/some/notes.db")
      expect([code, error.trouble]).toEqual([code, trouble])
      expect(error.reason).toMatch(reason)
      expect(error.reason).toContain("/some/notes.db")
      expect(isBusy(sqlError(code))).toBe(trouble === "Busy")
      expect(isBusy(error)).toBe(trouble === "Busy")
    }
  })

  it.effect("maps a row that does not decode", () =>
    Effect.gen(function* () {
      const cause = yield* Effect.flip(Schema.decodeUnknown(Schema.Struct({ a: Schema.Int }))({ a: "x" }))
      const error = toStorageError(cause, "notes.db")
      expect(error.trouble).toBe("InvalidRow")
      expect(error.reason).not.toContain("\n")
    }),
  )

  it("tells a driver that could not be loaded from trouble with the file", () => {
    const compiledForAnother = Object.assign(new Error("was compiled against a different Node.js version"), {
      code: "ERR_DLOPEN_FAILED",
    })
    const neverCompiled = Object.assign(new Error("Could not locate the bindings file."), {
      tries: ["a", "b"],
    })
    for (const cause of [compiledForAnother, neverCompiled]) {
      const error = toStorageError(new SqlError({ cause, message: "Failed to open" }), "notes.db")
      expect(error).toMatchObject({ trouble: "NotLoaded", reason: notLoaded(process.versions) })
    }
    expect(notLoaded({ node: "24.1.0" })).toMatch(/this Node \(24\.1\.0\).*npm rebuild better-sqlite3/)
    expect(notLoaded({ node: "24.1.0", bun: "1.4.5" })).toMatch(/^Bun cannot load.*Sqlite\.layerClient/)
  })

  it("keeps a StorageError as it is, also inside an SqlError", () => {
    const error = new StorageError({ trouble: "Full", reason: "full" })
    expect(toStorageError(error, "x")).toBe(error)
    expect(toStorageError(new SqlError({ cause: error, message: "x" }), "x")).toBe(error)
  })

  it("knows which errors are the database's", () => {
    expect(isLowLevel(sqlError("SQLITE_FULL"))).toBe(true)
    expect(isLowLevel(new StorageError({ trouble: "Full", reason: "full" }))).toBe(false)
    expect(isLowLevel("no")).toBe(false)
  })
})
