import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityOverlay } from "../../src/EntityOverlay.js"
import { EntityRepository } from "../../src/EntityRepository.js"
import { EntityService, layer as serviceLayer } from "../../src/EntityService.js"
import { settle } from "../support.js"
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

describe("upsert", () => {
  it.effect("creates, updates, and says which", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* TestClock.setTime(1000)
      const first = yield* service.upsertEntity({ id: "a", content: "one" })
      expect(first).toMatchObject({ change: "created", entityId: "a" })
      yield* embedAll
      yield* TestClock.setTime(2_000_000)
      const second = yield* service.upsertEntity({ id: "a", content: "two" })
      expect(second.change).toBe("updated")
      expect(second.jobId).not.toBe(first.jobId)
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "two",
        created: 1000,
        updated: 2_000_000,
        embedding: { state: "pending", jobId: second.jobId },
      })
    }).pipe(withSystem),
  )

  it.effect("that changes nothing writes nothing, and names the live job or the one that stored", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const input = { id: "a", content: "text", metadata: { x: 1, y: { b: 1, a: 2 } } }
      // The order of keys says nothing.
      const same = { id: "a", content: "text", metadata: { y: { a: 2, b: 1 }, x: 1 } }
      const { jobId } = yield* service.createEntity(input)
      const { contentHash } = yield* service.getEntity("a")
      const unchanged = { change: "unchanged", entityId: "a", jobId, contentHash }
      const heard = yield* listen
      const before = yield* rowCounts
      yield* TestClock.adjust("1 second")
      expect(yield* service.upsertEntity(same)).toEqual(unchanged)
      expect(yield* rowCounts).toEqual(before)
      expect((yield* service.getEntity("a")).updated).toBe(0)
      yield* settle
      expect(heard).toEqual([])

      yield* embedAll
      const stored = yield* rowCounts
      expect(yield* service.upsertEntity(same)).toEqual(unchanged)
      expect(yield* service.updateEntity("a", { content: "text" })).toEqual(unchanged)
      expect(yield* service.updateEntity("a", {})).toEqual(unchanged)
      expect(yield* rowCounts).toEqual(stored)
      expect(yield* embeddedTexts).toEqual(["text"])
    }).pipe(withSystem),
  )

  it.effect("that changes nothing while the job is in hand names that job", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* createProcessing("a", "text")
      expect(yield* service.upsertEntity({ id: "a", content: "text" })).toMatchObject({
        change: "unchanged",
        jobId,
      })
    }).pipe(withSystem),
  )
})

describe("update", () => {
  it.effect("changes what it names and keeps the rest", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "text", metadata: { tag: "x" } })
      yield* service.updateEntity("a", { content: "other" })
      expect(yield* service.getEntity("a")).toMatchObject({ content: "other", metadata: { tag: "x" } })
      yield* service.updateEntity("a", { metadata: { tag: "y" } }, "base")
      expect(yield* service.getEntity("a")).toMatchObject({ content: "other", metadata: { tag: "y" } })
    }).pipe(withSystem),
  )

  it.effect("needs an entity that is there, and fields that are right", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      expect((yield* Effect.flip(service.updateEntity("a", { content: "x" })))._tag).toBe("EntityNotFound")
      yield* service.createEntity({ id: "a", content: "text" })
      expect(yield* Effect.flip(service.updateEntity("a", { content: " " }))).toMatchObject({
        _tag: "InvalidEntity",
        field: "content",
      })
      expect((yield* service.getEntity("a")).content).toBe("text")
    }).pipe(withSystem),
  )

  it.effect("does not bring back what is deleted between its look and its write", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "text" })
      const update = service.updateEntity("a", { metadata: { tag: "x" } })
      expect((yield* Effect.flip(update))._tag).toBe("EntityNotFound")
      expect((yield* Effect.flip(service.getEntity("a")))._tag).toBe("EntityNotFound")
      expect(yield* rowCounts).toMatchObject({ boxes: 0, entities: 0, texts: 0 })
    }).pipe(Effect.provide(Layer.provide(serviceLayer, deletesWhatItFinds)), withSystem),
  )
})

/** An overlay under which every entity is deleted as soon as its key was looked up. */
const deletesWhatItFinds = Layer.effect(
  EntityOverlay,
  Effect.gen(function* () {
    const overlay = yield* EntityOverlay
    const queue = yield* EmbeddingQueue
    const repository = yield* EntityRepository
    return EntityOverlay.of({
      ...overlay,
      resolve: (...wanted) =>
        Effect.tap(overlay.resolve(...wanted), (key) =>
          Effect.zipRight(queue.deleteBoxes(key), repository.remove(key)),
        ),
    })
  }),
)

