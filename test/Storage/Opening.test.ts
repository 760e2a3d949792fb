import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { StorageTrouble } from "../../src/Domain/Errors.js"
import { open, otherConnection, tempFile, tempFolder, turns } from "./support.js"

/**
 * Permissions do not bind root: be nobody for a while. Others need nothing. Only the effective user changes, which
 * access(2) does not look at, so as root SQLite itself is what refuses.
 */
const asNobody = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  process.getuid?.() === 0
    ? Effect.acquireUseRelease(
        Effect.sync(() => process.seteuid?.(65534)),
        () => effect,
        () => Effect.sync(() => process.seteuid?.(0)),
      )
    : effect

const expectRefused = (path: string, trouble: StorageTrouble, reason: RegExp) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(open(path))
    expect(`${error.trouble}: ${error.message}`).toMatch(new RegExp(`^${trouble}: `))
    expect(error.message).toContain(path)
    expect(error.message).toMatch(reason)
    expect(error.message).not.toContain("\n")
  })

/** A database of somebody else with one row, closed again. */
const someDatabase = Effect.tap(tempFile, (file) =>
  Effect.sync(() => {
    const database = new Database(file)
    database.exec("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
    database.close()
  }),
)

const overwrite = (file: string, at: number, bytes: ReadonlyArray<number>) => {
  const content = readFileSync(file)
  content.set(bytes, at)
  writeFileSync(file, content)
}

describe("opening a file", () => {
  it.scoped("makes its folder and puts every pragma in force", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "some", "where", "test.db")
      const { sql } = yield* open(file)
      const pragma = (name: string) => Effect.map(sql.unsafe(`PRAGMA ${name}`).values, (rows) => rows[0]?.[0])
      expect(yield* pragma("journal_mode")).toBe("wal")
      expect(yield* pragma("synchronous")).toBe(2)
      expect(yield* pragma("busy_timeout")).toBeLessThanOrEqual(50)
      expect(yield* pragma("foreign_keys")).toBe(1)
      expect(yield* pragma("temp_store")).toBe(2)
      expect(yield* pragma("cache_size")).toBe(-65536)
      expect(yield* pragma("wal_autocheckpoint")).toBe(4000)
      expect(yield* pragma("journal_size_limit")).toBe(64 * 1024 * 1024)
    }),
  )

  it.scoped("works in memory", () =>
    Effect.gen(function* () {
      const { sql, write } = yield* open(":memory:")
      yield* write(sql`CREATE TABLE t (x)`)
      expect(yield* sql`SELECT count(*) AS n FROM t`).toEqual([{ n: 0 }])
      expect(existsSync(":memory:")).toBe(false)
    }),
  )

  it.scoped("opens another program's database and an empty file", () =>
    Effect.gen(function* () {
      const { sql } = yield* open(yield* someDatabase)
      expect(yield* sql`SELECT x FROM theirs`).toEqual([{ x: 1 }])
      const empty = yield* tempFile
      writeFileSync(empty, "")
      yield* open(empty)
    }),
  )

  it.scoped("closes the file when the layer goes", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* Effect.scoped(Effect.flatMap(open(file), ({ sql }) => sql`CREATE TABLE t (x)`))
      expect(existsSync(`${file}-wal`)).toBe(false) // the last one out tidies up
    }),
  )

  it.scoped("refuses a folder that cannot be made, and does not try for ever", () =>
    Effect.gen(function* () {
      const file = yield* someDatabase
      yield* expectRefused(join(file, "below", "test.db"), "CannotOpen", /cannot be made \(E(NOTDIR|EXIST)\)/)
      // Linux only: here a parent that is there says that it is not, which Node's recursive mkdir does not survive.
      if (process.platform === "linux") {
        yield* expectRefused("/proc/no/such/test.db", "CannotOpen", /cannot be made \(ENOENT\)/)
      }
    }),
  )

  it.scoped("refuses what is no file", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      yield* expectRefused(folder, "CannotOpen", /is a folder/)
      const file = join(folder, "file")
      writeFileSync(file, "x")
      yield* expectRefused(join(file, "sub", "test.db"), "CannotOpen", /choose/)
      yield* expectRefused(join(file, "test.db"), "CannotOpen", /choose/)
      yield* expectRefused("/dev/null", "CannotOpen", /not a regular file/)
      yield* expectRefused(join(folder, "x".repeat(300)), "CannotOpen", /ENAMETOOLONG/)
    }),
  )

  it.scoped(
    "refuses a file that is no database, a damaged header and a damaged page, and leaves them alone",
    () =>
      Effect.gen(function* () {
        const notes = yield* tempFile
        writeFileSync(notes, "# A note\n\n".repeat(100))
        yield* expectRefused(notes, "Corrupt", /no SQLite database.*backup/)
        expect(readFileSync(notes, "utf8")).toBe("# A note\n\n".repeat(100))

        const header = yield* someDatabase
        overwrite(header, 16, [0x12, 0x34]) // the page size
        const before = readFileSync(header)
        yield* expectRefused(header, "Corrupt", /damaged/)
        expect(readFileSync(header).equals(before)).toBe(true)

        const page = yield* someDatabase
        overwrite(page, 100, [0xff, 0xff, 0xff, 0xff]) // the page of the schema
        yield* expectRefused(page, "Corrupt", /damaged/)
      }),
  )

  it.scoped("refuses a file that SQLite itself may only read (binds root as well)", () =>
    Effect.gen(function* () {
      const file = yield* someDatabase
      overwrite(file, 18, [3]) // a version of the format that is yet to come: read, but never write
      yield* expectRefused(file, "ReadOnly", /cannot be written/)
    }),
  )

  it.scoped("refuses a read-only file and a read-only folder", () =>
    Effect.gen(function* () {
      const file = yield* someDatabase
      const folder = join(file, "..")
      chmodSync(folder, 0o755)
      chmodSync(file, 0o444)
      yield* asNobody(expectRefused(file, "ReadOnly", /permission/))
      expect(statSync(file).size).toBeGreaterThan(0)

      const closed = join(folder, "closed")
      mkdirSync(closed)
      chmodSync(closed, 0o555)
      const isRoot = process.getuid?.() === 0
      yield* asNobody(
        expectRefused(join(closed, "test.db"), isRoot ? "CannotOpen" : "ReadOnly", /its folder/),
      )
      yield* asNobody(expectRefused(join(closed, "new", "test.db"), "CannotOpen", /cannot be made/))
    }),
  )

  it.scoped("refuses a log that belongs to somebody else", () =>
    Effect.gen(function* () {
      const original = yield* tempFile
      const other = yield* otherConnection(original)
      other.exec("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)")
      const file = yield* tempFile // as it is left by a process that was killed
      for (const suffix of ["", "-wal", "-shm"]) copyFileSync(original + suffix, file + suffix)
      chmodSync(join(file, ".."), 0o777)
      chmodSync(file, 0o666)
      chmodSync(`${file}-wal`, 0o400)
      chmodSync(`${file}-shm`, 0o400)
      const error = yield* asNobody(Effect.flip(open(file)))
      expect(["ReadOnly", "CannotOpen"]).toContain(error.trouble)
      expect(error.message).toContain(file)
    }),
  )

  it.scopedLive("waits while another process holds it locked", () =>
    Effect.gen(function* () {
      const file = yield* someDatabase
      const other = yield* otherConnection(file)
      other.exec("BEGIN EXCLUSIVE; INSERT INTO theirs VALUES (2)")
      const fiber = yield* Effect.fork(open(file))
      yield* turns(100)
      expect(fiber.unsafePoll()).toBeNull()
      other.exec("COMMIT")
      const { sql } = yield* Fiber.join(fiber)
      expect(yield* sql`SELECT x FROM theirs`).toEqual([{ x: 1 }, { x: 2 }])
    }),
  )

  it.scopedLive("gives up after the budget, and leaves nothing open", () =>
    Effect.gen(function* () {
      const file = yield* someDatabase
      const other = yield* otherConnection(file)
      other.exec("BEGIN EXCLUSIVE")
      const error = yield* Effect.flip(open(file, { busyBudget: "50 millis" }))
      expect(error.trouble).toBe("Busy")
      expect(error.message).toContain(file)
      other.exec("COMMIT; PRAGMA locking_mode = EXCLUSIVE; INSERT INTO theirs VALUES (3)") // nobody else is there
    }),
  )
})
