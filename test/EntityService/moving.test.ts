import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { checkInvariants } from "../invariants.js"
import { idsOf, search } from "../Search/fixtures.js"
import { createFailed, createProcessing, embedAll, key, withSystem } from "./fixtures.js"

const inOrder = Effect.map(checkInvariants(), ({ violations }) => expect(violations).toEqual([]))

const embedded = Effect.flatMap(FakeControl, ({ counters }) =>
  Effect.map(counters, ({ embedded }) => embedded.length),
)

describe("moveEntity", () => {
  it.effect("keeps the vectors of what is stored: nothing is embedded", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "old", content: "flour and water ".repeat(20), metadata: { a: 1 } })
        yield* embedAll
        const before = yield* embedded
        const { created } = yield* service.getEntity("old")
        const receipt = yield* service.moveEntity(key("old"), key("new", "note"))
        yield* embedAll
        expect(yield* embedded).toBe(before)
        expect(yield* service.getEntity("new")).toMatchObject({
          entityType: "note",
          content: "flour and water ".repeat(20),
          metadata: { a: 1 },
          created,
          embedding: { state: "ready", jobId: receipt.jobId },
        })
        expect((yield* Effect.flip(service.getEntity("old")))._tag).toBe("EntityNotFound")
        for (const mode of ["semantic", "lexical"] as const) {
          expect(idsOf(yield* search("flour", { mode }))).toEqual(["new"])
        }
        yield* inOrder
      }),
    ),
  )

  it.effect("what waits, waits under its new key, and is embedded once", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const first = yield* service.createEntityAsync({ id: "old", content: "flour" }, { priority: 7 })
        const second = yield* service.moveEntity(key("old"), key("new"))
        const queue = yield* EmbeddingQueue
        expect(
          (yield* queue.listJobs()).map(({ entityId, priority, status }) => [entityId, priority, status]),
        ).toContainEqual(["new", 7, "pending"])
        expect(idsOf(yield* search("flour", { mode: "lexical" }))).toEqual(["new"])
        yield* embedAll
        expect((yield* service.awaitJob(second.jobId)).entityId).toBe("new")
        expect(second.jobId).not.toBe(first.jobId)
        expect(yield* embedded).toBe(1)
        yield* inOrder
      }),
    ),
  )

  it.effect("what is in hand is stored under its new key only, whoever ends first", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* createProcessing("old", "flour")
        yield* service.moveEntity(key("old"), key("new"))
        yield* (yield* FakeControl).release
        yield* embedAll
        expect((yield* service.listEntities()).map(({ id, embedding }) => [id, embedding.state])).toEqual([
          ["new", "ready"],
        ])
        yield* inOrder
      }),
    ),
  )

  it.effect("what failed is tried again, and what was stored before it goes along", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* createFailed("old")
        yield* (yield* FakeControl).reset
        yield* service.moveEntity(key("old"), key("new"))
        yield* embedAll
        expect((yield* service.getEntity("new")).embedding.state).toBe("ready")
        yield* inOrder
      }),
    ),
  )

  it.effect("a taken key is refused, and so is an entity that is not there; nothing changes", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "one", content: "1" })
        yield* service.createEntity({ id: "two", content: "2" })
        yield* embedAll
        expect((yield* Effect.flip(service.moveEntity(key("one"), key("two"))))._tag).toBe(
          "EntityAlreadyExists",
        )
        expect((yield* Effect.flip(service.moveEntity(key("one"), key("one"))))._tag).toBe(
          "EntityAlreadyExists",
        )
        expect((yield* Effect.flip(service.moveEntity(key("none"), key("three"))))._tag).toBe(
          "EntityNotFound",
        )
        expect((yield* service.listEntities()).map(({ content, id }) => [id, content])).toEqual([
          ["one", "1"],
          ["two", "2"],
        ])
        yield* inOrder
      }),
    ),
  )
})

describe("upsertEntities", () => {
  it.effect("answers for each, in order; what did not change costs nothing", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const write = (texts: Readonly<Record<string, string>>) =>
          Effect.map(
            service.upsertEntities(
              Object.entries(texts).map(([id, content]) => ({ id, content })),
              { batchId: "b1" },
            ),
            (outcomes) => outcomes.map((one) => (one._tag === "Right" ? one.right.change : one.left._tag)),
          )
        expect(yield* write({ a: "1", b: "2" })).toEqual(["created", "created"])
        yield* embedAll
        expect(yield* write({ a: "1", " bad": "x", b: "3", c: "4" })).toEqual([
          "unchanged",
          "InvalidEntity",
          "updated",
          "created",
        ])
        const queue = yield* EmbeddingQueue
        expect(
          (yield* queue.listJobs({ status: "pending" })).map(({ batchId, entityId }) => [entityId, batchId]),
        ).toEqual([
          ["c", "b1"],
          ["b", "b1"],
        ])
        yield* inOrder
      }),
    ),
  )

  it.effect("keeps metadata that an input does not speak of, or lets it go", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const metadata = Effect.map(service.getEntity("a"), (entity) => entity.metadata)
        yield* service.createEntity({ id: "a", content: "1", metadata: { kept: true, changed: 1 } })
        const input = { id: "a", content: "1", metadata: { changed: 2, added: 3 } }
        yield* service.upsertEntities([input], { metadata: "merge" })
        expect(yield* metadata).toEqual({ kept: true, changed: 2, added: 3 })
        yield* service.upsertEntities([input])
        expect(yield* metadata).toEqual({ changed: 2, added: 3 })
      }),
    ),
  )
})
