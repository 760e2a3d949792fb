import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EmbeddingError, type Fault } from "../../src/Domain/Errors.js"
import type { ListedJob } from "../../src/Domain/Job.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import type { ListPage } from "../../src/EmbeddingQueue/Lists.js"
import { Storage } from "../../src/Storage.js"
import { claimOne, drainIds, note, withQueue } from "./fixtures.js"

const tick = TestClock.adjust("1 millis")

/** A job that failed for good; by another fault than the item's, as a later rule may have it. */
const failed = (id: string, reason = "bad", fault: Fault = "item", entityType = "base") =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const { sql } = yield* Storage
    const { jobId } = yield* queue.enqueue(note(id, "text", entityType), { maxRetries: 0, priority: 100 })
    yield* queue.fail(yield* claimOne, new EmbeddingError({ fault: "item", reason }))
    yield* sql`UPDATE embedding_queue SET last_fault = ${fault} WHERE job_id = ${jobId}`
  })

/** One of each kind, in this order. */
const oneOfEach = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  yield* queue.enqueue(note("stored"))
  yield* queue.complete(yield* claimOne)
  yield* tick
  yield* failed("exhausted")
  yield* tick
  yield* queue.cancel((yield* queue.enqueue(note("cancelled"))).jobId)
  yield* tick
  yield* queue.enqueue(note("in hand", "text", "person"))
  yield* queue.fail(yield* claimOne, new EmbeddingError({ fault: "provider", reason: "down" }))
  yield* claimOne
  yield* queue.enqueue(note("rewritten"))
  yield* tick
  yield* queue.enqueue(note("rewritten", "anew"))
})

const shown = (jobs: ReadonlyArray<ListedJob>) =>
  jobs.map(({ entityId, outcome, status }) => `${entityId}: ${outcome ?? status}`)

const listed = (page?: ListPage) =>
  Effect.flatMap(EmbeddingQueue, (queue) => Effect.map(queue.listJobs(page), shown))

/** Jobs that ended, put into the table as they are: some have the same time. */
const manyEnded = (count: number, status: "failed" | "completed") =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    const outcome = status === "failed" ? "exhausted" : "stored"
    yield* sql`
      WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < ${count})
      INSERT INTO embedding_queue (generation, job_id, entity_type, entity_id, status, line, outcome, priority,
        scheduled_for, max_retries, created_at, updated_at, completed_at, last_error, last_fault)
      SELECT value, 'j' || value, 'base', 'n' || value, ${status}, value, ${outcome}, 0, 0, 0, 0, value / 3, value / 3,
        'bad', 'item'
      FROM numbers`
    yield* sql`UPDATE embedding_queue_state SET generation = ${count}`
  })

