import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe } from "vitest"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { passTimeUntil, settle } from "../support.js"
import {
  createFailed,
  createProcessing,
  embedAll,
  embeddedTexts,
  idsByWords,
  jobOf,
  listen,
  rowCounts,
  untilQuiet,
  vectorRows,
  withSystem,
} from "./fixtures.js"

const expectGone = (id: string) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    expect((yield* Effect.flip(service.getEntity(id)))._tag).toBe("EntityNotFound")
    expect(yield* service.listEntities()).toEqual([])
    expect(yield* rowCounts).toMatchObject({ boxes: 0, entities: 0, vectors: 0, texts: 0, fulltext: 0 })
    for (const mode of ["hybrid", "semantic", "lexical"] as const) {
      expect((yield* service.search("text", { mode })).results).toEqual([])
    }
  })

describe("delete", () => {
  it.effect("of what is pending ends its job; nothing is embedded any more", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      const heard = yield* listen
      yield* service.deleteEntity("a")
      yield* settle
      expect(heard).toMatchObject([{ jobId, status: "completed", outcome: "deleted" }])
      yield* embedAll
      expect(yield* embeddedTexts).toEqual([])
      expect(yield* jobOf(jobId)).toMatchObject({ status: "completed", outcome: "deleted" })
      yield* expectGone("a")
    }).pipe(withSystem),
  )

  it.effect("of what is in hand: the late worker stores nothing", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const control = yield* FakeControl
      const { jobId } = yield* createProcessing("a", "text")
      yield* service.deleteEntity("a")
      yield* control.release
      // The worker has been through with it when it has stored what came after.
      yield* service.createEntity({ id: "after", content: "other" })
      yield* untilQuiet
      yield* settle
      expect((yield* embeddedTexts).toSorted()).toEqual(["other", "text"])
      expect(yield* jobOf(jobId)).toMatchObject({ status: "completed", outcome: "deleted" })
      yield* service.deleteEntity("after")
      yield* expectGone("a")
    }).pipe(withSystem),
  )

  it.effect("of what is stored removes row, vectors and words", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* service.createEntity({ id: "a", content: "text ".repeat(100) })
      yield* embedAll
      expect((yield* vectorRows).length).toBeGreaterThan(1)
      yield* service.deleteEntity("a", "base")
      yield* expectGone("a")
      expect(yield* jobOf(jobId)).toMatchObject({ outcome: "stored" })
    }).pipe(withSystem),
  )

  it.effect("of what failed removes the box as well", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* createFailed("a", "bad text")
      yield* service.deleteEntity("a")
      yield* expectGone("a")
      expect(yield* jobOf(jobId)).toMatchObject({ status: "completed", outcome: "deleted" })
    }).pipe(withSystem),
  )

  it.effect("of what is stored and boxed anew removes both", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "old text" })
      yield* embedAll
      yield* service.updateEntity("a", { content: "new text" })
      yield* service.deleteEntity("a")
      yield* embedAll
      yield* expectGone("a")
    }).pipe(withSystem),
  )

  it.effect("of nothing is an error, and of several at once only one finds something", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      expect((yield* Effect.flip(service.deleteEntity("a")))._tag).toBe("EntityNotFound")
      yield* service.createEntity({ id: "a", content: "text" })
      const results = yield* Effect.all(
        Array.from({ length: 5 }, () => Effect.either(service.deleteEntity("a"))),
        { concurrency: "unbounded" },
      )
      expect(results.filter(Either.isRight)).toHaveLength(1)
      yield* expectGone("a")
    }).pipe(withSystem),
  )

  it.effect("needs the type where the id alone is ambiguous, and takes only that one", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "text", entityType: "note" })
      yield* service.createEntity({ id: "a", content: "text", entityType: "task" })
      expect((yield* Effect.flip(service.deleteEntity("a")))._tag).toBe("AmbiguousEntityId")
      yield* service.deleteEntity("a", "task")
      expect((yield* service.getEntity("a")).entityType).toBe("note")
      expect(yield* idsByWords("text")).toEqual(["a"])
    }).pipe(withSystem),
  )
})

describe("create after delete", () => {
  it.effect("is a new entity, embedded anew, with a later generation", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const old = yield* service.createEntity({ id: "a", content: "text" })
      yield* embedAll
      const { generation } = yield* jobOf(old.jobId)
      yield* service.deleteEntity("a")
      const young = yield* service.createEntity({ id: "a", content: "text" })
      expect((yield* jobOf(young.jobId)).generation).toBeGreaterThan(generation)
      yield* embedAll
      expect((yield* service.getEntity("a")).embedding).toEqual({ state: "ready", jobId: young.jobId })
      expect(yield* vectorRows).toHaveLength(1)
      expect(yield* embeddedTexts).toEqual(["text", "text"])
    }).pipe(withSystem),
  )

  it.effect("is not touched by a worker that is busy with the older one", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const control = yield* FakeControl
      const old = yield* createProcessing("a", "old text")
      yield* service.deleteEntity("a")
      yield* queue.pause
      const young = yield* service.createEntity({ id: "a", content: "young text" })
      yield* control.release
      yield* passTimeUntil(Effect.map(embeddedTexts, (texts) => texts.includes("old text")))
      yield* settle
      expect(yield* vectorRows).toEqual([])
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "young text",
        embedding: { state: "pending", jobId: young.jobId },
      })
      expect(yield* idsByWords("old")).toEqual([])
      yield* queue.resume
      yield* untilQuiet
      expect((yield* vectorRows).map((row) => row.text)).toEqual(["young text"])
      expect(yield* jobOf(old.jobId)).toMatchObject({ outcome: "deleted" })
    }).pipe(withSystem),
  )
})
