import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EntityId, EntityType } from "../../src/Domain/Entity.js"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import * as Queue from "../../src/EmbeddingQueue.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { plainBackoff, temporaryDatabase } from "../support.js"
import { claimOne, drainIds, idOf, jobOf, note, withQueue } from "./fixtures.js"

const itemFault = new EmbeddingError({ fault: "item", reason: "bad text" })

/** Claims everything, then lets every lease lapse and takes it back. */
const crash = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const claims = yield* queue.dequeueBatch(100)
  yield* TestClock.adjust("31 seconds")
  const taken = yield* queue.reclaim
  return { ids: claims.map((claim) => claim.content.id as string), taken }
})

describe("reclaim", () => {
  it.effect(
    "a lease that is renewed is never reclaimed; one that lapsed counts a crash, not an attempt",
    () =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        const { jobId } = yield* queue.enqueue(note("a"))
        const claim = yield* claimOne
        for (let i = 0; i < 10; i++) {
          yield* TestClock.adjust("20 seconds")
          expect(yield* queue.renew([claim])).toEqual([])
          expect(yield* queue.reclaim).toBe(0)
        }
        yield* TestClock.adjust("31 seconds")
        expect(yield* queue.reclaim).toBe(1)
        expect(yield* jobOf(jobId)).toMatchObject({ status: "pending", retryCount: 0, crashCount: 1 })
      }).pipe(withQueue),
  )

  it.effect("what was in hand when a worker died is claimed alone; only the guilty one ends as failed", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const poison = yield* queue.enqueue(note("poison"), { maxRetries: 1 })
      yield* queue.enqueue(note("innocent"))
      yield* queue.enqueue(note("bystander"))
      expect(yield* crash).toEqual({ ids: ["poison", "innocent", "bystander"], taken: 3 })
      yield* queue.enqueue(note("fresh"))
      // From now on alone; the innocent ones are done at their first try.
      const alone: Array<string> = []
      for (let i = 0; i < 4; i++) {
        const claims = yield* queue.dequeueBatch(100)
        expect(claims.length).toBeLessThanOrEqual(1)
        const [claim] = claims
        if (claim === undefined) break
        alone.push(claim.content.id)
        if (claim.suspect === false || claim.content.id !== "poison") yield* queue.complete(claim)
      }
      expect(alone).toEqual(["poison", "innocent", "bystander", "fresh"])
      yield* TestClock.adjust("31 seconds")
      expect(yield* queue.reclaim).toBe(1)
      expect(yield* jobOf(poison.jobId)).toMatchObject({
        status: "failed",
        outcome: "exhausted",
        crashCount: 2,
      })
      expect((yield* Effect.flatten(queue.getJob(poison.jobId))).content).toEqual(note("poison"))
      expect(yield* queue.getStats).toEqual({ pending: 0, processing: 0, failed: 1, completed: 3 })
    }).pipe(withQueue),
  )

  it.effect("a job that is the only one in hand at maxRetries + 1 crashes ends as failed", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { jobId } = yield* queue.enqueue(note("a"), { maxRetries: 2 })
      for (const crashCount of [1, 2, 3]) {
        yield* TestClock.adjust("1 minute")
        expect((yield* crash).taken).toBe(1)
        expect(yield* jobOf(jobId)).toMatchObject({
          status: crashCount < 3 ? "pending" : "failed",
          crashCount,
        })
      }
    }).pipe(withQueue),
  )

  it.effect("a suspect waits longer after each crash", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"), { maxRetries: 9 })
      yield* crash
      expect((yield* crash).ids).toEqual(["a"])
      expect(idOf(yield* queue.dequeue)).toBe(undefined)
      yield* TestClock.adjust("1 second")
      expect(idOf(yield* queue.dequeue)).toBe("a")
    }).pipe(withQueue),
  )

  it.effect("suspects can be left in their lane", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("suspect"))
      yield* crash
      yield* queue.enqueue(note("fresh"))
      const claims = yield* queue.dequeueBatch(10, { suspects: false })
      expect(claims.map((claim) => claim.content.id)).toEqual(["fresh"])
      expect((yield* queue.workAhead).suspect).toBe(true)
    }).pipe(withQueue),
  )

  it.scoped("jobs of a process that is gone are free at once, without waiting for the lease", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      const store = yield* Layer.build(Sqlite.layer({ filename }))
      const open = Effect.provide(
        Queue.make({ schema: Schema.Struct({ id: Schema.String }), key: keyOfId }),
        store,
      )
      const firstLife = yield* Scope.make()
      const first = yield* Scope.extend(open, firstLife)
      yield* first.enqueue({ id: "a" })
      expect(Option.isSome(yield* first.dequeue)).toBe(true)
      const second = yield* open
      expect(yield* second.reclaim).toBe(0)
      yield* Scope.close(firstLife, Exit.void)
      expect(yield* second.reclaim).toBe(1)
      expect(Option.isSome(yield* second.dequeue)).toBe(true)
    }),
  )

  it.effect("resetStuckJobs frees only what is long in hand and whose lease has lapsed", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("renewed"))
      yield* queue.enqueue(note("stuck"))
      const [renewed] = yield* queue.dequeueBatch(2)
      yield* TestClock.adjust("5 minutes")
      if (renewed) yield* queue.renew([renewed])
      expect(yield* queue.resetStuckJobs()).toBe(0)
      yield* TestClock.adjust("1 millis")
      expect(yield* queue.resetStuckJobs(600_000)).toBe(0)
      expect(yield* queue.resetStuckJobs()).toBe(1)
      const claim = yield* claimOne
      expect(claim.content.id).toBe("stuck")
      expect(claim.job.crashCount).toBe(1)
    }).pipe(withQueue),
  )
})

