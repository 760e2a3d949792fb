import { expect, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { passTimeUntil, plainBackoff, quiet, settle, system } from "../support.js"
import { startWorker, storedIds } from "../EmbeddingWorker/fixtures.js"
import { EntityService } from "../../src/EntityService.js"
import { note } from "./fixtures.js"

const day = 24 * 60 * 60 * 1000

/** A wall clock that can be set, beside the test's clock, which only runs forward. */
const withWallClock = <A, E, R>(
  test: (setBy: (millis: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>,
) =>
  Effect.gen(function* () {
    const offset = yield* Ref.make(0)
    const steady = yield* Effect.clock
    const now = () => steady.unsafeCurrentTimeMillis() + Effect.runSync(Ref.get(offset))
    // All else of the test's clock stays: its adjustments must reach it.
    const clock: Clock.Clock = Object.create(steady, {
      unsafeCurrentTimeMillis: { value: now },
      currentTimeMillis: { value: Effect.sync(now) },
    })
    yield* TestClock.setTime(30 * day)
    return yield* test((millis) => Ref.update(offset, (before) => before + millis)).pipe(
      Effect.scoped,
      Effect.provide(system({ queue: { backoff: plainBackoff, leaseMillis: 30_000 } })),
      Effect.provide(quiet),
      Effect.withClock(clock),
    )
  })

const claimOne = Effect.gen(function* () {
  const [claim] = yield* (yield* EmbeddingQueue).dequeueBatch(1)
  return claim ?? (yield* Effect.dieMessage("nothing was claimed"))
})

describe("a clock that is set back by a day", () => {
  it.effect("does not strand a job that waits for its next attempt", () =>
    withWallClock((setBy) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* queue.enqueue(note("a"))
        yield* queue.fail(yield* claimOne, new EmbeddingError({ fault: "item", reason: "odd" }))
        yield* TestClock.adjust("400 millis")
        yield* setBy(-day)
        yield* queue.reclaim
        expect(yield* queue.dequeueBatch(1)).toEqual([])
        // It had a second to wait, and waits no longer than that again.
        yield* TestClock.adjust("1 second")
        expect((yield* claimOne).job.retryCount).toBe(1)
      }),
    ),
  )

  it.effect("does not strand what a silent worker held: its lease lasts as long as before", () =>
    withWallClock((setBy) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* queue.enqueue(note("a"))
        const lost = yield* claimOne
        yield* TestClock.adjust("10 seconds")
        yield* setBy(-day)
        expect(yield* queue.reclaim).toBe(0)
        yield* TestClock.adjust("29 seconds")
        expect(yield* queue.reclaim).toBe(0)
        yield* TestClock.adjust("2 seconds")
        expect(yield* queue.reclaim).toBe(1)
        expect(yield* Effect.flip(queue.complete(lost))).toMatchObject({ _tag: "ClaimLost" })
      }),
    ),
  )

  it.effect("takes nothing from a worker that lives", () =>
    withWallClock((setBy) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* queue.enqueue(note("a"))
        const claim = yield* claimOne
        yield* setBy(-day)
        for (let beat = 0; beat < 10; beat++) {
          yield* TestClock.adjust("10 seconds")
          yield* queue.reclaim
          expect(yield* queue.renew([claim])).toEqual([])
        }
        expect(yield* queue.complete(claim)).toMatchObject({ status: "completed", crashCount: 0 })
      }),
    ),
  )

  it.effect("does not prolong the wait for a provider that is down", () =>
    withWallClock((setBy) =>
      Effect.gen(function* () {
        const fake = yield* FakeControl
        const service = yield* EntityService
        yield* fake.failNext(new EmbeddingError({ fault: "provider", reason: "down" }), 1)
        yield* startWorker({ pollInterval: "100 millis" })
        yield* service.createEntity({ id: "a", content: "text" })
        yield* passTimeUntil(Effect.map(fake.counters, ({ calls }) => calls === 1))
        yield* setBy(-day)
        yield* passTimeUntil(
          Effect.map(storedIds, (ids) => ids.length === 1),
          40,
        )
      }),
    ),
  )
})

describe("a clock that is set forward by an hour, as when a laptop wakes", () => {
  const hour = 60 * 60 * 1000

  it.effect("takes nothing from a worker that lives, and counts no crash", () =>
    withWallClock((setBy) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* queue.enqueue(note("a"))
        const claim = yield* claimOne
        yield* queue.reclaim
        yield* TestClock.adjust("5 seconds")
        yield* setBy(hour)
        expect(yield* queue.reclaim).toBe(0)
        yield* TestClock.adjust("5 seconds")
        expect(yield* queue.reclaim).toBe(0)
        expect(yield* queue.renew([claim])).toEqual([])
        yield* TestClock.adjust("29 seconds")
        expect(yield* queue.reclaim).toBe(0)
        expect(yield* queue.complete(claim)).toMatchObject({ status: "completed", crashCount: 0 })
      }),
    ),
  )

  it.effect("still takes back what a silent worker holds, a lease later", () =>
    withWallClock((setBy) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* queue.enqueue(note("a"))
        yield* claimOne
        yield* setBy(hour)
        expect(yield* queue.reclaim).toBe(0)
        yield* TestClock.adjust("31 seconds")
        expect(yield* queue.reclaim).toBe(1)
      }),
    ),
  )

  it.effect("does not embed a job twice", () =>
    withWallClock((setBy) =>
      Effect.gen(function* () {
        const fake = yield* FakeControl
        const queue = yield* EmbeddingQueue
        const service = yield* EntityService
        yield* fake.hold
        yield* startWorker({ pollInterval: "100 millis", heartbeatInterval: "10 seconds" })
        yield* service.createEntity({ id: "a", content: "text" })
        yield* passTimeUntil(Effect.map(fake.counters, ({ calls }) => calls === 1))
        yield* setBy(hour)
        for (let pass = 0; pass < 12; pass++) {
          yield* queue.reclaim
          yield* TestClock.adjust("5 seconds")
          yield* settle
        }
        yield* fake.release
        yield* passTimeUntil(Effect.map(storedIds, (ids) => ids.length === 1))
        expect((yield* fake.counters).calls).toBe(1)
      }),
    ),
  )
})
