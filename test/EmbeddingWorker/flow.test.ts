import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { Embedder } from "../../src/Embedder.js"
import * as Fake from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityRepository } from "../../src/EntityRepository.js"
import { EntityService } from "../../src/EntityService.js"
import * as Maintenance from "../../src/Maintenance.js"
import { Storage } from "../../src/Storage.js"
import { passTimeUntil, settle } from "../support.js"
import { plainChunk } from "../support/chunks.js"
import {
  control,
  createNotes,
  startWorker,
  storedIds,
  storedRows,
  untilQuiet,
  withSystem,
} from "./fixtures.js"

describe("the whole flow", () => {
  it.scoped("what was created is embedded, stored once, and found", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      yield* startWorker({ batchSize: 4, concurrency: 2 })
      const contents = Object.fromEntries(
        Array.from({ length: 30 }, (_, i) => [
          `n${String(i).padStart(2, "0")}`,
          `note number ${i} on subject${i}`,
        ]),
      )
      yield* createNotes(contents)
      yield* untilQuiet
      const rows = yield* storedRows
      expect(Object.fromEntries(rows.map((row) => [row.id, row.content]))).toEqual(contents)
      expect(rows.every((row) => row.chunks === 1)).toBe(true)
      expect(yield* queue.getStats).toEqual({ pending: 0, processing: 0, failed: 0, completed: 30 })
      const answer = yield* service.search("subject17", { mode: "semantic", limit: 1 })
      expect(answer.results[0]).toMatchObject({ entityId: "n17", embedding: { state: "ready" } })
      expect((yield* (yield* control).counters).embedded.toSorted()).toEqual(
        [...Object.values(contents), "subject17"].toSorted(),
      )
    }).pipe(withSystem),
  )

  it.scoped("wakes at once when this process enqueues, not at the next poll", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* startWorker({ pollInterval: "1 hour" })
      yield* settle
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      yield* settle
      expect((yield* Effect.flatten(service.getAsyncJobStatus(jobId))).status).toBe("completed")
    }).pipe(withSystem),
  )

  it.scoped("finds at its poll what another process enqueued", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { sql } = yield* Storage
      yield* createNotes({ a: "text" })
      yield* sql`UPDATE embedding_queue SET lane = 'delayed', scheduled_for = 1000000000000`
      yield* startWorker({ pollInterval: "3 seconds" })
      yield* settle
      // No event tells of this, as none tells of another process.
      yield* sql`UPDATE embedding_queue SET lane = 'ready', scheduled_for = 0`
      yield* TestClock.adjust("2999 millis")
      yield* settle
      expect((yield* queue.getStats).pending).toBe(1)
      yield* TestClock.adjust("1 millis")
      yield* settle
      expect((yield* queue.getStats).pending).toBe(0)
    }).pipe(withSystem),
  )

  it.scoped("sleeps no longer than until the next due job", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "text" })
      const box = yield* Effect.flatMap(queue.dequeue, Effect.orDie)
      yield* queue.complete(box)
      yield* queue.enqueue({ ...box.content, content: "later" }, { delayMs: 1234 })
      yield* startWorker({ pollInterval: "1 hour" })
      yield* settle
      yield* TestClock.adjust("1233 millis")
      yield* settle
      expect((yield* queue.getStats).pending).toBe(1)
      yield* TestClock.adjust("1 millis")
      yield* settle
      expect((yield* queue.getStats).pending).toBe(0)
    }).pipe(withSystem),
  )

  it.scoped("several workers store each entity exactly once", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const workers = yield* Effect.forEach([1, 2, 3], () => startWorker({ batchSize: 3, concurrency: 2 }))
      yield* createNotes(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`n${i}`, `text ${i}`])))
      yield* untilQuiet
      expect(yield* storedIds).toHaveLength(60)
      const texts = (yield* fake.counters).embedded
      expect(new Set(texts).size).toBe(60)
      expect(texts).toHaveLength(60)
      const shares = yield* Effect.forEach(workers, ({ worker }) => worker.status)
      expect(shares.reduce((sum, status) => sum + status.stored, 0)).toBe(60)
    }).pipe(withSystem),
  )

  it.scoped("takes no more at once than batchSize × concurrency", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.hold
      yield* createNotes(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`n${i}`, `text ${i}`])))
      const { worker } = yield* startWorker({ batchSize: 2, concurrency: 2 })
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 4))
      yield* TestClock.adjust("1 second")
      yield* settle
      expect(yield* queue.getStats).toMatchObject({ pending: 6, processing: 4 })
      expect((yield* worker.status).inHand).toBe(4)
      yield* fake.release
      yield* untilQuiet
      expect(yield* storedIds).toHaveLength(10)
    }).pipe(withSystem),
  )

  it.scoped(
    "left to itself it claims one batch more than the embedder works on, so that it never waits",
    () =>
      Effect.gen(function* () {
        const fake = yield* control
        const queue = yield* EmbeddingQueue
        const embedder = yield* Embedder
        yield* fake.hold
        yield* createNotes(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`n${i}`, `text ${i}`])))
        yield* startWorker({ batchSize: 2, concurrency: "auto" }).pipe(
          Effect.provideService(Embedder, Embedder.of({ ...embedder, parallelism: 2 })),
        )
        yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 6))
        yield* TestClock.adjust("1 second")
        yield* settle
        expect(yield* queue.getStats).toMatchObject({ pending: 4, processing: 6 })
        yield* fake.release
        yield* untilQuiet
        expect(yield* storedIds).toHaveLength(10)
      }).pipe(withSystem),
  )

  it.scoped("a small note does not wait for a big one that was claimed with it", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.hangWhen((text) => text.includes("big"))
      yield* createNotes({ a: "small", b: "big ".repeat(20_000), c: "small too" })
      const { stop } = yield* startWorker({ batchSize: 8 })
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.completed === 2))
      expect(yield* storedIds).toEqual(["a", "c"])
      const stopping = yield* Effect.fork(stop)
      yield* settle
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(stopping)
    }).pipe(withSystem),
  )

  it.scoped("paused, it takes nothing; resumed, it goes on", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.pause
      yield* createNotes({ a: "text" })
      // Who resumes may be another process: it is the poll that finds out.
      yield* startWorker({ pollInterval: "1 second" })
      yield* TestClock.adjust("10 seconds")
      yield* settle
      expect((yield* queue.getStats).pending).toBe(1)
      yield* queue.resume
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["a"])
    }).pipe(withSystem),
  )
})

