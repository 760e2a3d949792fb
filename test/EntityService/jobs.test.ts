import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService, layer as serviceLayer } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { settle } from "../support.js"
import {
  createFailed,
  createProcessing,
  embedAll,
  itemFault,
  jobOf,
  startWorker,
  untilQuiet,
  withSystem,
} from "./fixtures.js"

/** Waits beside the test, which knows that the waiting has begun. */
const awaiting = (jobId: string) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const fiber = yield* Effect.fork(Effect.either(service.awaitJob(jobId)))
    yield* settle
    expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
    return fiber
  })

/** No clock moves here: the end was heard, not asked for. */
const heard = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.gen(function* () {
    yield* settle
    const exit = yield* Effect.flatten(Fiber.poll(fiber))
    return yield* exit
  })

describe("awaitJob", () => {
  it.effect("hears the end at once", () =>
    Effect.gen(function* () {
      const { jobId } = yield* createProcessing("a", "text")
      const waiting = yield* awaiting(jobId)
      yield* (yield* FakeControl).release
      expect(yield* heard(waiting)).toMatchObject({
        right: { jobId, entityType: "base", entityId: "a", outcome: "stored" },
      })
    }).pipe(withSystem),
  )

  it.effect("is refused in a transaction, where the job could never end", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { sql } = yield* Storage
      const inside = sql.withTransaction(
        Effect.flatMap(service.createEntity({ id: "a", content: "text" }), ({ jobId }) =>
          service.awaitJob(jobId),
        ),
      )
      const refused = yield* Effect.flip(inside)
      expect(refused).toMatchObject({ _tag: "InsideTransaction" })
      expect(refused.message).toContain("wait for it after the commit")
      const { jobId } = yield* service.createEntity({ id: "b", content: "text" })
      const searchable = sql.withTransaction(service.awaitSearchable(jobId, "1 minute"))
      expect(yield* Effect.flip(searchable)).toMatchObject({ _tag: "InsideTransaction", jobId })
      yield* embedAll
      // What has ended is told.
      expect(yield* sql.withTransaction(service.awaitJob(jobId))).toMatchObject({ outcome: "stored" })
    }).pipe(withSystem),
  )

  it.effect("follows the job that took its place, and the one after it, to the end", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      yield* queue.pause
      const first = yield* service.createEntity({ id: "a", content: "first" })
      const waiting = yield* awaiting(first.jobId)
      yield* service.updateEntity("a", { content: "second" })
      const third = yield* service.updateEntity("a", { content: "third" })
      yield* settle
      expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
      yield* queue.resume
      yield* startWorker
      expect(yield* heard(waiting)).toMatchObject({ right: { jobId: third.jobId, outcome: "stored" } })
    }).pipe(withSystem),
  )

  it.effect("fails with the reason when the job does, or the one that took its place", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const first = yield* service.createEntity({ id: "a", content: "first" })
      const waiting = yield* awaiting(first.jobId)
      const second = yield* service.upsertEntity({ id: "a", content: "second" }, { maxRetries: 0 })
      yield* queue.fail(yield* Effect.flatten(queue.dequeue), itemFault)
      const failure = {
        _tag: "JobFailed",
        jobId: second.jobId,
        entityType: "base",
        entityId: "a",
        reason: "bad text",
      }
      expect(yield* heard(waiting)).toMatchObject({ left: failure })
      expect(yield* Effect.flip(service.awaitJob(first.jobId))).toMatchObject(failure)
      expect(yield* Effect.flip(service.awaitJob(second.jobId))).toMatchObject(failure)
    }).pipe(withSystem),
  )

  it.effect("a failed attempt is no end", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      const waiting = yield* awaiting(jobId)
      yield* queue.fail(yield* Effect.flatten(queue.dequeue), itemFault)
      yield* settle
      expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
      yield* TestClock.adjust("2 seconds")
      yield* startWorker
      expect(yield* heard(waiting)).toMatchObject({ right: { outcome: "stored" } })
    }).pipe(withSystem),
  )

  it.effect("ends when the entity is deleted, and says so", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      const waiting = yield* awaiting(jobId)
      yield* service.deleteEntity("a")
      expect(yield* heard(waiting)).toMatchObject({ right: { jobId, outcome: "deleted" } })
    }).pipe(withSystem),
  )

  it.effect("finds out by asking what another process has ended", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { sql } = yield* Storage
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      const waiting = yield* awaiting(jobId)
      // Of another process one sees what it wrote, and hears nothing.
      yield* sql`UPDATE embedding_queue SET status = 'completed', lane = NULL, outcome = 'stored'`
      yield* settle
      expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
      yield* TestClock.adjust("250 millis")
      expect(yield* heard(waiting)).toMatchObject({ right: { jobId, outcome: "stored" } })
    }).pipe(withSystem),
  )

  it.effect("answers at once for a job that has ended, receipt kept or cleaned up", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      yield* embedAll
      const end = { jobId, entityType: "base", entityId: "a", outcome: "stored" }
      expect(yield* service.awaitJob(jobId)).toEqual(end)
      yield* TestClock.adjust("1 hour")
      expect(yield* queue.cleanup(1000)).toBe(1)
      expect(Option.isNone(yield* queue.getJob(jobId))).toBe(true)
      expect(yield* service.awaitJob(jobId)).toEqual(end)
    }).pipe(withSystem),
  )

  it.effect("an unknown job is an error, not a wait", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      for (const jobId of ["unknown", "", "' OR 1=1 --"]) {
        expect(yield* Effect.flip(service.awaitJob(jobId))).toMatchObject({ _tag: "JobNotFound", jobId })
      }
    }).pipe(withSystem),
  )

  it.effect("does not ask at the end of jobs that are not its own", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const counting = Layer.effect(
        EmbeddingQueue,
        Effect.map(EmbeddingQueue, (queue) => ({
          ...queue,
          getJob: (jobId: string) => Effect.suspend(() => (asked.push(jobId), queue.getJob(jobId))),
        })),
      )
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        const mine = yield* service.createEntityAsync({ content: "mine" }, { priority: -1 })
        const waiting = yield* awaiting(mine.jobId)
        yield* Effect.forEach(
          Array.from({ length: 50 }, (_, i) => i),
          (i) => service.createEntity({ content: `other ${i}` }),
        )
        const queue = yield* EmbeddingQueue
        for (const claim of yield* queue.dequeueBatch(50)) yield* queue.complete(claim)
        yield* settle
        // Its first look.
        expect(asked).toEqual([mine.jobId])
        yield* queue.complete(yield* Effect.flatten(queue.dequeue))
        expect(yield* heard(waiting)).toMatchObject({ right: { jobId: mine.jobId } })
        expect(asked).toEqual([mine.jobId, mine.jobId])
      }).pipe(Effect.provide(Layer.provide(serviceLayer, counting)))
    }).pipe(withSystem),
  )
})

