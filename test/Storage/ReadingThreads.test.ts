import { existsSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Context from "effect/Context"
import { Storage } from "../../src/Storage.js"
import * as ReadingThreads from "../../src/Storage/ReadingThreads.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { open, openWithNotes, tempFile, turns } from "./support.js"

/** Counts to a number, which takes SQLite a while. */
const counting = (storage: typeof Storage.Service, to: number) =>
  storage.statement`WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${to})
    SELECT max(n) AS n FROM counter`

const notesOf = (storage: typeof Storage.Service) => storage.statement`SELECT note FROM notes ORDER BY rowid`

describe("a statement that is read aside", () => {
  it.scopedLive("leaves the event loop and the connection to others", () =>
    Effect.gen(function* () {
      const { notes, storage } = yield* openWithNotes()
      // The thread is up before, so that its start is not what is waited for.
      yield* storage.readAside(notesOf(storage))
      const long = yield* Effect.fork(storage.readAside(counting(storage, 3_000_000)))
      yield* turns(20)
      yield* notes
      expect(long.unsafePoll()).toBeNull()
      expect(yield* Fiber.join(long)).toEqual([{ n: 3_000_000 }])
    }),
  )

  it.scopedLive("sees what was committed before it, and in a transaction what was written in it", () =>
    Effect.gen(function* () {
      const { add, storage } = yield* openWithNotes()
      yield* add("first")
      expect(yield* storage.readAside(notesOf(storage))).toEqual([{ note: "first" }])
      yield* storage.write(
        Effect.gen(function* () {
          yield* add("second")
          expect(yield* storage.readAside(notesOf(storage))).toEqual([{ note: "first" }, { note: "second" }])
        }),
      )
    }),
  )

  it.scoped("is run here where the database is in memory", () =>
    Effect.gen(function* () {
      const storage = yield* open(":memory:")
      yield* storage.sql`CREATE TABLE notes (note TEXT NOT NULL)`
      yield* storage.sql`INSERT INTO notes VALUES ('here')`
      expect(yield* storage.readAside(notesOf(storage))).toEqual([{ note: "here" }])
    }),
  )

  it.scopedLive("fails as any other does, and cannot write", () =>
    Effect.gen(function* () {
      const { notes, storage } = yield* openWithNotes()
      const wrong = yield* Effect.flip(storage.readAside(storage.statement`SELECT * FROM absent`))
      expect(wrong.trouble).toBe("Other")
      expect(wrong.reason).toContain("no such table: absent")
      const refused = yield* Effect.flip(
        storage.readAside(storage.statement`INSERT INTO notes VALUES ('x') RETURNING note`),
      )
      expect(refused.trouble).toBe("ReadOnly")
      expect(yield* notes).toEqual([])
    }),
  )

  it.scopedLive("leaves no file behind when the database is closed", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      const life = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Sqlite.layer({ filename: file, migrations: {} }), life)
      const storage = Context.get(context, Storage)
      yield* storage.sql`CREATE TABLE notes (note TEXT NOT NULL)`
      yield* storage.readAside(notesOf(storage))
      expect(existsSync(`${file}-wal`)).toBe(true)
      yield* Scope.close(life, Exit.void)
      expect(existsSync(`${file}-wal`)).toBe(false)
    }),
  )
})

describe("the thread", () => {
  const entry = new URL("./fixtures/MortalThread.ts", import.meta.url)

  it.scopedLive("that dies fails who waits for it, and another one answers the next", () =>
    Effect.gen(function* () {
      const thread = yield* ReadingThreads.make("unused", { entry, width: 1 })
      const [first] = yield* thread.rows("who", [])
      expect(yield* thread.rows("who", [])).toEqual([first])
      const error = yield* Effect.flip(thread.rows("die", []))
      expect(error.message).toBe("The thread of a connection ended")
      const [second] = yield* thread.rows("who", [])
      expect(second).not.toBe(first)
    }),
  )

  it.scopedLive("is not kept when nobody asks any more", () =>
    Effect.gen(function* () {
      const thread = yield* ReadingThreads.make("unused", { entry, width: 1, idleTime: "1 millis" })
      const [first] = yield* thread.rows("who", [])
      // Closing takes turns of the event loop; a thread that were kept would answer for ever.
      const other = yield* Effect.repeat(Effect.zipRight(Effect.sleep("5 millis"), thread.rows("who", [])), {
        until: ([number]) => number !== first,
      })
      expect(other).not.toEqual([first])
    }),
  )

  it.scopedLive("is helped by another one when it is busy, and by no more than wanted", () =>
    Effect.gen(function* () {
      const threads = yield* ReadingThreads.make("unused", { entry, width: 2 })
      const asked = (count: number) =>
        Effect.map(
          Effect.forEach(Array.from({ length: count }), () => threads.rows("who", []), {
            concurrency: "unbounded",
          }),
          (rows) => new Set(rows.flat()).size,
        )
      expect(yield* asked(1)).toBe(1)
      expect(yield* asked(5)).toBe(2)
      expect(threads.width).toBe(2)
    }),
  )
})
