import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import type { EntityView } from "../../src/EntityOverlay.js"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService, type ListOptions } from "../../src/EntityService.js"
import { passTimeUntil } from "../support.js"
import { createFailed, createProcessing, embedAll, itemFault, untilQuiet, withSystem } from "./fixtures.js"

describe("an entity says how its embedding stands", () => {
  it.effect("pending, processing, ready", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* createProcessing("a", "text")
      const waiting = yield* service.createEntity({ id: "b", content: "waits" })
      const stateOf = (id: string) => Effect.map(service.getEntity(id), ({ embedding }) => embedding)
      expect(yield* stateOf("a")).toEqual({ state: "processing", jobId })
      expect(yield* stateOf("b")).toEqual({ state: "pending", jobId: waiting.jobId })
      yield* (yield* FakeControl).release
      yield* untilQuiet
      expect(yield* stateOf("a")).toEqual({ state: "ready", jobId })
      expect(yield* stateOf("b")).toEqual({ state: "ready", jobId: waiting.jobId })
    }).pipe(withSystem),
  )

  it.effect("failed, with the reason; the entity is there in full", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* createFailed("a", "bad text")
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "bad text",
        embedding: { state: "failed", jobId, reason: "bad text" },
      })
    }).pipe(withSystem),
  )

  it.effect("cancelled is failed, and keeps the entity", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      yield* queue.cancel(jobId)
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "text",
        embedding: { state: "failed", reason: "cancelled" },
      })
    }).pipe(withSystem),
  )

  it.effect("a stored entity whose new text failed is read as the new text, failed", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const control = yield* FakeControl
      yield* service.createEntity({ id: "a", content: "old" })
      yield* embedAll
      yield* control.failWhen((text) => text === "new", itemFault)
      yield* service.updateEntity("a", { content: "new" })
      yield* embedAll
      expect(yield* service.getEntity("a")).toMatchObject({ content: "new", embedding: { state: "failed" } })
    }).pipe(withSystem),
  )

  it.effect("an attempt that failed waits as pending until the last one", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const control = yield* FakeControl
      yield* control.failNext(itemFault, 3)
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      const view = yield* Effect.fork(embedAll)
      yield* passTimeUntil(Effect.map(control.counters, ({ calls }) => calls === 3))
      expect((yield* service.getEntity("a")).embedding).toEqual({ state: "pending", jobId })
      yield* view
      expect((yield* service.getEntity("a")).embedding).toEqual({ state: "ready", jobId })
    }).pipe(withSystem),
  )
})

describe("getEntity", () => {
  it.effect("by id alone, boxed or stored, unless several types bear it", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "task", entityType: "task" })
      expect((yield* service.getEntity("a")).content).toBe("task")
      yield* embedAll
      expect((yield* service.getEntity("a")).content).toBe("task")
      yield* service.createEntity({ id: "a", content: "note", entityType: "note" })
      // One is boxed and one is stored.
      expect(yield* Effect.flip(service.getEntity("a"))).toMatchObject({
        _tag: "AmbiguousEntityId",
        entityId: "a",
        entityTypes: ["note", "task"],
      })
      expect((yield* service.getEntity("a", "task")).content).toBe("task")
      expect((yield* service.getEntity("a", "note")).content).toBe("note")
      expect(yield* Effect.flip(service.getEntity("a", "base"))).toMatchObject({
        _tag: "EntityNotFound",
        entityType: "base",
        entityId: "a",
      })
    }).pipe(withSystem),
  )

  it.effect("what is no id finds nothing, and nothing that only looks like it", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      // What SQLite would make of a lone surrogate.
      yield* service.createEntity({ id: "a\ufffd", content: "text" })
      for (const id of ["a\ud83d", "", " a", "%", "a".repeat(10_000), "a\u0000"]) {
        expect((yield* Effect.flip(service.getEntity(id)))._tag).toBe("EntityNotFound")
        expect((yield* Effect.flip(service.getEntity(id, "base")))._tag).toBe("EntityNotFound")
      }
      expect((yield* Effect.flip(service.getEntity("a\ufffd", "no name")))._tag).toBe("EntityNotFound")
    }).pipe(withSystem),
  )
})

/** All pages, one behind the other. */
const allPages = (options: ListOptions) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const found: Array<EntityView> = []
    while (true) {
      const last = found.at(-1)
      const after = last && { entityType: last.entityType, entityId: last.id }
      const page = yield* service.listEntities({ ...options, after })
      if (page.length === 0) return found
      expect(page.length).toBeLessThanOrEqual(options.limit ?? 100)
      found.push(...page)
    }
  })

