import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Reactivity from "@effect/experimental/Reactivity"
import { StorageError } from "../../src/Domain/Errors.js"
import * as FairClient from "../../src/Storage/FairClient.js"
import * as SqliteConnection from "../../src/Storage/SqliteConnection.js"
import { open, openWithNotes, sqlError, steps, tempFile, turns } from "./support.js"

describe("transactions", () => {
  it.scoped("take the write lock at their start, so that a read before a write is safe", () =>
    Effect.gen(function* () {
      const { add, notes, other, storage } = yield* openWithNotes()
      yield* storage.write(
        Effect.gen(function* () {
          yield* notes
          expect(() => other.exec("INSERT INTO notes VALUES ('other')")).toThrow(/locked/)
          yield* add("mine")
        }),
      )
      other.exec("INSERT INTO notes VALUES ('other')")
      yield* storage.write(Effect.zipRight(notes, add("mine again")))
      expect(yield* notes).toEqual(["mine", "other", "mine again"])
    }),
  )

  it.scoped("do not starve other fibers", () =>
    Effect.gen(function* () {
      const { add, sql, storage } = yield* openWithNotes()
      let transactions = 0
      const greedy = yield* Effect.fork(
        Effect.forever(Effect.tap(storage.write(add("x")), () => Effect.sync(() => transactions++))),
      )
      yield* steps(1)
      for (let i = 0; i < 50; i++) yield* sql`SELECT 1`
      for (let i = 0; i < 50; i++) yield* storage.write(add("y"))
      // One of theirs for each of ours, and some while we did not wait in line. An unfair lock gives thousands.
      expect(transactions).toBeLessThan(300)
      yield* Fiber.interrupt(greedy)
    }),
  )

  it.scopedLive("let timers tick while statements loop, outside and inside", () =>
    Effect.gen(function* () {
      const { sql, storage } = yield* openWithNotes()
      const ticksDuring = <E>(loop: (enough: () => boolean) => Effect.Effect<void, E>) =>
        Effect.gen(function* () {
          let ticks = 0
          const heart = yield* Effect.fork(
            Effect.forever(Effect.tap(Effect.sleep("1 millis"), () => Effect.sync(() => ticks++))),
          )
          yield* steps(2)
          yield* loop(() => ticks >= 5)
          yield* Fiber.interrupt(heart)
          return ticks
        })
      const loop = (enough: () => boolean) =>
        Effect.gen(function* () {
          for (let i = 0; i < 50_000 && !enough(); i++) yield* sql`SELECT 1`
        })
      expect(yield* ticksDuring(loop)).toBeGreaterThanOrEqual(5)
      expect(yield* ticksDuring((enough) => storage.write(loop(enough)))).toBeGreaterThanOrEqual(5)
      expect(
        yield* ticksDuring((enough) =>
          Effect.gen(function* () {
            for (let i = 0; i < 50_000 && !enough(); i++) yield* storage.write(Effect.void)
          }),
        ),
      ).toBeGreaterThanOrEqual(5)
    }),
  )

  it.scoped("give the lock back when they are interrupted while the event loop turns", () =>
    Effect.gen(function* () {
      const { add, notes, sql, storage } = yield* openWithNotes()
      for (const unit of [
        Effect.ignore(add("gone")),
        Effect.ignore(storage.write(add("gone"))),
        Effect.ignore(Effect.scoped(sql.reserve)),
      ]) {
        yield* turns(1)
        yield* sql`SELECT 1`
        for (const until = performance.now() + 10; performance.now() < until; );
        const fiber = yield* Effect.fork(unit)
        yield* steps(3)
        yield* Fiber.interrupt(fiber)
        yield* storage.write(add("next"))
      }
      expect(yield* notes).toEqual(["next", "next", "next"])
    }),
  )

  it.scoped("give a typed error when COMMIT fails, roll back, and leave nothing open", () =>
    Effect.gen(function* () {
      const { add, notes, other, sql, storage } = yield* openWithNotes()
      yield* sql`CREATE TABLE parents (id INTEGER PRIMARY KEY)`
      yield* sql`CREATE TABLE children (parent INTEGER REFERENCES parents (id))`
      const orphan = Effect.gen(function* () {
        yield* sql`PRAGMA defer_foreign_keys = ON`
        yield* add("never")
        yield* sql`INSERT INTO children VALUES (7)`
      })
      const error = yield* Effect.flip(storage.write(orphan))
      expect(error).toBeInstanceOf(StorageError)
      expect(error).toMatchObject({ trouble: "Other", fault: "host" })
      const raw = yield* Effect.flip(sql.withTransaction(orphan))
      expect(raw._tag).toBe("SqlError")
      other.exec("INSERT INTO notes VALUES ('other')") // the lock is free
      yield* storage.write(add("later"))
      expect(yield* notes).toEqual(["other", "later"])
    }),
  )

  it.scoped("roll back on failure, defect and interruption", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      expect(yield* Effect.flip(storage.write(Effect.zipRight(add("a"), Effect.fail("no"))))).toBe("no")
      expect(
        Exit.isFailure(yield* Effect.exit(storage.write(Effect.zipRight(add("b"), Effect.die("oh"))))),
      ).toBe(true)
      const inside = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        storage.write(
          add("c").pipe(Effect.zipRight(Deferred.succeed(inside, undefined)), Effect.zipRight(Effect.never)),
        ),
      )
      yield* Deferred.await(inside)
      yield* Fiber.interrupt(fiber)
      yield* storage.write(add("d"))
      expect(yield* notes).toEqual(["d"])
    }),
  )

  it.scoped("are all or nothing, and give the lock back, wherever they are interrupted", () =>
    Effect.gen(function* () {
      const { add, other, sql, storage } = yield* openWithNotes()
      const unit = storage.write(
        Effect.gen(function* () {
          yield* add("1")
          yield* Effect.yieldNow()
          yield* storage.write(Effect.zipRight(add("2"), Effect.yieldNow()))
          yield* add("3")
        }),
      )
      const count = other.prepare("SELECT count(*) FROM notes").pluck()
      for (let at = 0; at < 40; at++) {
        const earlier = yield* Effect.fork(storage.write(steps(at % 5)))
        const victim = yield* Effect.fork(unit)
        const statement = yield* Effect.fork(sql`SELECT 1`)
        const reservation = yield* Effect.fork(Effect.scoped(Effect.zipRight(sql.reserve, steps(2))))
        const later = yield* Effect.fork(storage.write(Effect.void))
        yield* steps(at % 13)
        yield* Fiber.interruptFork(statement)
        yield* Fiber.interruptFork(victim)
        yield* steps(at % 3)
        yield* Fiber.interruptFork(reservation)
        yield* Fiber.join(earlier)
        yield* Fiber.join(later)
        yield* Fiber.await(victim)
        yield* Fiber.await(reservation)
        expect(Number(count.get()) % 3).toBe(0)
        other.exec("BEGIN IMMEDIATE; ROLLBACK")
      }
      const before = Number(count.get())
      yield* unit
      expect(Number(count.get())).toBe(before + 3)
    }),
  )

  it.scoped("keep the outer when a savepoint is rolled back, and release it", () =>
    Effect.gen(function* () {
      const { add, notes, sql, storage } = yield* openWithNotes()
      yield* storage.write(
        Effect.gen(function* () {
          yield* add("outer")
          expect(yield* Effect.flip(storage.write(Effect.zipRight(add("inner"), Effect.fail("no"))))).toBe(
            "no",
          )
          const gone = yield* Effect.exit(sql`ROLLBACK TO embedbox_1`)
          expect(Exit.isFailure(gone)).toBe(true) // no savepoint is left behind
          yield* storage.write(Effect.zipRight(add("second"), storage.write(add("third"))))
        }),
      )
      expect(yield* notes).toEqual(["outer", "second", "third"])
    }),
  )

  it.scoped("nest with a host's own, either way round", () =>
    Effect.gen(function* () {
      const { add, notes, sql, storage } = yield* openWithNotes()
      const failing = sql.withTransaction(Effect.zipRight(storage.write(add("a")), Effect.fail("no")))
      expect(yield* Effect.flip(failing)).toBe("no")
      expect(yield* notes).toEqual([])
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* add("host")
          yield* Effect.ignore(storage.write(Effect.zipRight(add("ours, undone"), Effect.fail("no"))))
          yield* storage.write(add("ours"))
        }),
      )
      yield* storage.write(Effect.zipRight(sql.withTransaction(add("host inside")), storage.read(notes)))
      expect(yield* notes).toEqual(["host", "ours", "host inside"])
    }),
  )

  it.scoped("refuse a fiber that was forked inside and outlives them", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const gate = yield* Deferred.make<void>()
      const child = yield* storage.write(
        Effect.forkDaemon(Effect.zipRight(Deferred.await(gate), add("stray"))),
      )
      const nested = yield* storage.write(
        Effect.forkDaemon(Effect.zipRight(Deferred.await(gate), storage.write(add("stray")))),
      )
      yield* Deferred.succeed(gate, undefined)
      expect((yield* Effect.flip(Fiber.join(child))).message).toMatch(/over/)
      expect(yield* Effect.flip(Fiber.join(nested))).toMatchObject({ _tag: "StorageError", trouble: "Other" })
      expect(yield* notes).toEqual([])
    }),
  )

  it.scoped("do not go on after an error for which SQLite may have ended them", () =>
    Effect.gen(function* () {
      const { add, notes, sql, storage } = yield* openWithNotes()
      const pages = yield* sql<{ readonly page_count: number }>`PRAGMA page_count`
      yield* sql.unsafe(`PRAGMA max_page_count = ${(pages[0]?.page_count ?? 0) + 3}`)
      const fill = add("x".repeat(100_000))
      const error = yield* Effect.flip(
        storage.write(
          Effect.gen(function* () {
            yield* add("before")
            yield* Effect.ignore(storage.write(fill))
            yield* Effect.ignore(fill)
            yield* Effect.ignore(add("after")) // would be committed by itself
          }),
        ),
      )
      expect(error).toMatchObject({ _tag: "StorageError", trouble: "Full" })
      expect(yield* notes).toEqual([])
      yield* storage.write(add("small"))
      expect(yield* notes).toEqual(["small"])
    }),
  )

  it.scoped("throw the connection away when not even ROLLBACK works", () =>
    Effect.gen(function* () {
      const connection = yield* SqliteConnection.open(":memory:")
      const broken: SqliteConnection.SafeConnection = {
        ...connection,
        rows: (sql, params) =>
          sql === "ROLLBACK" ? Either.left(sqlError("SQLITE_IOERR")) : connection.rows(sql, params),
      }
      const { sql } = yield* FairClient.make(broken, { file: "x.db" })
      yield* sql`CREATE TABLE notes (note TEXT)`
      expect(yield* Effect.flip(sql.withTransaction(Effect.fail("no")))).toBe("no")
      for (const statement of [sql`SELECT 1`, sql`SELECT 1`.unprepared, sql.withTransaction(Effect.void)]) {
        const error = yield* Effect.flip(Effect.asVoid(statement))
        expect(error.cause).toBeInstanceOf(StorageError)
        expect(error.message).toMatch(/x\.db.*restart/)
      }
    }).pipe(Effect.provide(Reactivity.layer)),
  )
})

