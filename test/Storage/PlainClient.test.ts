import { describe, expect, it } from "@effect/vitest"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { otherConnection, sqlError, steps, tempFile } from "./support.js"

const setUp = Effect.gen(function* () {
  const file = yield* tempFile
  const context = yield* Layer.build(
    Sqlite.layerClient({ migrations: {} }).pipe(Layer.provide(SqliteClient.layer({ filename: file }))),
  )
  const storage = Context.get(context, Storage)
  const { sql } = storage
  yield* sql`CREATE TABLE notes (note TEXT NOT NULL)`
  const ran: Array<string> = []
  return {
    sql,
    storage,
    ran,
    other: yield* otherConnection(file),
    add: (note: string) => sql`INSERT INTO notes ${sql.insert({ note })}`,
    hook: (name: string) => storage.afterCommit(Effect.sync(() => void ran.push(name))),
    notes: Effect.map(sql`SELECT note FROM notes`.values, (rows) => rows.map((row) => row[0])),
  }
})

describe("a host's own client", () => {
  it.scoped("is migrated, writes, nests and rolls back", () =>
    Effect.gen(function* () {
      const { add, notes, sql, storage } = yield* setUp
      yield* storage.write(
        Effect.gen(function* () {
          yield* add("outer")
          expect(yield* Effect.flip(storage.write(Effect.zipRight(add("inner"), Effect.fail("no"))))).toBe(
            "no",
          )
        }),
      )
      yield* Effect.ignore(
        sql.withTransaction(Effect.zipRight(storage.write(add("gone")), Effect.fail("no"))),
      )
      expect(yield* storage.read(notes)).toEqual(["outer"])
      const full = yield* Layer.build(
        Sqlite.layerClient().pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" }))),
      )
      expect(yield* Context.get(full, Storage).sql`SELECT count(*) AS n FROM embedding_queue`).toEqual([
        { n: 0 },
      ])
    }),
  )

  it.scoped("keeps hooks until the outermost write has committed", () =>
    Effect.gen(function* () {
      const { hook, ran, storage } = yield* setUp
      yield* hook("outside")
      yield* storage.write(
        Effect.gen(function* () {
          yield* hook("outer")
          yield* Effect.ignore(storage.write(Effect.zipRight(hook("undone"), Effect.fail("no"))))
          yield* storage.write(hook("inner"))
          expect(ran).toEqual(["outside"])
        }),
      )
      yield* Effect.ignore(storage.write(Effect.zipRight(hook("gone"), Effect.fail("no"))))
      const fiber = yield* Effect.fork(storage.write(Effect.zipRight(hook("interrupted"), Effect.never)))
      yield* steps(10)
      yield* Fiber.interrupt(fiber)
      expect(ran).toEqual(["outside", "outer", "inner"])
    }),
  )

  it.scopedLive("is replayed while busy, and tells that somebody else has written", () =>
    Effect.gen(function* () {
      const { add, hook, notes, other, ran, storage } = yield* setUp
      const before = yield* storage.dataVersion
      let attempts = 0
      yield* storage.write(
        Effect.gen(function* () {
          attempts++
          yield* hook(`attempt ${attempts}`)
          yield* notes
          if (attempts === 1) other.exec("INSERT INTO notes VALUES ('in between')")
          yield* add("mine") // the first time, what was read is stale
          if (attempts === 2) return yield* sqlError("SQLITE_BUSY")
        }),
      )
      expect(attempts).toBe(3)
      expect(ran).toEqual(["attempt 3"])
      expect(yield* notes).toEqual(["in between", "mine"])
      expect(yield* storage.dataVersion).not.toBe(before)
    }),
  )
})