describe("failed jobs", () => {
  it.effect("retryFailed puts them in line with fresh counters: all, by type, or one", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const jobs = yield* Effect.forEach([note("a"), note("b"), note("c", "text", "person")], (content) =>
        queue.enqueue(content, { maxRetries: 0 }),
      )
      yield* Effect.forEach(yield* queue.dequeueBatch(3), (claim) => queue.fail(claim, itemFault))
      expect((yield* queue.failedBoxes()).map((box) => box.content.id)).toHaveLength(3)
      expect(yield* queue.retryFailed({ jobId: jobs[0]?.jobId })).toBe(1)
      expect(yield* queue.retryFailed({ entityType: "person" })).toBe(1)
      expect(yield* queue.retryFailed()).toBe(1)
      expect(yield* queue.retryFailed()).toBe(0)
      expect(yield* drainIds).toEqual(["a", "b", "c"])
    }).pipe(withQueue),
  )

  it.effect("retryFailed leaves what was cancelled, unless it is asked for by its outcome or its id", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const cancelled = yield* Effect.forEach(["a", "b"], (id) => queue.enqueue(note(id)))
      yield* Effect.forEach(cancelled, ({ jobId }) => queue.cancel(jobId))
      yield* queue.enqueue(note("c"), { maxRetries: 0 })
      yield* queue.fail(yield* claimOne, itemFault)
      expect(yield* queue.retryFailed({ entityType: "base", outcome: undefined })).toBe(1)
      expect(yield* drainIds).toEqual(["c"])
      expect(yield* queue.retryFailed({ jobId: cancelled[1]?.jobId })).toBe(1)
      expect(yield* queue.retryFailed({ outcome: "cancelled" })).toBe(1)
      expect(yield* queue.retryFailed({ jobId: "nobody" })).toBe(0)
      expect(yield* drainIds).toEqual(["a", "b"])
    }).pipe(withQueue),
  )

  it.effect("a write over a failed box supersedes it", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const old = yield* queue.enqueue(note("a", "bad"), { maxRetries: 0 })
      yield* queue.fail(yield* claimOne, itemFault)
      yield* queue.enqueue(note("a", "good"))
      expect(yield* jobOf(old.jobId)).toMatchObject({ status: "completed", outcome: "superseded" })
      expect((yield* claimOne).content.content).toBe("good")
    }).pipe(withQueue),
  )

  it.effect("cancel stops the work and keeps the entity; what has ended stays as it ended", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const pending = yield* queue.enqueue(note("pending"))
      expect(yield* queue.cancel(pending.jobId)).toMatchObject({ status: "failed", outcome: "cancelled" })
      const busy = yield* queue.enqueue(note("busy"))
      const claim = yield* claimOne
      yield* queue.cancel(busy.jobId)
      expect((yield* Effect.flip(queue.complete(claim)))._tag).toBe("ClaimLost")
      expect((yield* queue.failedBoxes()).map((box) => box.content)).toEqual([note("pending"), note("busy")])
      const done = yield* queue.enqueue(note("done"))
      yield* queue.complete(yield* claimOne)
      expect(yield* queue.cancel(done.jobId)).toMatchObject({ status: "completed", outcome: "stored" })
      expect((yield* Effect.flip(queue.cancel("nobody")))._tag).toBe("JobNotFound")
    }).pipe(withQueue),
  )

  it.effect("cancelling what is in hand while a newer version waits supersedes it", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const old = yield* queue.enqueue(note("a", "old"))
      yield* claimOne
      const young = yield* queue.enqueue(note("a", "new"))
      expect(yield* queue.cancel(old.jobId)).toMatchObject({ outcome: "superseded", successor: young.jobId })
      expect((yield* claimOne).content.content).toBe("new")
    }).pipe(withQueue),
  )
})

