import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { describe } from "vitest"
import { EntityService } from "../../src/EntityService.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import * as Step from "../../src/Storage/Step.js"
import { Storage } from "../../src/Storage.js"
import { settle, system } from "../support.js"
import { embedAll, idsByWords, rowCounts, withSystem } from "./fixtures.js"

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${String(i).padStart(3, "0")}`)

/** The system over a database whose transactions are counted. */
const withCount = <A, E, R>(test: (commits: Effect.Effect<number>) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const count = yield* Ref.make(0)
    const counting = Layer.effect(
      Storage,
      Effect.map(Storage, (storage) =>
        Storage.of({
          ...storage,
          transact: (step) => {
            const counted = storage.transact(step)
            const counting = Effect.unlessEffect(
              Ref.update(count, (n) => n + 1),
              storage.isInside,
            )
            return Step.make(() => Effect.zipRight(counting, counted), counted.perform)
          },
        }),
      ),
    )
    const storage = Layer.provideMerge(counting, Sqlite.layer({ filename: ":memory:" }))
    return yield* Effect.provide(test(Ref.get(count)), system({ storage }))
  })

const tagOf = Either.match({ onLeft: (error: { readonly _tag: string }) => error._tag, onRight: () => "ok" })

describe("concurrent creates", () => {
  it.effect("share commits, and each caller has its own receipt", () =>
    withCount((commits) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* settle
        const before = yield* commits
        const receipts = yield* Effect.forEach(
          names(64),
          (id) => service.createEntity({ id, content: `text of ${id}` }),
          { concurrency: "unbounded" },
        )
        // 64 go in groups of at most 24.
        expect((yield* commits) - before).toBeLessThanOrEqual(3)
        expect(receipts.map(({ entityId }) => entityId)).toEqual(names(64))
        expect(new Set(receipts.map(({ jobId }) => jobId)).size).toBe(64)
        for (const { entityId, jobId } of receipts) {
          expect(yield* service.getEntity(entityId)).toMatchObject({
            content: `text of ${entityId}`,
            embedding: { state: "pending", jobId },
          })
        }
        expect(yield* idsByWords("n042")).toEqual(["n042"])
      }),
    ),
  )

  it.effect("of one id: the first has it, the others are told so", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const outcomes = yield* Effect.forEach(
        names(10),
        (name) => Effect.either(service.createEntity({ id: "same", content: name })),
        { concurrency: "unbounded" },
      )
      expect(outcomes.map(tagOf)).toEqual(["ok", ...Array.from({ length: 9 }, () => "EntityAlreadyExists")])
      expect((yield* service.getEntity("same")).content).toBe("n000")
    }).pipe(withSystem),
  )

  it.effect("updates of one entity are made one after the other, in the order of asking", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "start" })
      yield* Effect.forEach(names(10), (content) => service.updateEntity("a", { content }), {
        concurrency: "unbounded",
      })
      expect((yield* service.getEntity("a")).content).toBe("n009")
      expect(yield* rowCounts).toMatchObject({ boxes: 1 })
    }).pipe(withSystem),
  )

  it.effect("a create inside a host's transaction is undone with it, and takes nobody along", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const sql = yield* SqlClient.SqlClient
      const undone = sql.withTransaction(
        Effect.zipRight(service.createEntity({ id: "undone", content: "x" }), Effect.fail("rolled back")),
      )
      const kept = service.createEntity({ id: "kept", content: "x" })
      expect(yield* Effect.all([Effect.flip(undone), kept], { concurrency: 2 })).toMatchObject([
        "rolled back",
        { entityId: "kept" },
      ])
      expect((yield* service.listEntities()).map(({ id }) => id)).toEqual(["kept"])
    }).pipe(withSystem),
  )
})

describe("createEntities", () => {
  it.effect("answers for each, in order: those that are refused do not hold up the others", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "taken", content: "was here" })
      const outcomes = yield* service.createEntities([
        { id: "a", content: "one" },
        { id: "empty", content: " " },
        { id: "taken", content: "late" },
        { id: "b", content: "two" },
        { id: "b", content: "again" },
        { content: "no id" },
      ])
      expect(outcomes.map(tagOf)).toEqual([
        "ok",
        "InvalidEntity",
        "EntityAlreadyExists",
        "ok",
        "EntityAlreadyExists",
        "ok",
      ])
      expect(yield* service.getEntity("taken")).toMatchObject({ content: "was here" })
      expect(yield* service.getEntity("b")).toMatchObject({ content: "two" })
      yield* embedAll
      expect((yield* service.listEntities()).map(({ embedding }) => embedding.state)).toEqual(
        Array.from({ length: 4 }, () => "ready"),
      )
    }).pipe(withSystem),
  )

  it.effect("goes in bounded transactions: by number, and by length", () =>
    withCount((commits) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        const before = yield* commits
        yield* service.createEntities(names(4 * 64 + 1).map((id) => ({ id, content: id })))
        const between = yield* commits
        expect(between - before).toBe(5)
        const long = "x".repeat(400 * 1024)
        yield* service.createEntities(names(6).map((id) => ({ id: `long-${id}`, content: `${id} ${long}` })))
        expect((yield* commits) - between).toBe(6)
        expect((yield* service.listEntities({ limit: 1000 })).length).toBe(4 * 64 + 7)
      }),
    ),
  )

  it.effect("trouble with the database is told to those it befell, and receipts before it hold", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { sql } = yield* Storage
      const pages = yield* sql<{ readonly page_count: number }>`PRAGMA page_count`
      yield* sql.unsafe(`PRAGMA max_page_count = ${(pages[0]?.page_count ?? 0) + 400}`)
      const outcomes = yield* service.createEntities(
        names(400).map((id) => ({ id, content: `${id} ${"word ".repeat(1000)}` })),
      )
      const tags = outcomes.map(tagOf)
      const kept = tags.indexOf("StorageError")
      expect(kept).toBeGreaterThan(0)
      expect(tags).toEqual(names(400).map((_, i) => (i < kept ? "ok" : "StorageError")))
      expect((yield* service.listEntities({ limit: 1000 })).map(({ id }) => id)).toEqual(names(kept))
    }).pipe(withSystem),
  )
})
