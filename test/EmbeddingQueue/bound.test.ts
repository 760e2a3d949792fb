import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { passTimeUntil, quiet, settle, system } from "../support.js"
import { note } from "./fixtures.js"

const withRoomFor = (maxWaiting: number) => Effect.provide(system({ queue: { maxWaiting } }))

const isRefused = Either.match({
  onLeft: (error: { readonly _tag: string }) => error._tag === "QueueFull",
  onRight: () => false,
})

const counts = Effect.gen(function* () {
  const { sql } = yield* Storage
  const [row] = yield* sql`SELECT
    (SELECT count(*) FROM embedding_queue) AS jobs, (SELECT count(*) FROM embedding_boxes) AS boxes,
    (SELECT count(*) FROM entity_texts) AS texts, (SELECT waiting FROM embedding_queue_state) AS waiting,
    (SELECT count(*) FROM embedding_queue WHERE lane IS NOT NULL) AS "inLine"`
  return row
})

describe("a queue with a bound", () => {
  it.effect("refuses what is beyond it, and stores nothing of that", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "one" })
      yield* service.createEntity({ id: "b", content: "two" })
      const before = yield* counts
      const error = yield* Effect.flip(service.createEntity({ id: "c", content: "three" }))
      expect(error).toMatchObject({ _tag: "QueueFull", waiting: 2, limit: 2 })
      expect(error.message).toBe("the queue is full: 2 boxes wait, at most 2 may")
      expect(yield* counts).toEqual(before)
      expect(yield* Effect.flip(service.getEntity("c"))).toMatchObject({ _tag: "EntityNotFound" })
    }).pipe(withRoomFor(2)),
  )

  it.effect("takes what makes it no longer: a new version of what waits, a write that changes nothing", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "one" })
      expect(yield* service.upsertEntity({ id: "a", content: "one" })).toMatchObject({ change: "unchanged" })
      expect(yield* service.upsertEntity({ id: "a", content: "new" })).toMatchObject({ change: "updated" })
      expect((yield* service.getEntity("a")).content).toBe("new")
      expect(yield* counts).toMatchObject({ waiting: 1, inLine: 1 })
    }).pipe(withRoomFor(1)),
  )

  it.effect("has room again once a job is in hand, and never refuses one that comes back", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.enqueue(note("a"))
      const [claim] = yield* queue.dequeueBatch(1)
      yield* queue.enqueue(note("b"))
      if (claim === undefined) return expect.fail("nothing was claimed")
      yield* queue.release(claim)
      expect(yield* counts).toMatchObject({ waiting: 2, inLine: 2 })
      expect(isRefused(yield* Effect.either(queue.enqueue(note("c"))))).toBe(true)
    }).pipe(withRoomFor(1)),
  )

  it.effect("of several that come at once, takes exactly as many as fit", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, i) => `n${i}`),
        (id) => Effect.either(service.createEntity({ id, content: id })),
        { concurrency: "unbounded" },
      )
      expect(outcomes.filter(isRefused)).toHaveLength(43)
      expect(yield* counts).toMatchObject({ waiting: 7, inLine: 7, boxes: 7, texts: 7 })
    }).pipe(withRoomFor(7)),
  )

  it.scoped("lets a bulk writer wait, and go on as room is made", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      const inputs = Array.from({ length: 25 }, (_, i) => ({ id: `n${i}`, content: `text ${i}` }))
      const writing = yield* Effect.fork(service.createEntities(inputs))
      yield* settle
      expect(yield* counts).toMatchObject({ waiting: 10 })
      expect(yield* Fiber.poll(writing)).toMatchObject({ _tag: "None" })
      const worked = new Set<string>()
      yield* passTimeUntil(
        Effect.gen(function* () {
          for (const claim of yield* queue.dequeueBatch(4)) {
            worked.add(claim.job.entityId)
            yield* queue.complete(claim)
          }
          return worked.size === 25
        }),
      )
      expect((yield* Fiber.join(writing)).every(Either.isRight)).toBe(true)
      expect(yield* counts).toMatchObject({ waiting: 0, inLine: 0 })
    }).pipe(withRoomFor(10)),
  )

  it.effect("lets nobody wait inside a transaction of his own, in which no worker could make room", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const storage = yield* Storage
      const inputs = ["a", "b", "c"].map((id) => ({ id, content: id }))
      const outcomes = yield* storage.write(service.createEntities(inputs))
      expect(outcomes.map(isRefused)).toEqual([false, true, true])
      expect(yield* counts).toMatchObject({ waiting: 1, boxes: 1 })
    }).pipe(withRoomFor(1)),
  )

  it.effect("says in the log that somebody waits, however often he does", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const said: Array<unknown> = []
      const listening = Logger.add(Logger.make(({ message }) => void said.push(message)))
      for (const id of ["a", "b", "c"]) {
        yield* queue.enqueue(note(id))
        const room = yield* Effect.fork(Effect.provide(queue.awaitRoom, listening))
        yield* TestClock.adjust("10 seconds")
        yield* queue.dequeueBatch(1)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(room)
      }
      expect(said).toEqual([["the queue is full: waiting until a worker has made room"]])
    }).pipe(withRoomFor(1), Effect.provide(quiet)),
  )

  it.effect("tells a caller who waits by himself when there is room", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.awaitRoom
      yield* queue.enqueue(note("a"))
      const room = yield* Effect.fork(queue.awaitRoom)
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.poll(room)).toMatchObject({ _tag: "None" })
      yield* queue.dequeueBatch(1)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(room)
    }).pipe(withRoomFor(1)),
  )
})