describe("a write over a live box", () => {
  it.effect("that is pending takes its place in line, and the older job names its successor", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const old = yield* service.createEntity({ id: "a", content: "old" })
      yield* service.createEntity({ id: "b", content: "text of b" })
      const young = yield* service.upsertEntity({ id: "a", content: "young" })
      expect(yield* jobOf(old.jobId)).toMatchObject({
        status: "completed",
        outcome: "superseded",
        successor: young.jobId,
      })
      expect(yield* queue.getStats).toMatchObject({ pending: 2, completed: 1 })
      expect(yield* idsByWords("old")).toEqual([])
      expect(yield* idsByWords("young")).toEqual(["a"])
      yield* embedAll
      expect(yield* embeddedTexts).toEqual(["young", "text of b"])
    }).pipe(withSystem),
  )

  it.effect("that is in hand adds one pending successor; in the end the newest is stored", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const first = yield* createProcessing("a", "first")
      const second = yield* service.upsertEntity({ id: "a", content: "second" })
      const third = yield* service.upsertEntity({ id: "a", content: "third" })
      expect(yield* queue.getStats).toEqual({ pending: 1, processing: 1, failed: 0, completed: 1 })
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "third",
        embedding: { state: "pending", jobId: third.jobId },
      })
      yield* (yield* FakeControl).release
      yield* untilQuiet
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "third",
        embedding: { state: "ready", jobId: third.jobId },
      })
      expect(yield* jobOf(first.jobId)).toMatchObject({ outcome: "stored" })
      expect(yield* jobOf(second.jobId)).toMatchObject({ outcome: "superseded", successor: third.jobId })
      expect((yield* vectorRows).map((row) => row.text)).toEqual(["third"])
      expect(yield* embeddedTexts).toEqual(["first", "third"])
      expect(yield* idsByWords("first second")).toEqual([])
    }).pipe(withSystem),
  )

  it.effect("that failed supersedes it", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const bad = yield* createFailed("a")
      const good = yield* service.updateEntity("a", { content: "good" })
      expect(good.change).toBe("updated")
      expect(yield* jobOf(bad.jobId)).toMatchObject({
        status: "completed",
        outcome: "superseded",
        successor: good.jobId,
      })
      yield* embedAll
      expect(yield* service.getEntity("a")).toMatchObject({ content: "good", embedding: { state: "ready" } })
    }).pipe(withSystem),
  )

  it.effect("that failed, with the same text, tries again", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const bad = yield* createFailed("a", "same text")
      yield* (yield* FakeControl).reset
      const again = yield* service.upsertEntity({ id: "a", content: "same text" })
      expect(again.jobId).not.toBe(bad.jobId)
      yield* embedAll
      expect((yield* service.getEntity("a")).embedding).toEqual({ state: "ready", jobId: again.jobId })
    }).pipe(withSystem),
  )
})

describe("a change of metadata alone", () => {
  it.effect("is in the row at once where no box is live: no inference, vectors and job as they were", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* service.createEntity({
        id: "a",
        content: "text",
        metadata: { state: "Before" },
      })
      yield* embedAll
      const vectors = yield* vectorRows
      const jobs = yield* queue.getStats
      const heard = yield* listen
      yield* TestClock.adjust("1 second")
      const receipt = yield* service.updateEntity("a", { metadata: { state: "After" } })
      const view = yield* service.getEntity("a")
      expect(receipt).toEqual({ change: "updated", entityId: "a", jobId, contentHash: view.contentHash })
      expect(view).toMatchObject({ metadata: { state: "After" }, embedding: { state: "ready", jobId } })
      expect(view.updated).toBeGreaterThan(view.created)
      expect(yield* vectorRows).toEqual(vectors)
      expect(yield* queue.getStats).toEqual(jobs)
      expect(yield* embeddedTexts).toEqual(["text"])
      yield* settle
      expect(heard).toEqual([])
      // And it is not forgotten: the next write of the same is unchanged, the next text is embedded.
      expect((yield* service.updateEntity("a", { metadata: { state: "After" } })).change).toBe("unchanged")
      yield* service.updateEntity("a", { content: "new text" })
      yield* embedAll
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "new text",
        metadata: { state: "After" },
      })
    }).pipe(withSystem),
  )

  it.effect("is embedded where it is the title, which is part of what is embedded", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "text", metadata: { title: "Before" } })
      yield* embedAll
      yield* service.updateEntity("a", { metadata: { title: "After" } })
      expect(yield* service.getEntity("a")).toMatchObject({ embedding: { state: "pending" } })
      expect(yield* idsByWords("after")).toEqual(["a"])
      expect(yield* idsByWords("before")).toEqual([])
      yield* embedAll
      expect(yield* embeddedTexts).toEqual(["Before\n\ntext", "After\n\ntext"])
    }).pipe(withSystem),
  )

  it.effect("goes into the box where one is pending", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const first = yield* service.createEntity({ id: "a", content: "text" })
      const second = yield* service.updateEntity("a", { metadata: { title: "New" } })
      expect(second.jobId).not.toBe(first.jobId)
      expect(yield* jobOf(first.jobId)).toMatchObject({ outcome: "superseded", successor: second.jobId })
      expect((yield* queue.getStats).pending).toBe(1)
      expect(yield* idsByWords("new")).toEqual(["a"])
      yield* embedAll
      expect(yield* service.getEntity("a")).toMatchObject({
        metadata: { title: "New" },
        embedding: { state: "ready", jobId: second.jobId },
      })
      expect(yield* embeddedTexts).toEqual(["New\n\ntext"])
    }).pipe(withSystem),
  )

  it.effect("goes into a successor where one is in hand, also when the text is that of the row", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const control = yield* FakeControl
      yield* createProcessing("a", "old")
      yield* control.release
      yield* untilQuiet
      yield* control.hold
      yield* service.updateEntity("a", { content: "new" })
      yield* settle
      expect((yield* service.getEntity("a")).embedding.state).toBe("processing")
      // Back to the text of the row, which must not be stored below the box in hand.
      yield* service.updateEntity("a", { content: "old", metadata: { title: "Newest" } })
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "old",
        metadata: { title: "Newest" },
        embedding: { state: "pending" },
      })
      yield* control.release
      yield* untilQuiet
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "old",
        metadata: { title: "Newest" },
        embedding: { state: "ready" },
      })
      expect((yield* vectorRows).map((row) => row.text)).toEqual(["old"])
    }).pipe(withSystem),
  )
})
