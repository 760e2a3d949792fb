import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { EntityAdapter, EntityService, EmbeddingQueue } from "embedbox"
import { FakeEmbedder, Faults, TestShell } from "embedbox/testing"
import { settle } from "../support.js"

const saved = (id: string, options = {}) =>
  Effect.flatMap(EntityService.EntityService, (entities) =>
    Effect.map(entities.createEntityAsync({ id, content: `text ${id}` }, options), ({ jobId }) => jobId),
  )

const statusOf = (id: string) =>
  Effect.flatMap(EmbeddingQueue.EmbeddingQueue, (queue) =>
    Effect.map(Effect.flatten(queue.getStatusByEntityId(id)), ({ job }) => job),
  )

describe("a shell for tests", () => {
  it.effect("is emptied without sleeping, in the test's own time", () =>
    Effect.gen(function* () {
      yield* saved("a")
      yield* TestShell.drain()
      assert.strictEqual((yield* statusOf("a")).outcome, "stored")
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      const entities = yield* EntityService.EntityService
      const { results } = yield* entities.search("text")
      assert.strictEqual(results.length, 1)
    }).pipe(Effect.provide(TestShell.layer)),
  )

  it.effect("goes through backoffs, outages and crashes of the model", () =>
    Effect.gen(function* () {
      const fake = yield* FakeEmbedder.FakeControl
      yield* fake.failNext(Faults.provider("down", 60_000), 2)
      yield* saved("outage")
      yield* TestShell.drain()
      const now = yield* Clock.currentTimeMillis
      assert.isAtLeast(now, 120_000)
      assert.deepInclude(yield* statusOf("outage"), { outcome: "stored", retryCount: 0, crashCount: 0 })

      yield* fake.failNext(Faults.item(), 2)
      yield* saved("item")
      yield* TestShell.drain()
      assert.deepInclude(yield* statusOf("item"), { outcome: "stored", retryCount: 2 })

      yield* fake.failNext(Faults.crash())
      yield* saved("crash")
      yield* TestShell.drain()
      assert.deepInclude(yield* statusOf("crash"), { outcome: "stored", retryCount: 0, crashCount: 1 })

      yield* fake.failNext(Faults.host())
      yield* saved("host")
      yield* TestShell.drain()
      assert.deepInclude(yield* statusOf("host"), { outcome: "stored", retryCount: 0, crashCount: 0 })

      yield* fake.failWhen((text) => text.includes("poison"), Faults.item("poison"))
      yield* saved("poison", { maxRetries: 2 })
      yield* TestShell.drain()
      assert.deepInclude(yield* statusOf("poison"), {
        outcome: "exhausted",
        lastError: "poison",
        retryCount: 2,
      })
    }).pipe(Effect.provide(TestShell.layer)),
  )

  it.effect("goes through hours of an outage in a moment", () =>
    Effect.gen(function* () {
      const fake = yield* FakeEmbedder.FakeControl
      const queue = yield* EmbeddingQueue.EmbeddingQueue
      yield* fake.failNext(Faults.provider("the model is down", 20 * 60_000), 6)
      yield* saved("a")
      let looks = 0
      const counting = EmbeddingQueue.EmbeddingQueue.of({
        ...queue,
        getStats: Effect.zipRight(
          Effect.sync(() => looks++),
          queue.getStats,
        ),
      })
      yield* Effect.provideService(TestShell.drain("3 hours"), EmbeddingQueue.EmbeddingQueue, counting)
      assert.isAtLeast(yield* Clock.currentTimeMillis, 7_200_000)
      assert.deepInclude(yield* statusOf("a"), { outcome: "stored", retryCount: 0, crashCount: 0 })
      // Each look takes turns of the event loop: in steps of ten seconds it would be hundreds.
      assert.isBelow(looks, 60)
    }).pipe(Effect.provide(TestShell.layer)),
  )

  it.effect("takes back what a killed worker had in hand", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue.EmbeddingQueue
      yield* queue.pause
      yield* saved("a")
      // The worker, whom the note has woken, sees that the queue is paused, and lies down again.
      yield* settle
      yield* queue.resume
      const [job] = yield* TestShell.abandon()
      assert.strictEqual(job?.entityId, "a")
      yield* TestShell.drain()
      assert.isAtLeast(yield* Clock.currentTimeMillis, 30_000)
      assert.deepInclude(yield* statusOf("a"), { outcome: "stored", crashCount: 1 })
    }).pipe(Effect.provide(TestShell.layer)),
  )

  it.effect("says why it is not empty when it never will be", () =>
    Effect.gen(function* () {
      yield* saved("a")
      const queue = yield* EmbeddingQueue.EmbeddingQueue
      yield* queue.pause
      const exit = yield* Effect.exit(TestShell.drain("10 minutes"))
      assert.strictEqual(yield* Clock.currentTimeMillis, 600_000)
      assert.match(
        exit._tag === "Failure" ? Cause.pretty(exit.cause) : "",
        /after 10m of the test's time \(atMost\) 1 job still pending, 0 in hand: the queue is paused/,
      )
    }).pipe(Effect.provide(TestShell.layerWithoutWorker)),
  )

  it.effect("takes settings, and none from the environment", () =>
    Effect.gen(function* () {
      yield* saved("a")
      assert.isTrue(Either.isLeft(yield* Effect.either(saved("b"))))
    }).pipe(Effect.provide(TestShell.layerWithoutWorkerWith({ settings: { maxWaiting: "1" } }))),
  )

  it.effect("has the host's types of entities", () =>
    Effect.gen(function* () {
      const entities = yield* EntityService.EntityService
      const refused = yield* Effect.flip(entities.createEntity({ entityType: "zebra", content: "x" }))
      assert.include(refused.message, '"zebra" is not known here: known are person')
    }).pipe(
      Effect.provide(
        TestShell.layerWithoutWorkerWith({
          entityTypes: [
            EntityAdapter.make({
              entityType: "person",
              schema: Schema.Struct({ name: Schema.String, content: Schema.String }),
            }),
          ],
        }),
      ),
    ),
  )
})