describe("life and death", () => {
  it.scoped("the heart beats: a long embedding keeps its lease", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.hold
      yield* createNotes({ a: "text" })
      yield* startWorker()
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 1))
      for (let i = 0; i < 20; i++) {
        yield* TestClock.adjust("10 seconds")
        yield* settle
        expect(yield* queue.reclaim).toBe(0)
      }
      yield* fake.release
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["a"])
    }).pipe(withSystem),
  )

  it.scoped("a late worker whose claim was taken back stores nothing over newer text", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      const service = yield* EntityService
      const storage = yield* Storage
      const repository = yield* EntityRepository
      const embedder = yield* Embedder
      yield* fake.hold
      yield* createNotes({ a: "old text" })
      // Its heart stands still: the heartbeat never comes.
      const { worker } = yield* startWorker({ heartbeatInterval: "10 days" })
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 1))
      yield* TestClock.adjust("31 seconds")
      yield* queue.pause
      expect(yield* queue.reclaim).toBe(1)
      yield* service.upsertEntity({ id: "a", content: "new text" })
      yield* queue.resume
      // Another worker is quicker.
      const claim = yield* Effect.flatMap(queue.dequeue, Effect.orDie)
      yield* storage.write(
        Effect.zipRight(
          repository.store({
            entity: claim.content,
            generation: claim.job.generation,
            jobId: claim.job.jobId,
            inputHash: "h",
            chunks: [
              {
                ...plainChunk("new text"),
                fingerprint: embedder.fingerprint,
                vector: Fake.vectorOf("new text"),
              },
            ],
          }),
          queue.complete(claim),
        ),
      )
      yield* fake.release
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* settle
      expect((yield* storedRows).map((row) => row.content)).toEqual(["new text"])
      expect((yield* worker.status).stored).toBe(0)
    }).pipe(withSystem),
  )

  it.scoped("deleted while processing: the worker finds its claim gone and stores nothing", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      const service = yield* EntityService
      yield* fake.hold
      yield* createNotes({ a: "text", b: "text" })
      const { worker } = yield* startWorker({ batchSize: 2 })
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 2))
      yield* service.deleteEntity("a")
      yield* fake.release
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["b"])
      expect((yield* worker.status).stored).toBe(1)
    }).pipe(withSystem),
  )

  it.scoped("cancelled while processing: the worker stores nothing, and the box stays as it was ended", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.hold
      const [receipt] = yield* createNotes({ a: "text", b: "text" })
      const { worker } = yield* startWorker({ batchSize: 2 })
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 2))
      yield* queue.cancel(receipt?.jobId ?? "")
      yield* fake.release
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["b"])
      expect((yield* queue.failedBoxes()).map(({ content, job }) => [content.id, job.outcome])).toEqual([
        ["a", "cancelled"],
      ])
      expect(yield* worker.status).toMatchObject({ stored: 1, failed: 0, inHand: 0 })
    }).pipe(withSystem),
  )

  it.scoped("stopping in the middle of a batch finishes what is in hand within the drain time", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.hold
      yield* createNotes({ a: "text", b: "text", c: "text" })
      const { stop } = yield* startWorker({ batchSize: 2, drainTimeout: "10 seconds" })
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 2))
      const stopping = yield* Effect.fork(stop)
      yield* settle
      yield* TestClock.adjust("9 seconds")
      yield* fake.release
      yield* Fiber.join(stopping)
      expect(yield* storedIds).toEqual(["a", "b"])
      expect(yield* queue.getStats).toMatchObject({ pending: 1, processing: 0 })
    }).pipe(withSystem),
  )

  it.scoped("what does not finish in time is given back whole, nothing counted, and a restart goes on", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.hold
      const receipts = yield* createNotes({ a: "text", b: "text" })
      const { stop } = yield* startWorker({ batchSize: 2, drainTimeout: "10 seconds" })
      yield* passTimeUntil(Effect.map(queue.getStats, (stats) => stats.processing === 2))
      const stopping = yield* Effect.fork(stop)
      yield* settle
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(stopping)
      expect(yield* storedIds).toEqual([])
      for (const { jobId } of receipts) {
        const { job } = yield* Effect.flatMap(queue.getJob(jobId), Effect.orDie)
        expect(job).toMatchObject({ status: "pending", retryCount: 0, crashCount: 0, attemptToken: null })
      }
      yield* fake.reset
      yield* startWorker({ batchSize: 2 })
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["a", "b"])
    }).pipe(withSystem),
  )

  it.scoped("housekeeping takes back jobs of dead workers and cleans receipts on its schedules", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* createNotes({ a: "text" })
      yield* queue.dequeue
      yield* Layer.build(
        Maintenance.layerWith({
          cleanupInterval: "10 minutes",
          cleanupAge: "5 minutes",
          reclaimInterval: "31 seconds",
        }),
      )
      yield* settle
      expect((yield* queue.getStats).processing).toBe(1)
      yield* TestClock.adjust("35 seconds")
      yield* settle
      expect(yield* queue.getStats).toMatchObject({ pending: 1, processing: 0 })
      yield* startWorker()
      yield* untilQuiet
      expect((yield* queue.getStats).completed).toBe(1)
      yield* TestClock.adjust("20 minutes")
      yield* settle
      expect((yield* queue.getStats).completed).toBe(0)
    }).pipe(withSystem),
  )
})
