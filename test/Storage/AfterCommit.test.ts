import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import { openWithNotes, sqlError, steps, turns } from "./support.js"

const quiet = Effect.provide(Logger.remove(Logger.defaultLogger))

const setUp = Effect.gen(function* () {
  const context = yield* openWithNotes()
  const ran: Array<string> = []
  const hook = (name: string) => context.storage.afterCommit(Effect.sync(() => void ran.push(name)))
  return { ...context, ran, hook }
})

describe("afterCommit", () => {
  it.scoped("runs at once outside a transaction", () =>
    Effect.gen(function* () {
      const { hook, ran, storage } = yield* setUp
      yield* hook("alone")
      yield* storage.read(hook("reading"))
      expect(ran).toEqual(["alone", "reading"])
    }),
  )

  it.scoped("runs after the commit, with the lock free", () =>
    Effect.gen(function* () {
      const { add, notes, other, ran, storage } = yield* setUp
      yield* storage.write(
        Effect.gen(function* () {
          yield* storage.afterCommit(
            Effect.gen(function* () {
              ran.push(String(other.prepare("SELECT note FROM notes").pluck().get()))
              other.exec("BEGIN IMMEDIATE; ROLLBACK")
              yield* Effect.orDie(storage.write(add("from the hook")))
            }),
          )
          yield* add("first")
          expect(ran).toEqual([])
        }),
      )
      expect(ran).toEqual(["first"])
      expect(yield* notes).toEqual(["first", "from the hook"])
    }),
  )

  it.scoped("never runs when the transaction is rolled back, for whatever reason", () =>
    Effect.gen(function* () {
      const { hook, ran, sql, storage } = yield* setUp
      yield* Effect.exit(storage.write(Effect.zipRight(hook("failed"), Effect.fail("no"))))
      yield* Effect.exit(storage.write(Effect.zipRight(hook("died"), Effect.die("oh"))))
      const fiber = yield* Effect.fork(storage.write(Effect.zipRight(hook("interrupted"), Effect.never)))
      yield* steps(10)
      yield* Fiber.interrupt(fiber)
      yield* sql`CREATE TABLE parents (id INTEGER PRIMARY KEY)`
      yield* sql`CREATE TABLE children (parent INTEGER REFERENCES parents (id))`
      const orphan = Effect.zipRight(
        sql`PRAGMA defer_foreign_keys = ON`,
        sql`INSERT INTO children VALUES (7)`,
      )
      expect(
        Exit.isFailure(yield* Effect.exit(storage.write(Effect.zipRight(hook("not committed"), orphan)))),
      ).toBe(true)
      expect(ran).toEqual([])
    }),
  )

  it.scoped("goes with its savepoint", () =>
    Effect.gen(function* () {
      const { hook, ran, storage } = yield* setUp
      yield* storage.write(
        Effect.gen(function* () {
          yield* hook("outer")
          yield* Effect.ignore(
            storage.write(
              Effect.gen(function* () {
                yield* hook("undone")
                yield* storage.write(hook("kept inside what is undone"))
                return yield* Effect.fail("no")
              }),
            ),
          )
          yield* storage.write(Effect.zipRight(hook("kept"), storage.write(hook("kept deeper"))))
          expect(ran).toEqual([])
        }),
      )
      expect(ran).toEqual(["outer", "kept", "kept deeper"])
    }),
  )

  it.scoped("waits for a host's own transaction around the write", () =>
    Effect.gen(function* () {
      const { hook, ran, sql, storage } = yield* setUp
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* storage.write(hook("write"))
          yield* hook("host")
          expect(ran).toEqual([])
        }),
      )
      expect(ran).toEqual(["write", "host"])
      yield* Effect.exit(sql.withTransaction(Effect.zipRight(storage.write(hook("gone")), Effect.fail("no"))))
      expect(ran).toEqual(["write", "host"])
    }),
  )

  it.scopedLive("runs once when the transaction was replayed", () =>
    Effect.gen(function* () {
      const { hook, ran, storage } = yield* setUp
      let attempts = 0
      yield* storage.write(
        Effect.gen(function* () {
          const attempt = ++attempts
          yield* hook(`attempt ${attempt}`)
          if (attempt < 3) return yield* sqlError("SQLITE_BUSY")
        }),
      )
      expect(ran).toEqual(["attempt 3"])
    }),
  )

  it.scoped("cannot be interrupted once the commit is done", () =>
    Effect.gen(function* () {
      const { add, notes, ran, storage } = yield* setUp
      const running = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        storage.write(
          Effect.zipRight(
            add("committed"),
            storage.afterCommit(
              Effect.gen(function* () {
                yield* Deferred.succeed(running, undefined)
                yield* steps(20)
                ran.push("to its end")
              }),
            ),
          ),
        ),
      )
      yield* Deferred.await(running)
      yield* Fiber.interrupt(fiber)
      expect(ran).toEqual(["to its end"])
      expect(yield* notes).toEqual(["committed"])
    }),
  )

  it.scoped("runs for every commit, wherever the writer is interrupted", () =>
    Effect.gen(function* () {
      const { add, notes, ran, storage } = yield* setUp
      for (let at = 0; at < 30; at++) {
        const fiber = yield* Effect.fork(
          storage.write(
            Effect.gen(function* () {
              yield* storage.afterCommit(Effect.sync(() => void ran.push(String(at))))
              yield* steps(at % 4)
              yield* add(String(at))
            }),
          ),
        )
        yield* at % 3 === 0 ? turns(at % 10) : steps(at % 10)
        if (at % 10 !== 9) yield* Fiber.interrupt(fiber)
        yield* Fiber.await(fiber)
      }
      expect(ran).toEqual(yield* notes)
      expect(ran.length).toBeGreaterThan(0)
      expect(ran.length).toBeLessThan(30)
    }),
  )

  it.scoped("does not let one that dies undo the write or stop the others", () =>
    Effect.gen(function* () {
      const { add, hook, notes, ran, storage } = yield* setUp
      yield* storage
        .write(
          Effect.gen(function* () {
            yield* storage.afterCommit(Effect.die("oh"))
            yield* hook("next")
            yield* add("stays")
          }),
        )
        .pipe(quiet)
      expect(ran).toEqual(["next"])
      expect(yield* notes).toEqual(["stays"])
    }),
  )
})
