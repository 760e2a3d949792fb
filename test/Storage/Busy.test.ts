import { spawn } from "node:child_process"
import { once } from "node:events"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { StorageError } from "../../src/Domain/Errors.js"
import { openWithNotes, sqlError, steps, turns } from "./support.js"

/** Another process that holds the write lock from its first line of output until it is told to let go. */
const holder = (file: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const script = `
        const database = new (require("better-sqlite3"))(process.argv[1])
        database.exec("BEGIN IMMEDIATE; INSERT INTO notes VALUES ('holder')")
        process.stdout.write("held")
        process.stdin.once("data", () => { database.exec("COMMIT"); process.exit() })`
      const child = spawn(process.execPath, ["-e", script, file], { stdio: ["pipe", "pipe", "inherit"] })
      await once(child.stdout, "data")
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL")),
  )

describe("a busy database", () => {
  it.scopedLive("is waited for while the event loop goes on", () =>
    Effect.gen(function* () {
      const { add, notes, other, storage } = yield* openWithNotes()
      other.exec("BEGIN IMMEDIATE; INSERT INTO notes VALUES ('other')")
      const fiber = yield* Effect.fork(storage.write(Effect.zipRight(notes, add("mine"))))
      // The lock is held by this very thread: whoever waited in SQLite would wait for itself.
      yield* turns(200)
      expect(fiber.unsafePoll()).toBeNull()
      expect(yield* storage.read(notes)).toEqual([]) // readers are not held up
      other.exec("COMMIT")
      yield* Fiber.join(fiber)
      expect(yield* notes).toEqual(["other", "mine"])
    }),
  )

  it.scopedLive("is waited for when another process holds it", () =>
    Effect.gen(function* () {
      const { add, file, notes, storage } = yield* openWithNotes()
      const child = yield* holder(file)
      const fiber = yield* Effect.fork(storage.write(add("mine")))
      yield* turns(50)
      expect(fiber.unsafePoll()).toBeNull()
      child.stdin.write("go")
      yield* Fiber.join(fiber)
      expect(yield* notes).toEqual(["holder", "mine"])
    }),
  )

  it.scoped("is given up after the budget, by the clock", () =>
    Effect.gen(function* () {
      const { add, file, notes, other, storage } = yield* openWithNotes({ busyBudget: "3 seconds" })
      other.exec("BEGIN IMMEDIATE")
      const fiber = yield* Effect.fork(Effect.flip(storage.write(add("mine"))))
      for (let i = 0; i < 28; i++) yield* TestClock.adjust("100 millis")
      expect(fiber.unsafePoll()).toBeNull()
      for (let i = 0; i < 6; i++) yield* TestClock.adjust("100 millis")
      const error = yield* Fiber.join(fiber)
      expect(error).toBeInstanceOf(StorageError)
      expect(error).toMatchObject({ trouble: "Busy", fault: "host" })
      expect(error.message).toContain(file)
      other.exec("ROLLBACK")
      yield* storage.write(add("later"))
      expect(yield* notes).toEqual(["later"])
    }),
  )

  it.scoped("is tried again soon at first, and less often later", () =>
    Effect.gen(function* () {
      const { storage } = yield* openWithNotes()
      let attempts = 0
      const busy = Effect.suspend(() => {
        attempts++
        return Effect.fail(sqlError("SQLITE_BUSY"))
      })
      const fiber = yield* Effect.fork(Effect.flip(storage.read(busy)))
      yield* TestClock.adjust("1 millis")
      expect(attempts).toBe(1)
      yield* TestClock.adjust("2 millis")
      expect(attempts).toBe(2)
      yield* TestClock.adjust("11 seconds")
      expect((yield* Fiber.join(fiber)).trouble).toBe("Busy")
      expect(attempts).toBeGreaterThan(80)
      expect(attempts).toBeLessThan(150)
    }),
  )

  it.scopedLive("replays the outermost unit only, as a whole", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const attempts = { outer: 0, inner: 0 }
      yield* storage.write(
        Effect.gen(function* () {
          attempts.outer++
          yield* add(`outer ${attempts.outer}`)
          yield* storage.write(
            Effect.gen(function* () {
              attempts.inner++
              yield* add("inner")
              if (attempts.inner < 3) return yield* sqlError("SQLITE_BUSY_SNAPSHOT")
            }),
          )
        }),
      )
      expect(attempts).toEqual({ outer: 3, inner: 3 })
      expect(yield* notes).toEqual(["outer 3", "inner"])
    }),
  )

  it.scoped("is not replayed inside a host's own transaction, which must decide for itself", () =>
    Effect.gen(function* () {
      const { sql, storage } = yield* openWithNotes()
      let attempts = 0
      const busy = storage.write(
        Effect.suspend(() => {
          attempts++
          return Effect.fail(sqlError("SQLITE_LOCKED"))
        }),
      )
      expect(yield* Effect.flip(sql.withTransaction(busy))).toMatchObject({ trouble: "Busy" })
      expect(attempts).toBe(1)
    }),
  )

  it.scoped("does not hold up others in this process while somebody waits for it", () =>
    Effect.gen(function* () {
      const { add, notes, other, storage } = yield* openWithNotes()
      other.exec("BEGIN IMMEDIATE")
      const fiber = yield* Effect.fork(storage.write(add("waits")))
      yield* steps(20)
      expect(yield* storage.read(notes)).toEqual([])
      yield* Fiber.interrupt(fiber)
      other.exec("ROLLBACK")
      expect(yield* storage.read(notes)).toEqual([])
    }),
  )

  it.scoped("is told by dataVersion when somebody else has written", () =>
    Effect.gen(function* () {
      const { add, notes, other, storage } = yield* openWithNotes()
      const before = yield* storage.dataVersion
      yield* storage.write(add("mine"))
      yield* storage.read(notes)
      expect(yield* storage.dataVersion).toBe(before)
      other.exec("INSERT INTO notes VALUES ('other')")
      const after = yield* storage.dataVersion
      expect(after).not.toBe(before)
      expect(yield* storage.dataVersion).toBe(after)
      expect(yield* storage.write(storage.dataVersion)).toBe(after)
    }),
  )
})