/** How one entity of the model came to stand where it stands. */
const histories = [
  "stored",
  "pending",
  "updated",
  "processing",
  "failed",
  "failed update",
  "deleted",
] as const

/** In UTF-16 an astral character sorts before U+FFEE, in UTF-8 behind it. */
const id = FastCheck.array(FastCheck.constantFrom("a", "Z", "0", "_", "/", "é", "\uffee", "🎈", "日"), {
  minLength: 1,
  maxLength: 3,
}).map((parts) => parts.join(""))

const model = FastCheck.uniqueArray(
  FastCheck.record({
    entityType: FastCheck.constantFrom("Note", "note", "note-2", "task"),
    id,
    history: FastCheck.constantFrom(...histories),
  }),
  { maxLength: 25, selector: ({ entityType, id }) => `${entityType} ${id}` },
)

const inOrder = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Brings an entity where its history says, by the services' own means. */
const live = ({
  entityType,
  history,
  id,
}: (typeof model extends FastCheck.Arbitrary<infer A> ? A : never)[number]) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const queue = yield* EmbeddingQueue
    const key = { id, entityType }
    const claim = Effect.flatMap(Effect.flatten(queue.dequeue), (claim) => {
      expect(claim.content).toMatchObject(key)
      return Effect.succeed(claim)
    })
    // The first in line, however many wait.
    const urgent = { priority: 9, maxRetries: 0 }
    switch (history) {
      case "stored":
        yield* service.createEntitySync({ ...key, content: "stored" })
        return { content: "stored", state: "ready" }
      case "deleted":
        yield* service.createEntitySync({ ...key, content: "old" })
        yield* service.deleteEntity(id, entityType)
        return undefined
      case "pending":
        yield* service.createEntity({ ...key, content: "new" })
        return { content: "new", state: "pending" }
      case "updated":
        yield* service.createEntitySync({ ...key, content: "old" })
        yield* service.updateEntity(id, { content: "new" }, entityType)
        return { content: "new", state: "pending" }
      case "processing":
        yield* service.upsertEntity({ ...key, content: "in hand" }, urgent)
        yield* claim
        yield* service.updateEntity(id, { content: "newest" }, entityType)
        return { content: "newest", state: "pending" }
      case "failed":
        yield* service.upsertEntity({ ...key, content: "bad" }, urgent)
        yield* queue.fail(yield* claim, itemFault)
        return { content: "bad", state: "failed" }
      case "failed update":
        yield* service.createEntitySync({ ...key, content: "old" })
        yield* service.upsertEntity({ ...key, content: "bad" }, urgent)
        yield* queue.fail(yield* claim, itemFault)
        return { content: "bad", state: "failed" }
    }
  })

describe("listEntities", () => {
  it.effect.prop(
    "merges boxes and rows: every entity once, in order, on pages of any size, of the types asked for",
    { model, limit: FastCheck.integer({ min: 1, max: 9 }) },
    ({ limit, model }) =>
      Effect.gen(function* () {
        const expected: Array<{ entityType: string; id: string; content: string; state: string }> = []
        for (const one of model) {
          const end = yield* live(one)
          if (end !== undefined) expected.push({ entityType: one.entityType, id: one.id, ...end })
        }
        expected.sort((a, b) => inOrder(a.entityType, b.entityType) || inOrder(a.id, b.id))
        for (const entityTypes of [[], ["note"], ["task", "Note"], ["none"]]) {
          const found = yield* allPages({ limit, entityTypes })
          expect(
            found.map(({ content, embedding, entityType, id }) => ({
              entityType,
              id,
              content,
              state: embedding.state,
            })),
          ).toEqual(
            expected.filter(({ entityType }) => entityTypes.length === 0 || entityTypes.includes(entityType)),
          )
        }
      }).pipe(withSystem),
    { fastCheck: { numRuns: 30 } },
  )

  it.effect(
    "gives a hundred at a time where nothing else is asked for, and as many as may be asked for",
    () =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* Effect.forEach(
          Array.from({ length: 101 }, (_, i) => i),
          (i) => service.createEntity({ id: `n${i}`, content: "text" }),
        )
        const lengthOf = (options?: ListOptions) =>
          Effect.map(service.listEntities(options), (page) => page.length)
        expect(yield* lengthOf()).toBe(100)
        expect(yield* lengthOf({ limit: 1000 })).toBe(101)
        for (const limit of [Number.NaN, 1e9, 0, -3, 1.5]) {
          expect(yield* Effect.flip(lengthOf({ limit }))).toMatchObject({
            field: "limit",
            reason: "must be a whole number from 1 to 1000",
          })
        }
      }).pipe(withSystem),
  )
})
