import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EmbeddingError, type Fault } from "../../src/Domain/Errors.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { Storage } from "../../src/Storage.js"
import { quiet } from "../support.js"
import { claimOne, jobOf, note, withQueue } from "./fixtures.js"

const failure = (fault: Fault, reason: string) => new EmbeddingError({ fault, reason })

const attemptsOf = (jobId: string) => Effect.flatMap(EmbeddingQueue, (queue) => queue.attempts(jobId))

const rowCount = Effect.gen(function* () {
  const { sql } = yield* Storage
  return (yield* sql`SELECT * FROM embedding_attempts`).length
})

/** Fails the one job that waits, again and again, for a reason that spends nothing. */
const failTimes = (count: number, reason: (time: number) => string) =>
  Effect.forEach(
    Array.from({ length: count }, (_, at) => at + 1),
    (time) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* queue.fail(yield* claimOne, failure("provider", reason(time)))
      }),
    { discard: true },
  )

describe("what is written down", () => {
  it.effect("each failure: its number, when, by whom, whose fault and why; oldest first", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"), { maxRetries: 1 })
      yield* queue.enqueue(note("other"), { delayMs: 1_000_000 })
      yield* TestClock.adjust("5 seconds")
      const claim = yield* claimOne
      yield* TestClock.adjust("2 seconds")
      yield* queue.fail(claim, failure("item", "bad text"))
      yield* TestClock.adjust("1 second")
      yield* queue.fail(yield* claimOne, failure("host", "disk full"))
      yield* queue.fail(yield* claimOne, failure("item", "still bad"))
      const worker = claim.job.claimedBy
      expect(worker).toMatch(/:.+:/)
      expect(yield* attemptsOf(jobId)).toEqual([
        {
          attempt: 1,
          startedAt: 5000,
          endedAt: 7000,
          worker,
          crashed: false,
          fault: "item",
          error: "bad text",
        },
        {
          attempt: 2,
          startedAt: 8000,
          endedAt: 8000,
          worker,
          crashed: false,
          fault: "host",
          error: "disk full",
        },
        {
          attempt: 3,
          startedAt: 8000,
          endedAt: 8000,
          worker,
          crashed: false,
          fault: "item",
          error: "still bad",
        },
      ])
      expect((yield* jobOf(jobId)).status).toBe("failed")
      expect(yield* attemptsOf("nobody")).toEqual([])
    }).pipe(withQueue),
  )

  it.effect("each crash, however it was found out; the last one is the item's fault", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"), { maxRetries: 2 })
      yield* queue.crash([yield* claimOne], "the model died")
      yield* claimOne
      yield* TestClock.adjust("31 seconds")
      expect(yield* queue.reclaim).toBe(1)
      yield* TestClock.adjust("2 seconds")
      yield* claimOne
      yield* TestClock.adjust("6 minutes")
      expect(yield* queue.resetStuckJobs()).toBe(1)
      const attempts = yield* attemptsOf(jobId)
      expect(attempts.map(({ attempt, crashed, error, fault }) => [attempt, crashed, fault, error])).toEqual([
        [1, true, "host", "the model died"],
        [2, true, "host", "its worker ended with it in hand (2 times by now)"],
        [3, true, "item", "its worker ended with it in hand (3 times by now)"],
      ])
      expect((yield* jobOf(jobId)).outcome).toBe("exhausted")
    }).pipe(withQueue),
  )

  it.effect("a box that cannot be read", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { sql } = yield* Storage
      const { generation, jobId } = yield* queue.enqueue(note("a"))
      yield* sql`UPDATE embedding_boxes SET content = '{' WHERE generation = ${generation}`
      yield* queue.dequeueBatch(1)
      expect(yield* attemptsOf(jobId)).toMatchObject([
        { attempt: 1, fault: "item", error: expect.stringMatching(/^the box cannot be read/) },
      ])
    }).pipe(withQueue, Effect.provide(quiet)),
  )

  it.effect("a failure of what was superseded meanwhile", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a", "old"))
      const claim = yield* claimOne
      const next = yield* queue.enqueue(note("a", "new"))
      expect((yield* queue.fail(claim, failure("item", "bad"))).outcome).toBe("superseded")
      expect(yield* attemptsOf(jobId)).toMatchObject([{ attempt: 1, error: "bad" }])
      expect(yield* attemptsOf(next.jobId)).toEqual([])
    }).pipe(withQueue),
  )

  it.effect("nothing of what ends well, is given back, cancelled or deleted", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"))
      yield* queue.release(yield* claimOne)
      yield* queue.complete(yield* claimOne)
      const { jobId } = yield* queue.enqueue(note("b"))
      yield* claimOne
      yield* queue.cancel(jobId)
      yield* queue.enqueue(note("c"))
      yield* claimOne
      yield* queue.deleteBoxes({ entityType: note("c").entityType, entityId: note("c").id })
      expect(yield* rowCount).toBe(0)
    }).pipe(withQueue),
  )
})