describe("asking and cleaning", () => {
  it.effect("cleanup removes completed jobs of that age, and nothing that lives", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      for (const id of ["a", "b"]) {
        yield* queue.enqueue(note(id))
        yield* queue.complete(yield* claimOne)
        yield* TestClock.adjust("1 hour")
      }
      yield* queue.enqueue(note("failed"), { maxRetries: 0 })
      yield* queue.fail(yield* claimOne, itemFault)
      yield* queue.enqueue(note("pending"))
      yield* TestClock.adjust("90 minutes")
      expect(yield* queue.cleanup(3 * 3_600_000)).toBe(1)
      expect(yield* queue.getStats).toEqual({ pending: 1, processing: 0, failed: 1, completed: 1 })
      expect(yield* queue.cleanup(0)).toBe(1)
      expect(yield* queue.getStats).toEqual({ pending: 1, processing: 0, failed: 1, completed: 0 })
    }).pipe(withQueue),
  )

  it.effect("the status of an entity is that of its newest job; an id of several types wants its type", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a", "v1"))
      yield* queue.complete(yield* claimOne)
      const newest = yield* queue.enqueue(note("a", "v2"))
      const item = yield* Effect.flatten(queue.getStatusByEntityId("a"))
      expect(item.job.jobId).toBe(newest.jobId)
      expect(item.content).toEqual(note("a", "v2"))
      yield* queue.enqueue(note("a", "other", "person"))
      const error = yield* Effect.flip(queue.getStatusByEntityId("a"))
      expect(error).toMatchObject({ _tag: "AmbiguousEntityId", entityTypes: ["base", "person"] })
      const person = yield* Effect.flatten(queue.getStatusByEntityId("a", "person"))
      expect(person.content?.content).toBe("other")
      expect(Option.isNone(yield* queue.getStatusByEntityId("nobody"))).toBe(true)
    }).pipe(withQueue),
  )

  it.effect("deleteBoxes ends and empties every box of a key", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const busy = yield* queue.enqueue(note("a", "v1"))
      const claim = yield* claimOne
      const waiting = yield* queue.enqueue(note("a", "v2"))
      const key = { entityType: note("a").entityType, entityId: note("a").id }
      expect(yield* queue.deleteBoxes(key)).toBe(2)
      for (const { jobId } of [busy, waiting]) {
        const item = yield* Effect.flatten(queue.getJob(jobId))
        expect(item.content).toBe(undefined)
        expect(item.job).toMatchObject({ status: "completed", outcome: "deleted" })
      }
      expect((yield* Effect.flip(queue.complete(claim)))._tag).toBe("ClaimLost")
    }).pipe(withQueue),
  )

  it.effect("paused, nothing is claimed, by anyone; what is in hand goes on", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("in hand"))
      const claim = yield* claimOne
      yield* queue.enqueue(note("waiting"))
      yield* queue.pause
      expect((yield* queue.workAhead).paused).toBe(true)
      expect(yield* drainIds).toEqual([])
      yield* queue.complete(claim)
      yield* queue.resume
      expect(yield* drainIds).toEqual(["waiting"])
    }).pipe(withQueue),
  )
})

const keyOfId = ({ id }: { readonly id: string }) => ({
  entityType: EntityType.make("thing"),
  entityId: EntityId.make(id),
})

it.scoped("the queue boxes anything that has a Schema and a key", () =>
  Effect.gen(function* () {
    const Thing = Schema.Struct({ id: Schema.String, at: Schema.BigInt })
    const queue = yield* Queue.make({ schema: Thing, key: keyOfId }, { backoff: plainBackoff })
    const thing = { id: "x", at: 12345678901234567890n }
    yield* queue.enqueue(thing)
    const claim = yield* Effect.flatten(queue.dequeue)
    expect(claim.content).toEqual(thing)
  }).pipe(Effect.provide(Sqlite.layer({ filename: ":memory:" }))),
)
