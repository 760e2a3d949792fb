import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { passTimeUntil, settle } from "../support.js"
import { control, createNotes, startWorker, storedIds, untilQuiet, withSystem } from "./fixtures.js"

const itemFault = (reason: string) => new EmbeddingError({ fault: "item", reason })

const providerFault = (reason: string, retryAfterMillis = 2000) =>
  new EmbeddingError({ fault: "provider", reason, retryAfterMillis })

/** What an embedder with a bug does: the fake calls it, and it throws. */
const buggy = (text: string): boolean => {
  if (text.includes("trap")) throw new Error("a bug")
  return false
}

const jobOf = (jobId: string) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    return (yield* Effect.flatMap(queue.getJob(jobId), Effect.orDie)).job
  })

describe("faults of the item", () => {
  it.scoped("an attempt that fails is tried again, and succeeds", () =>
    Effect.gen(function* () {
      const fake = yield* control
      yield* fake.failNext(itemFault("odd text"), 2)
      const [receipt] = yield* createNotes({ a: "text" })
      yield* startWorker()
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["a"])
      expect(yield* jobOf(receipt?.jobId ?? "")).toMatchObject({ status: "completed", retryCount: 2 })
    }).pipe(withSystem),
  )

  it.scoped("four attempts, then the job is failed and the entity is kept and readable", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const service = yield* EntityService
      yield* fake.failWhen(() => true, itemFault("bad text"))
      yield* createNotes({ a: "the text" })
      yield* startWorker()
      yield* untilQuiet
      expect((yield* fake.counters).calls).toBe(4)
      expect(yield* service.getEntity("a")).toMatchObject({
        content: "the text",
        embedding: { state: "failed", reason: "bad text" },
      })
      const answer = yield* service.search("the text")
      expect(answer).toMatchObject({ failed: 1, mode: "lexical" })
    }).pipe(withSystem),
  )

  it.scoped("a batch with a poisonous text is halved: its neighbours are stored at once", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.failWhen((text) => text.includes("poison"), itemFault("rejected"))
      const contents = Object.fromEntries(
        Array.from({ length: 16 }, (_, i) => [`n${i}`, i === 11 ? "poison" : `text ${i}`]),
      )
      yield* createNotes(contents)
      yield* startWorker({ batchSize: 16 })
      yield* passTimeUntil(
        Effect.map(queue.getStats, (stats) => stats.completed === 15),
        5,
      )
      expect(yield* storedIds).toHaveLength(15)
      yield* untilQuiet
      expect(yield* queue.getStats).toMatchObject({ failed: 1, completed: 15 })
      expect((yield* queue.failedBoxes()).map((box) => box.content.content)).toEqual(["poison"])
    }).pipe(withSystem),
  )

  for (const kind of [
    "wrong dimensions",
    "not finite",
    "infinite",
    "all zeros",
    "too few",
    "too many",
  ] as const) {
    it.scoped(`${kind}: refused, never stored`, () =>
      Effect.gen(function* () {
        const fake = yield* control
        const queue = yield* EmbeddingQueue
        const { sql } = yield* Storage
        yield* fake.misbehaveNext(kind, 4)
        yield* createNotes({ bad: "text" })
        yield* startWorker()
        yield* untilQuiet
        yield* createNotes({ good: "text" })
        yield* untilQuiet
        expect(yield* storedIds).toEqual(["good"])
        expect(yield* sql`SELECT DISTINCT entity_id AS id FROM entity_vectors`).toEqual([{ id: "good" }])
        const [box] = yield* queue.failedBoxes()
        expect(box?.job).toMatchObject({ lastFault: "item", retryCount: 3 })
      }).pipe(withSystem),
    )
  }

  it.scoped("an embedder that dies with a defect stops neither the worker nor the neighbours", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.failWhen(buggy, itemFault("never"))
      yield* createNotes({ good: "fine", bad: "trap" })
      yield* startWorker({ batchSize: 2 })
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["good"])
      expect((yield* queue.failedBoxes())[0]?.job.lastError).toContain("a bug")
      yield* createNotes({ more: "fine too" })
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["good", "more"])
    }).pipe(withSystem),
  )

  it.scoped("an attempt that outlasts its deadline is interrupted and counts", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.hangWhen((text) => text === "hang")
      yield* createNotes({ bad: "hang", good: "fine" })
      yield* startWorker({ maxProcessingTime: "20 seconds" })
      yield* passTimeUntil(
        Effect.map(queue.getStats, (stats) => stats.failed === 1),
        2000,
      )
      const [box] = yield* queue.failedBoxes()
      expect(box?.job).toMatchObject({ retryCount: 3, lastError: "embedding took longer than 20s" })
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["good"])
    }).pipe(withSystem),
  )
})