describe("how long it is kept", () => {
  it.effect("through another try, whose attempts are counted on", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"), { maxRetries: 0 })
      yield* queue.fail(yield* claimOne, failure("item", "first"))
      expect(yield* queue.retryFailed({ jobId })).toBe(1)
      yield* queue.fail(yield* claimOne, failure("item", "second"))
      const attempts = yield* attemptsOf(jobId)
      expect(attempts.map(({ attempt, error }) => [attempt, error])).toEqual([
        [1, "first"],
        [2, "second"],
      ])
    }).pipe(withQueue),
  )

  it.effect("the newest twenty of a job, and none of its neighbours' fewer", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const neighbour = yield* queue.enqueue(note("neighbour"), { priority: 1, maxRetries: 0 })
      yield* queue.fail(yield* claimOne, failure("item", "its own"))
      const { jobId } = yield* queue.enqueue(note("a"))
      yield* failTimes(27, (time) => `time ${time}`)
      const attempts = yield* attemptsOf(jobId)
      expect(attempts.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 20 }, (_, at) => at + 8))
      expect(attempts.at(-1)?.error).toBe("time 27")
      expect(yield* attemptsOf(neighbour.jobId)).toHaveLength(1)
    }).pipe(withQueue),
  )

  it.effect("as long as the job's receipt", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"))
      yield* failTimes(2, () => "no")
      yield* queue.complete(yield* claimOne)
      expect(yield* attemptsOf(jobId)).toHaveLength(2)
      yield* TestClock.adjust("1 millis")
      expect(yield* queue.cleanup(0)).toBe(1)
      expect(yield* rowCount).toBe(0)
    }).pipe(withQueue),
  )
})

describe("errors", () => {
  it.effect("are kept short and well-formed, with their count of crashes", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"))
      // Cutting by length alone would leave half of a pair at the end.
      yield* queue.fail(yield* claimOne, failure("host", `\ud800x${"🎈".repeat(5000)}`))
      const failed = yield* jobOf(jobId)
      expect(failed.lastError).toBe(`\ufffdx${"🎈".repeat(498)}…`)
      const page = "<html>".repeat(1000)
      yield* queue.crash([yield* claimOne], page)
      yield* queue.crash([yield* claimOne], page)
      const crashed = yield* jobOf(jobId)
      expect(crashed.lastError).toHaveLength(1000)
      expect(crashed.lastError).toMatch(/<html>.*… \(2 times by now\)$/)
      const attempts = yield* attemptsOf(jobId)
      expect(attempts.map(({ error }) => error.length)).toEqual([999, 1000, 1000])
      expect(attempts.at(0)?.error).toBe(failed.lastError)
      expect(attempts.at(-1)?.error).toBe(crashed.lastError)
    }).pipe(withQueue),
  )
})

describe("the transaction", () => {
  it.effect("is that of the transition: both are written, or neither is", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const storage = yield* Storage
      const { sql } = storage
      const { jobId } = yield* queue.enqueue(note("a"))
      const claim = yield* claimOne
      yield* Effect.ignore(
        storage.write(Effect.zipRight(queue.fail(claim, failure("item", "bad")), Effect.fail("undone"))),
      )
      expect(yield* attemptsOf(jobId)).toEqual([])
      yield* sql`CREATE TRIGGER refuse BEFORE INSERT ON embedding_attempts BEGIN SELECT RAISE(ABORT, 'no'); END`
      expect((yield* Effect.flip(queue.fail(claim, failure("item", "bad"))))._tag).toBe("StorageError")
      expect((yield* jobOf(jobId)).status).toBe("processing")
      yield* sql`DROP TRIGGER refuse`
      expect((yield* queue.fail(claim, failure("item", "bad"))).status).toBe("pending")
      expect(yield* attemptsOf(jobId)).toHaveLength(1)
    }).pipe(withQueue),
  )
})
