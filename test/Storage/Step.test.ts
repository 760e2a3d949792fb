import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { StorageError } from "../../src/Domain/Errors.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import * as Step from "../../src/Storage/Step.js"
import { Storage } from "../../src/Storage.js"
import { openWithNotes, steps, tempFile, turns } from "./support.js"

const trouble = new StorageError({ trouble: "Other", reason: "no" })
const failing = Step.fromEither(Either.left(trouble))

/** Steps on the table `notes`. */
const over = ({ statement }: Pick<typeof Storage.Service, "statement">) => {
  const add = (note: string) => statement`INSERT INTO notes VALUES (${note})`
  const count = Step.map(statement`SELECT note FROM notes`, (rows) => rows.length)
  return { add, count }
}

/** Adds two and fails in between. */
const half = (storage: typeof Storage.Service) =>
  Step.gen(function* () {
    yield* over(storage).add("half")
    yield* failing
    yield* over(storage).add("other half")
  })

describe("a step", () => {
  it.scoped("alone is one transaction: all of it, or nothing", () =>
    Effect.gen(function* () {
      const { notes, other, storage } = yield* openWithNotes()
      const { add, count } = over(storage)
      const both = Step.gen(function* () {
        yield* add("a")
        // Nobody else sees half of it, and nobody else can write.
        expect(other.prepare("SELECT count(*) FROM notes").pluck().get()).toBe(0)
        expect(() => other.exec("BEGIN IMMEDIATE")).toThrow(/locked/)
        yield* add("b")
        return yield* count
      })
      expect(yield* storage.transact(both)).toBe(2)
      expect(yield* Effect.flip(storage.transact(half(storage)))).toBe(trouble)
      expect(yield* notes).toEqual(["a", "b"])
      yield* storage.transact(add("next"))
      expect(yield* notes).toEqual(["a", "b", "next"])
    }),
  )

  it.scoped(
    "of a function is made anew for each call, of what that was given, in one go and statement by statement",
    () =>
      Effect.gen(function* () {
        const { notes, storage } = yield* openWithNotes()
        const addBoth = Step.fn(function* (one: string, two: string) {
          yield* over(storage).add(one)
          yield* over(storage).add(two)
          return `${one} and ${two}`
        })
        const first = addBoth("a", "b")
        const second = addBoth("c", "d")
        expect(yield* storage.transact(second)).toBe("c and d")
        expect(yield* storage.transact(first)).toBe("a and b")
        expect(yield* storage.write(first)).toBe("a and b")
        expect(yield* notes).toEqual(["c", "d", "a", "b", "a", "b"])
      }),
  )

  it.scoped("is part of the transaction around it, and undone with it", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const one = (note: string) => storage.transact(over(storage).add(note))
      yield* storage.write(Effect.zipRight(one("a"), add("b")))
      yield* Effect.flip(storage.write(Effect.zipRight(one("c"), Effect.fail("no"))))
      expect(yield* notes).toEqual(["a", "b"])
    }),
  )

  it.scoped("takes the whole transaction down where it fails, also when somebody catches that", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const careless = storage.write(
        Effect.zipRight(Effect.ignore(storage.transact(half(storage))), add("after")),
      )
      expect(yield* Effect.flip(careless)).toMatchObject({ _tag: "StorageError" })
      expect(yield* notes).toEqual([])
      yield* storage.write(add("next"))
      expect(yield* notes).toEqual(["next"])
    }),
  )

  it.scoped("within another is its statements, and fails with it", () =>
    Effect.gen(function* () {
      const { notes, storage } = yield* openWithNotes()
      const { add } = over(storage)
      const nested = (last: Step.Step<unknown>) =>
        storage.transact(
          Step.gen(function* () {
            yield* add("outer")
            yield* storage.transact(add("inner"))
            yield* storage.query(last)
          }),
        )
      yield* nested(add("last"))
      expect(yield* Effect.flip(nested(failing))).toBe(trouble)
      expect(yield* notes).toEqual(["outer", "inner", "last"])
    }),
  )

  it.scoped("does the same in one go and statement by statement, its time and its hooks included", () =>
    Effect.gen(function* () {
      const { notes, storage } = yield* openWithNotes()
      const { add, count } = over(storage)
      const told: Array<string> = []
      const step = Step.gen(function* () {
        const before = yield* count
        yield* storage.afterCommit(Effect.sync(() => void told.push(`after ${before}`)))
        for (let i = 0; i < 3; i++) yield* add(`note ${yield* Step.now}`)
        told.push("written")
        return yield* Step.mapEither(count, (after) => Either.right(after - before))
      })
      yield* TestClock.adjust(5)
      expect(yield* storage.transact(step)).toBe(3)
      expect(yield* storage.write(step)).toBe(3)
      expect(yield* storage.write(storage.transact(step))).toBe(3)
      expect(told).toEqual(["written", "after 0", "written", "after 3", "written", "after 6"])
      expect(yield* notes).toEqual(Array.from({ length: 9 }, () => "note 5"))
    }),
  )

  it.scoped("keeps its hooks where it is undone", () =>
    Effect.gen(function* () {
      const { storage } = yield* openWithNotes()
      const told: Array<string> = []
      const hooked = Step.gen(function* () {
        yield* storage.afterCommit(Effect.sync(() => void told.push("committed")))
        yield* failing
      })
      yield* Effect.flip(storage.transact(hooked))
      yield* Effect.flip(storage.write(hooked))
      expect(told).toEqual([])
    }),
  )

  it.scoped("with a bug in it is undone, and holds up nobody", () =>
    Effect.gen(function* () {
      const { notes, storage } = yield* openWithNotes()
      const { add } = over(storage)
      const bug = new Error("a bug")
      const broken = Step.gen(function* () {
        yield* add("half")
        yield* Step.map(Step.now, () => {
          throw bug
        })
      })
      const exit = yield* Effect.exit(storage.transact(broken))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toBe(bug)
      yield* storage.transact(add("next"))
      expect(yield* notes).toEqual(["next"])
    }),
  )

  it.scoped("whose COMMIT fails is an error with the transaction undone", () =>
    Effect.gen(function* () {
      const { notes, sql, storage } = yield* openWithNotes()
      yield* sql`CREATE TABLE parents (id INTEGER PRIMARY KEY)`
      yield* sql`CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)`
      const orphan = Step.gen(function* () {
        yield* over(storage).add("with an orphan")
        yield* storage.statement`INSERT INTO children VALUES (1)`
      })
      expect(yield* Effect.flip(storage.transact(orphan))).toMatchObject({ _tag: "StorageError" })
      yield* storage.transact(over(storage).add("next"))
      expect(yield* notes).toEqual(["next"])
    }),
  )

  it.scoped("is run again as a whole while another process has the lock", () =>
    Effect.gen(function* () {
      const { notes, other, storage } = yield* openWithNotes()
      other.exec("BEGIN IMMEDIATE; INSERT INTO notes VALUES ('theirs')")
      const writing = yield* Effect.fork(storage.transact(over(storage).add("ours")))
      yield* turns(3)
      expect(writing.unsafePoll()).toBeNull()
      other.exec("COMMIT")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(writing)
      expect(yield* notes).toEqual(["theirs", "ours"])
    }),
  )

  it.scoped("that waits for its turn can be interrupted, and leaves the line", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const holding = yield* Effect.fork(storage.write(Effect.zipRight(add("held"), Effect.never)))
      yield* steps(5)
      const waiting = yield* Effect.fork(storage.transact(over(storage).add("waited")))
      yield* steps(5)
      yield* Fiber.interrupt(waiting)
      yield* Fiber.interrupt(holding)
      yield* storage.transact(over(storage).add("next"))
      expect(yield* notes).toEqual(["next"])
    }),
  )

  it.scoped("has a span for each statement where the host has brought a tracer", () =>
    Effect.gen(function* () {
      const { storage } = yield* openWithNotes()
      const names: Array<string> = []
      const native = yield* Effect.tracer
      const tracer = Tracer.make({
        span: (name, ...rest) => (names.push(name), native.span(name, ...rest)),
        context: (f, fiber) => native.context(f, fiber),
      })
      const { add, count } = over(storage)
      const both = Step.gen(function* () {
        yield* add("a")
        return yield* count
      })
      expect(yield* Effect.withTracer(storage.transact(both), tracer)).toBe(1)
      expect(names).toEqual(["sql.transaction", "sql.execute", "sql.execute"])
      expect(yield* Effect.withTracer(storage.query(count), tracer)).toBe(1)
      expect(names).toHaveLength(4)
    }),
  )

  it.scoped("runs over a host's own client as well", () =>
    Effect.gen(function* () {
      const client = SqliteClient.layer({ filename: yield* tempFile })
      const storage = Context.get(
        yield* Layer.build(Layer.provide(Sqlite.layerClient({ migrations: {} }), client)),
        Storage,
      )
      yield* storage.sql`CREATE TABLE notes (note TEXT NOT NULL)`
      const { add, count } = over(storage)
      const told: Array<string> = []
      const both = Step.gen(function* () {
        yield* storage.afterCommit(Effect.sync(() => void told.push("committed")))
        yield* add("a")
        return yield* storage.query(count)
      })
      expect(yield* storage.transact(both)).toBe(1)
      expect(told).toEqual(["committed"])
      expect(yield* Effect.flip(storage.transact(half(storage)))).toMatchObject({ reason: "no" })
      expect(yield* storage.query(count)).toBe(1)
    }),
  )
})