describe("getAsyncJobStatus", () => {
  it.effect("tells status, entity and the last error", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const statusOf = (jobId: string) => Effect.flatten(service.getAsyncJobStatus(jobId))
      const about = { entityId: "a", entityType: "base" }
      const { jobId } = yield* service.createEntityAsync({ id: "a", content: "text" }, { maxRetries: 1 })
      expect(yield* statusOf(jobId)).toEqual({ status: "pending", ...about, error: undefined })
      const claim = yield* Effect.flatten(queue.dequeue)
      expect(yield* statusOf(jobId)).toEqual({ status: "processing", ...about, error: undefined })
      yield* queue.fail(claim, itemFault)
      expect(yield* statusOf(jobId)).toEqual({ status: "pending", ...about, error: "bad text" })
      yield* TestClock.adjust("2 seconds")
      yield* queue.fail(yield* Effect.flatten(queue.dequeue), itemFault)
      expect(yield* statusOf(jobId)).toEqual({ status: "failed", ...about, error: "bad text" })
    }).pipe(withSystem),
  )

  it.effect("nothing for an unknown job; what stored an entity is known after its receipt is gone", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      expect(yield* service.getAsyncJobStatus("unknown")).toEqual(Option.none())
      const old = yield* service.createEntity({ id: "a", content: "old" })
      const { jobId } = yield* service.updateEntity("a", { content: "text" })
      yield* embedAll
      yield* TestClock.adjust("1 hour")
      yield* queue.cleanup(0)
      expect(yield* service.getAsyncJobStatus(old.jobId)).toEqual(Option.none())
      expect(yield* service.getAsyncJobStatus(jobId)).toEqual(
        Option.some({ status: "completed", entityId: "a", entityType: "base", error: undefined }),
      )
    }).pipe(withSystem),
  )

  it.effect("a failed job is not cleaned up, and can be tried again", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* createFailed("a", "bad text")
      yield* TestClock.adjust("1000 days")
      expect(yield* queue.cleanup(0)).toBe(0)
      expect((yield* jobOf(jobId)).status).toBe("failed")
      yield* (yield* FakeControl).reset
      yield* queue.retryFailed()
      yield* Effect.scoped(Effect.zipRight(startWorker, untilQuiet))
      expect(yield* service.awaitJob(jobId)).toMatchObject({ outcome: "stored" })
    }).pipe(withSystem),
  )
})