describe("the exposed client", () => {
  it.scoped("reserves the connection for a scope, and gives the open one inside a transaction", () =>
    Effect.gen(function* () {
      const { add, notes, sql, storage } = yield* openWithNotes()
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* sql.reserve
          yield* connection.execute("INSERT INTO notes VALUES (?)", ["reserved"], undefined)
          const waiting = yield* Effect.fork(add("waited"))
          yield* steps(20)
          expect(waiting.unsafePoll()).toBeNull()
          yield* connection.executeValues("SELECT 1", [])
          return waiting
        }),
      )
      yield* Fiber.join(waiting)
      yield* storage.write(
        Effect.scoped(
          Effect.flatMap(sql.reserve, (connection) =>
            connection.executeRaw("INSERT INTO notes VALUES ('in')", []),
          ),
        ),
      )
      const stale = yield* Effect.scoped(sql.reserve)
      expect(Exit.isFailure(yield* Effect.exit(stale.execute("SELECT 1", [], undefined)))).toBe(true)
      expect(yield* notes).toEqual(["reserved", "waited", "in"])
    }),
  )

  it.scoped("fails, and does not die, on a statement that cannot be prepared", () =>
    Effect.gen(function* () {
      const { sql } = yield* openWithNotes()
      expect((yield* Effect.flip(sql`SELEC 1`.unprepared))._tag).toBe("SqlError")
      expect((yield* Effect.flip(sql`SELEC 1`))._tag).toBe("SqlError")
      expect((yield* Effect.flip(sql.withTransaction(sql`SELEC 1`.unprepared)))._tag).toBe("SqlError")
      expect((yield* Effect.flip(Stream.runCollect(sql`SELEC 1`.stream)))._tag).toBe("SqlError")
      const rows = sql`SELECT 1 AS n UNION SELECT 2`.stream
      for (const stream of [Stream.runCollect(rows), sql.withTransaction(Stream.runCollect(rows))]) {
        expect(Chunk.toReadonlyArray(yield* stream)).toEqual([{ n: 1 }, { n: 2 }])
      }
    }),
  )

  it.scoped("does not remember that a table was missing", () =>
    Effect.gen(function* () {
      const { sql } = yield* openWithNotes()
      const query = sql`SELECT count(*) AS n FROM later`
      for (let i = 0; i < 3; i++) expect((yield* Effect.flip(query))._tag).toBe("SqlError")
      yield* sql`CREATE TABLE later (x)`
      expect(yield* query).toEqual([{ n: 0 }])
    }),
  )

  it.scoped("leaves the transaction of another database alone", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const other = yield* open(yield* tempFile)
      yield* other.sql`CREATE TABLE things (thing TEXT)`
      const error = yield* Effect.flip(
        other.sql.withTransaction(
          Effect.gen(function* () {
            yield* other.sql`INSERT INTO things VALUES ('gone')`
            yield* storage.write(add("stays"))
            expect(yield* storage.read(notes)).toEqual(["stays"])
            return yield* Effect.fail("no")
          }),
        ),
      )
      expect(error).toBe("no")
      expect(yield* notes).toEqual(["stays"])
      expect(yield* other.sql`SELECT thing FROM things`).toEqual([])
    }),
  )

  it.scoped("tells a row that does not decode as InvalidRow", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      yield* add("not a number")
      const decode = Schema.decodeUnknown(Schema.Array(Schema.NumberFromString))
      const error = yield* Effect.flip(storage.read(Effect.flatMap(notes, decode)))
      expect(error.trouble).toBe("InvalidRow")
      expect(error.message).not.toContain("\n")
    }),
  )

  it.scoped("is the one that the layer gives hosts", () =>
    Effect.gen(function* () {
      const { storage } = yield* openWithNotes()
      expect(storage.sql[SqlClient.TypeId]).toBe(SqlClient.TypeId)
      expect(storage.sql.safe).toBe(storage.sql)
      expect(storage.sql.withoutTransforms().withTransaction).toBe(storage.sql.withTransaction)
    }),
  )
})
