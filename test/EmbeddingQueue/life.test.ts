import { expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { Storage } from "../../src/Storage.js"
import { quiet, settle } from "../support.js"
import { claimOne, drainIds, idOf, jobOf, note, withQueue } from "./fixtures.js"

const itemFault = new EmbeddingError({ fault: "item", reason: "bad text" })

describe("entering", () => {
  it.effect("boxes the complete content and gives it back at the claim", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const content = {
        ...note("a", "Grüße\u0000 🎈"),
        metadata: { tags: ["x"], deep: { n: 1.5, no: null } },
      }
      const job = yield* queue.enqueue(content)
      expect(job.status).toBe("pending")
      const claim = yield* claimOne
      expect(claim.job.jobId).toBe(job.jobId)
      expect(claim.content).toEqual(content)
      expect((yield* jobOf(job.jobId)).status).toBe("processing")
    }).pipe(withQueue),
  )

  it.effect("hands out by priority, then by due time, then in the order of entry", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("first"))
      yield* queue.enqueue(note("second"))
      yield* queue.enqueue(note("urgent"), { priority: 10 })
      yield* TestClock.adjust("1 second")
      yield* queue.enqueue(note("third"))
      yield* queue.enqueue(note("last"), { priority: -1 })
      expect(yield* drainIds).toEqual(["urgent", "first", "second", "third", "last"])
    }).pipe(withQueue),
  )

  it.effect("keeps a delayed job until it is due, and says when that is", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("later"), { delayMs: 5000, priority: 100 })
      yield* queue.enqueue(note("now"))
      expect(yield* drainIds).toEqual(["now"])
      expect(yield* queue.workAhead).toMatchObject({ ready: false, nextDue: 5000 })
      yield* TestClock.adjust("4999 millis")
      expect(idOf(yield* queue.dequeue)).toBe(undefined)
      yield* TestClock.adjust("1 millis")
      expect((yield* queue.workAhead).ready).toBe(true)
      expect(idOf(yield* queue.dequeue)).toBe("later")
    }).pipe(withQueue),
  )

  it.effect("a second write takes the place in line of the pending one, or a better one", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const old = yield* queue.enqueue(note("a", "old"))
      yield* queue.enqueue(note("b"))
      const young = yield* queue.enqueue(note("a", "new"))
      expect(yield* jobOf(old.jobId)).toMatchObject({
        status: "completed",
        outcome: "superseded",
        successor: young.jobId,
      })
      expect(young.generation).toBeGreaterThan(old.generation)
      const claims = yield* queue.dequeueBatch(10)
      expect(claims.map((claim) => claim.content.content)).toEqual(["new", "text of b"])
    }).pipe(withQueue),
  )

  it.effect("a second write keeps the higher priority and the earlier time of the two", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"), { priority: 5 })
      const next = yield* queue.enqueue(note("a", "again"), { priority: 1, delayMs: 60_000 })
      expect(next).toMatchObject({ priority: 5, scheduledFor: 0 })
    }).pipe(withQueue),
  )

  it.effect(
    "a second waiting box of an entity is refused by the database itself, to who does not look first",
    () =>
      Effect.gen(function* () {
        const { sql } = yield* Storage
        const queue = yield* EmbeddingQueue
        const { generation } = yield* queue.enqueue(note("a"))
        const again = sql`INSERT INTO embedding_queue (
          generation, job_id, entity_type, entity_id, status, lane, line, priority, scheduled_for, max_retries,
          created_at, updated_at
        ) SELECT generation + 1, 'another', entity_type, entity_id, status, lane, line, priority, scheduled_for,
          max_retries, created_at, updated_at
        FROM embedding_queue WHERE generation = ${generation}`
        expect(String((yield* Effect.flip(again)).cause)).toContain("UNIQUE constraint failed")
        expect(yield* queue.getStats).toMatchObject({ pending: 1 })
        yield* claimOne
        yield* queue.enqueue(note("a", "newer"))
        expect(yield* queue.getStats).toMatchObject({ pending: 1, processing: 1 })
      }).pipe(withQueue),
  )

  it.effect("a write while processing waits as the one successor, until the hand is free", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a", "v1"))
      const claim = yield* claimOne
      yield* queue.enqueue(note("a", "v2"))
      yield* queue.enqueue(note("a", "v3"))
      expect(idOf(yield* queue.dequeue)).toBe(undefined)
      yield* queue.complete(claim)
      expect((yield* claimOne).content.content).toBe("v3")
      expect(yield* queue.getStats).toEqual({ pending: 0, processing: 1, failed: 0, completed: 2 })
    }).pipe(withQueue),
  )
})