describe("faults of the provider", () => {
  it.scoped("down for 200 jobs: waits, probes with one, spends nothing, and stores all once it is back", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.failWhen(() => true, providerFault("connection refused"))
      const receipts = yield* createNotes(
        Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`n${i}`, `text ${i}`])),
      )
      const { worker } = yield* startWorker({ batchSize: 10, concurrency: 2 })
      for (let i = 0; i < 100; i++) {
        yield* TestClock.adjust("1 second")
        yield* settle
      }
      const { calls } = yield* fake.counters
      // At first the batches in flight, then one text every two seconds.
      expect(calls).toBeLessThanOrEqual(53)
      expect((yield* worker.status).provider).toMatchObject({ state: "open", reason: "connection refused" })
      expect((yield* queue.getStats).pending).toBe(200)
      yield* fake.reset
      yield* untilQuiet
      expect(yield* storedIds).toHaveLength(200)
      expect((yield* worker.status).provider).toEqual({ state: "closed" })
      for (const { jobId } of receipts) expect((yield* jobOf(jobId)).retryCount).toBe(0)
    }).pipe(withSystem),
  )

  it.scoped("honours the time that the provider asks for", () =>
    Effect.gen(function* () {
      const fake = yield* control
      yield* fake.failNext(providerFault("rate limited", 60_000))
      yield* createNotes({ a: "text" })
      yield* startWorker()
      yield* settle
      yield* TestClock.adjust("59 seconds")
      yield* settle
      expect((yield* fake.counters).calls).toBe(1)
      yield* TestClock.adjust("2 seconds")
      yield* untilQuiet
      expect((yield* fake.counters).calls).toBe(2)
      expect(yield* storedIds).toEqual(["a"])
    }).pipe(withSystem),
  )
})

describe("crashes of what computes", () => {
  const crash = new EmbeddingError({ fault: "host", reason: "the process died", crashed: true })

  it.scoped("the text at fault ends as failed alone; its neighbours are stored, nothing spent", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const queue = yield* EmbeddingQueue
      yield* fake.failWhen((text) => text.includes("poison"), crash)
      const contents = Object.fromEntries(
        Array.from({ length: 8 }, (_, i) => [`n${i}`, i === 3 ? "poison" : `text ${i}`]),
      )
      yield* createNotes(contents)
      const { worker } = yield* startWorker({ batchSize: 4, concurrency: 2 })
      yield* untilQuiet
      expect(yield* storedIds).toHaveLength(7)
      const [box] = yield* queue.failedBoxes()
      expect(box).toMatchObject({ content: { content: "poison" }, job: { crashCount: 4, retryCount: 0 } })
      expect(yield* worker.status).toMatchObject({
        stored: 7,
        failed: 1,
        inHand: 0,
        provider: { state: "closed" },
      })
    }).pipe(withSystem),
  )

  it.scoped("a kill from outside costs an innocent text nothing, even with no retries", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const service = yield* EntityService
      yield* fake.failNext(crash)
      for (const id of ["a", "b"])
        yield* service.createEntityAsync({ id, content: "text" }, { maxRetries: 0 })
      yield* startWorker({ batchSize: 2 })
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["a", "b"])
    }).pipe(withSystem),
  )
})

describe("faults of the host", () => {
  it.scoped("a store that fails gives the jobs back and is tried again", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { sql } = yield* Storage
      yield* createNotes({ a: "text", b: "text" })
      yield* sql`CREATE TRIGGER refuse BEFORE INSERT ON entity_vectors BEGIN SELECT RAISE(ABORT, 'no'); END`
      yield* startWorker({ batchSize: 2 })
      yield* TestClock.adjust("5 seconds")
      yield* settle
      expect(yield* storedIds).toEqual([])
      expect(yield* queue.getStats).toMatchObject({ failed: 0, completed: 0 })
      yield* sql`DROP TRIGGER refuse`
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["a", "b"])
      const item = yield* Effect.flatMap(queue.getStatusByEntityId("a"), Effect.orDie)
      expect(item.job).toMatchObject({ retryCount: 0, crashCount: 0 })
    }).pipe(withSystem),
  )

  it.scoped("a database that fails while looking for work does not end the loop", () =>
    Effect.gen(function* () {
      const { sql } = yield* Storage
      yield* sql`ALTER TABLE embedding_queue_state RENAME TO hidden`
      yield* startWorker({ pollInterval: "1 second" })
      yield* TestClock.adjust("5 seconds")
      yield* settle
      yield* sql`ALTER TABLE hidden RENAME TO embedding_queue_state`
      yield* createNotes({ a: "text" })
      yield* untilQuiet
      expect(yield* storedIds).toEqual(["a"])
    }).pipe(withSystem),
  )
})