describe("a list", () => {
  it.effect("is of all jobs, newest first, without what they box", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      expect(yield* listed()).toEqual([])
      yield* oneOfEach
      expect(yield* listed()).toEqual([
        "rewritten: pending",
        "rewritten: superseded",
        "in hand: processing",
        "cancelled: cancelled",
        "exhausted: exhausted",
        "stored: stored",
      ])
      for (const job of yield* queue.listJobs()) expect(job).not.toHaveProperty("content")
    }).pipe(withQueue),
  )

  it.effect("is of one status, outcome, fault, type or error; and of what all of them allow", () =>
    Effect.gen(function* () {
      yield* oneOfEach
      expect(yield* listed({ status: "pending" })).toEqual(["rewritten: pending"])
      expect(yield* listed({ status: "processing" })).toEqual(["in hand: processing"])
      expect(yield* listed({ status: "failed" })).toEqual(["cancelled: cancelled", "exhausted: exhausted"])
      expect(yield* listed({ status: "completed" })).toEqual(["rewritten: superseded", "stored: stored"])
      expect(yield* listed({ outcome: "cancelled" })).toEqual(["cancelled: cancelled"])
      expect(yield* listed({ outcome: "superseded" })).toEqual(["rewritten: superseded"])
      expect(yield* listed({ fault: "item" })).toEqual(["exhausted: exhausted"])
      expect(yield* listed({ fault: "provider", status: "processing" })).toEqual(["in hand: processing"])
      expect(yield* listed({ fault: "provider", status: "failed" })).toEqual([])
      expect(yield* listed({ entityType: "person" })).toEqual(["in hand: processing"])
      expect(yield* listed({ errorContains: "CANCEL" })).toEqual(["cancelled: cancelled"])
      expect(yield* listed({ status: "completed", outcome: "cancelled" })).toEqual([])
      expect(yield* listed({ status: "failed", limit: 0 })).toEqual([])
    }).pipe(withQueue),
  )

  it.effect("is by the end where it is of an end, and by the write otherwise", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("ends last"))
      yield* queue.enqueue(note("ends first"), { priority: 1 })
      for (const _ of [1, 2]) {
        yield* tick
        yield* queue.complete(yield* claimOne)
      }
      const [last, first] = ["ends last: stored", "ends first: stored"]
      expect(yield* listed()).toEqual([first, last])
      expect(yield* listed({ status: "completed" })).toEqual([last, first])
      expect(yield* listed({ outcome: "stored" })).toEqual([last, first])
    }).pipe(withQueue),
  )

  it.effect("says how many attempts went wrong, also after another try", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* failed("a")
      yield* queue.enqueue(note("b"))
      yield* queue.retryFailed()
      const claim = yield* claimOne
      expect(claim.content.id).toBe("a")
      yield* queue.fail(claim, new EmbeddingError({ fault: "item", reason: "bad" }))
      const jobs = yield* queue.listJobs()
      expect(jobs.map(({ entityId, failedAttempts }) => [entityId, failedAttempts])).toEqual([
        ["b", 0],
        ["a", 2],
      ])
    }).pipe(withQueue),
  )
})

describe("pages", () => {
  for (const status of ["failed", "completed", undefined] as const) {
    it.effect(`go through all of ${status ?? "any status"} once, also where many ended at once`, () =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* manyEnded(100, status ?? "completed")
        const seen: Array<number> = []
        let after: ListedJob | undefined
        while (true) {
          const page = yield* queue.listJobs({ status, after, limit: 7 })
          if (page.length === 0) break
          seen.push(...page.map((job) => job.generation))
          after = page.at(-1)
        }
        expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => 100 - at))
      }).pipe(withQueue),
    )
  }

  it.effect("of what is in hand have no end in the middle", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      for (const id of ["a", "b", "c"]) yield* queue.enqueue(note(id))
      yield* queue.dequeueBatch(3)
      const first = yield* queue.listJobs({ status: "processing", limit: 2 })
      expect(shown(first)).toEqual(["c: processing", "b: processing"])
      expect(yield* listed({ status: "processing", after: first.at(-1) })).toEqual(["a: processing"])
    }).pipe(withQueue),
  )

  it.effect("are not shifted by what enters, fails or ends between them", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      for (const id of ["a", "b", "c", "d"]) yield* failed(id).pipe(Effect.zipRight(tick))
      const first = yield* queue.listJobs({ status: "failed", limit: 2 })
      expect(shown(first)).toEqual(["d: exhausted", "c: exhausted"])
      yield* failed("e")
      yield* queue.retryFailed({ jobId: first[0]?.jobId })
      expect(yield* listed({ status: "failed", after: first.at(-1) })).toEqual([
        "b: exhausted",
        "a: exhausted",
      ])
    }).pipe(withQueue),
  )

  for (const status of ["failed", "completed", undefined] as const) {
    it.effect(`find the few that fit, however far down: ${status ?? "any status"}`, () =>
      Effect.gen(function* () {
        const { sql } = yield* Storage
        yield* manyEnded(4_500, status ?? "completed")
        yield* sql`UPDATE embedding_queue SET last_fault = 'host' WHERE generation IN (1, 3, 2499, 2500, 2501, 4500)`
        const places = (limit: number) =>
          Effect.flatMap(EmbeddingQueue, (queue) =>
            Effect.map(queue.listJobs({ status, fault: "host", limit }), (jobs) =>
              jobs.map((job) => job.generation),
            ),
          )
        expect(yield* places(100)).toEqual([4500, 2501, 2500, 2499, 3, 1])
        expect(yield* places(3)).toEqual([4500, 2501, 2500])
        expect(yield* places(5)).toEqual([4500, 2501, 2500, 2499, 3])
      }).pipe(withQueue),
    )
  }
})