describe("the end of a claim", () => {
  it.effect("a completed job lets go of its content and keeps its receipt", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"))
      yield* queue.complete(yield* claimOne)
      const item = yield* Effect.flatten(queue.getJob(jobId))
      expect(item.content).toBe(undefined)
      expect(item.job).toMatchObject({ status: "completed", outcome: "stored", attemptToken: null })
    }).pipe(withQueue),
  )

  it.effect("item faults back off 1, 2, 4 seconds and end as failed after four attempts, box kept", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"))
      for (const seconds of [1, 2, 4]) {
        const job = yield* queue.fail(yield* claimOne, itemFault)
        expect(job).toMatchObject({ status: "pending", lastError: "bad text", lastFault: "item" })
        yield* TestClock.adjust(seconds * 1000 - 1)
        expect(idOf(yield* queue.dequeue)).toBe(undefined)
        yield* TestClock.adjust(1)
      }
      const job = yield* queue.fail(yield* claimOne, itemFault)
      expect(job).toMatchObject({ status: "failed", outcome: "exhausted", retryCount: 3 })
      yield* TestClock.adjust("2 hours")
      expect(idOf(yield* queue.dequeue)).toBe(undefined)
      expect((yield* Effect.flatten(queue.getJob(jobId))).content).toEqual(note("a"))
    }).pipe(withQueue),
  )

  it.effect("maxRetries 0 means one attempt", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"), { maxRetries: 0 })
      expect((yield* queue.fail(yield* claimOne, itemFault)).status).toBe("failed")
    }).pipe(withQueue),
  )

  it.effect("faults of provider and host spend nothing, however often", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"))
      for (let i = 0; i < 20; i++) {
        const fault = i % 2 === 0 ? "provider" : "host"
        const job = yield* queue.fail(yield* claimOne, new EmbeddingError({ fault, reason: "down" }))
        expect(job).toMatchObject({ status: "pending", retryCount: 0, crashCount: 0, lastFault: fault })
      }
      const wait = new EmbeddingError({ fault: "provider", reason: "busy", retryAfterMillis: 7000 })
      expect((yield* queue.fail(yield* claimOne, wait)).scheduledFor).toBe(7000)
    }).pipe(withQueue),
  )

  it.effect("release gives the job back to its place, nothing counted", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"))
      yield* queue.enqueue(note("b"))
      const job = yield* queue.release(yield* claimOne)
      expect(job).toMatchObject({ retryCount: 0, crashCount: 0, attemptToken: null, claimedBy: null })
      expect(yield* drainIds).toEqual(["a", "b"])
    }).pipe(withQueue),
  )

  it.effect("whatever leaves the hand unsaved while a newer version waits ends as superseded", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      for (const leave of [
        queue.release,
        (claim: Parameters<typeof queue.release>[0]) => queue.fail(claim, itemFault),
      ]) {
        yield* queue.enqueue(note("a", "old"), { maxRetries: 0 })
        const claim = yield* claimOne
        const next = yield* queue.enqueue(note("a", "new"))
        expect(yield* leave(claim)).toMatchObject({ outcome: "superseded", successor: next.jobId })
        yield* queue.complete(yield* claimOne)
      }
      expect(yield* queue.getStats).toEqual({ pending: 0, processing: 0, failed: 0, completed: 4 })
    }).pipe(withQueue),
  )

  it.effect("a token that is gone ends nothing: complete, fail, release and renew", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"))
      const late = yield* claimOne
      yield* TestClock.adjust("31 seconds")
      expect(yield* queue.reclaim).toBe(1)
      const again = yield* claimOne
      expect(again.job.jobId).toBe(late.job.jobId)
      for (const end of [queue.complete(late), queue.fail(late, itemFault), queue.release(late)]) {
        expect((yield* Effect.flip(end))._tag).toBe("ClaimLost")
      }
      expect(yield* queue.renew([late, again])).toEqual([late])
      yield* queue.complete(again)
      expect(yield* jobOf(late.job.jobId)).toMatchObject({ status: "completed", outcome: "stored" })
    }).pipe(withQueue),
  )
})

describe("what cannot be read", () => {
  it.effect("a box with broken JSON ends as failed and its neighbours go on", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { sql } = yield* Storage
      const broken = yield* queue.enqueue(note("broken"))
      yield* queue.enqueue(note("whole"))
      yield* sql`UPDATE embedding_boxes SET content = '{"half' WHERE generation = ${broken.generation}`
      expect(yield* drainIds).toEqual(["whole"])
      const rows = yield* sql`SELECT status, outcome FROM embedding_queue WHERE job_id = ${broken.jobId}`
      expect(rows).toEqual([{ status: "failed", outcome: "exhausted" }])
      const kept = yield* sql`SELECT content FROM embedding_boxes WHERE generation = ${broken.generation}`
      expect(kept).toEqual([{ content: '{"half' }])
    }).pipe(withQueue, Effect.provide(quiet)),
  )
})

describe("changes", () => {
  it.effect("are told after the commit, in order, and not when it is rolled back", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const storage = yield* Storage
      const heard = yield* Effect.fork(Stream.runCollect(Stream.take(queue.changes, 3)))
      yield* settle
      yield* Effect.ignore(storage.write(Effect.zipRight(queue.enqueue(note("gone")), Effect.fail("no"))))
      yield* queue.enqueue(note("a"))
      const claim = yield* claimOne
      yield* queue.complete(claim)
      yield* queue.enqueue(note("b"))
      const changes = Chunk.toReadonlyArray(yield* Fiber.join(heard))
      expect(changes.map((change) => [change.entityId, change.status])).toEqual([
        ["a", "pending"],
        ["a", "completed"],
        ["b", "pending"],
      ])
      expect(
        Option.isNone(
          yield* queue.liveBox({ entityType: note("gone").entityType, entityId: note("gone").id }),
        ),
      ).toBe(true)
    }).pipe(withQueue),
  )
})