describe("indexStatus", () => {
  it.effect("tells what is found by meaning, what waits and what failed, and for how long", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      expect(yield* service.indexStatus).toMatchObject({ ready: 0, pending: 0, coverage: 1, millisLeft: 0 })
      yield* service.createEntity({ id: "a", content: "first text" })
      yield* service.createEntity({ id: "b", content: "word ".repeat(40) })
      yield* embedAll
      yield* createFailed("c")
      yield* TestClock.adjust("10 seconds")
      yield* service.updateEntity("a", { content: "second text" })
      yield* service.createEntity({ id: "d", content: "third text" })
      yield* TestClock.adjust("5 seconds")
      const status = yield* service.indexStatus
      expect(status).toMatchObject({
        ready: 1,
        pending: 2,
        stale: 1,
        failed: 1,
        coverage: 0.25,
        oldestMillis: 5000,
      })
      expect(status.searched).toBe(status.configured)
      // Two entities of four chunks in the last minute, and two more wait.
      expect(status.chunksLeft).toBeGreaterThan(2)
      expect(status.millisLeft).toBeCloseTo(60_000, -1)
      yield* TestClock.adjust("2 minutes")
      expect((yield* service.indexStatus).millisLeft).toBe(undefined)
      yield* embedAll
      expect(yield* service.indexStatus).toMatchObject({
        ready: 3,
        pending: 0,
        stale: 0,
        failed: 1,
        oldestMillis: 0,
      })
    }).pipe(withSystem),
  )
})

describe("awaitSearchable", () => {
  it.effect("answers when it is found by meaning, and not before", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* service.createEntity({ id: "a", content: "text" })
      const waiting = yield* Effect.fork(Effect.flip(service.awaitSearchable(jobId, "2 seconds")))
      yield* settle
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "NotSearchable", jobId })
      yield* embedAll
      expect(yield* service.awaitSearchable(jobId, "2 seconds")).toMatchObject({ outcome: "stored" })
      const { results } = yield* service.search("text", { mode: "semantic" })
      expect(results.map(({ entityId }): string => entityId)).toEqual(["a"])
      const gone = yield* service.createEntity({ id: "b", content: "text" })
      yield* service.deleteEntity("b")
      expect(yield* Effect.flip(service.awaitSearchable(gone.jobId, "2 seconds"))).toMatchObject({
        _tag: "NotSearchable",
        reason: "it was deleted",
      })
    }).pipe(withSystem),
  )
})