describe("trying again", () => {
  it.effect("is of those that the filter means", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* failed("a", "HTTP 429: slow down", "provider")
      yield* failed("b", "HTTP 500", "provider")
      yield* failed("c", "too odd")
      yield* failed("d", "too odd", "item", "person")
      const [, first] = yield* queue.listJobs({ errorContains: "HTTP" })
      expect(yield* queue.retryFailed({ jobId: first?.jobId, entityType: "person" })).toBe(0)
      expect(yield* queue.retryFailed({ errorContains: "http 429" })).toBe(1)
      expect(yield* drainIds).toEqual(["a"])
      expect(yield* queue.retryFailed({ entityType: "person", errorContains: "HTTP" })).toBe(0)
      expect(yield* queue.retryFailed({ entityType: "person" })).toBe(1)
      expect(yield* drainIds).toEqual(["d"])
      expect(yield* queue.retryFailed({ fault: "provider" })).toBe(1)
      expect(yield* drainIds).toEqual(["b"])
      expect(yield* queue.retryFailed()).toBe(1)
      expect(yield* drainIds).toEqual(["c"])
    }).pipe(withQueue),
  )

  it.effect("of many keeps their order and takes several transactions: what was done stays done", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { sql } = yield* Storage
      yield* manyEnded(1_200, "failed")
      yield* sql`CREATE TRIGGER refuse BEFORE UPDATE ON embedding_queue WHEN OLD.generation = 1
        BEGIN SELECT RAISE(ABORT, 'no'); END`
      expect((yield* Effect.flip(queue.retryFailed()))._tag).toBe("StorageError")
      expect(yield* queue.getStats).toMatchObject({ pending: 1000, failed: 200 })
      yield* sql`DROP TRIGGER refuse`
      expect(yield* queue.retryFailed()).toBe(200)
      const lane = yield* sql<{ readonly generation: number }>`
        SELECT generation FROM embedding_queue WHERE lane = 'ready' ORDER BY priority DESC, scheduled_for, line`
      expect(lane.map(({ generation }) => generation)).toEqual(
        Array.from({ length: 1200 }, (_, at) => at + 1),
      )
    }).pipe(withQueue),
  )

  it.effect("does not meet again what fails again at once", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { sql } = yield* Storage
      yield* manyEnded(700, "failed")
      yield* sql`CREATE TRIGGER fails_again AFTER UPDATE ON embedding_queue WHEN NEW.status = 'pending' BEGIN
        UPDATE embedding_queue SET status = 'failed', lane = NULL, outcome = 'exhausted', completed_at = 1000000,
          updated_at = 1000000 WHERE generation = NEW.generation;
      END`
      expect(yield* queue.retryFailed()).toBe(700)
      expect(yield* queue.getStats).toMatchObject({ pending: 0, failed: 700 })
    }).pipe(withQueue),
  )
})

it.effect("the lag is how long what heads the line has been due", () =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    expect(yield* queue.lag).toBe(0)
    yield* queue.enqueue(note("later"), { delayMs: 60_000 })
    expect(yield* queue.lag).toBe(0)
    yield* TestClock.adjust("10 seconds")
    yield* queue.enqueue(note("now"))
    yield* TestClock.adjust("3 seconds")
    expect(yield* queue.lag).toBe(3_000)
    yield* claimOne
    expect(yield* queue.lag).toBe(0)
    yield* TestClock.adjust("50 seconds")
    expect(yield* queue.lag).toBe(3_000)
    yield* queue.crash([yield* claimOne], "died")
    yield* TestClock.adjust("2 seconds")
    expect(yield* queue.lag).toBe(2_000)
  }).pipe(withQueue),
)
