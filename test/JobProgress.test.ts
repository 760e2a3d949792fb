import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { EmbeddingError } from "../src/Domain/Errors.js"
import { EmbeddingQueue } from "../src/EmbeddingQueue.js"
import { EntityService } from "../src/EntityService.js"
import * as JobProgress from "../src/JobProgress.js"
import { system } from "./support.js"

const create = (id: string, maxRetries?: number) =>
  Effect.flatMap(EntityService, (service) =>
    service.createEntityAsync({ id, content: `# ${id}` }, { maxRetries }),
  )

const claimed = Effect.flatMap(EmbeddingQueue, (queue) => Effect.flatten(queue.dequeue))

describe("JobProgress", () => {
  it.scoped("hears of ends and finds those that came before it", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const early = yield* create("early")
      yield* queue.complete(yield* claimed)

      const tracker = yield* JobProgress.make({ every: "1 second" })
      const late = yield* create("late")
      const bad = yield* create("bad", 0)
      for (const { jobId } of [early, late, bad, bad]) yield* tracker.add(jobId)
      assert.deepStrictEqual(yield* tracker.progress, { total: 3, done: 0, failed: 0 })

      const ending = yield* Effect.fork(tracker.finished)
      yield* queue.complete(yield* claimed)
      yield* queue.fail(yield* claimed, new EmbeddingError({ fault: "item", reason: "cannot be read" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(ending), [
        { entityType: "base", entityId: "bad", jobId: bad.jobId, reason: "cannot be read" },
      ])
      assert.deepStrictEqual(yield* tracker.progress, { total: 3, done: 2, failed: 1 })
    }).pipe(Effect.provide(system())),
  )

  it.scoped("counts a job that was superseded as done, and one it never heard of too", () =>
    Effect.gen(function* () {
      const tracker = yield* JobProgress.make({ every: "1 second" })
      const { jobId } = yield* create("a")
      yield* tracker.add(jobId)
      yield* tracker.add("cleaned up long ago")
      yield* Effect.flatMap(EntityService, (service) => service.upsertEntity({ id: "a", content: "newer" }))
      assert.deepStrictEqual(yield* tracker.finished, [])
      assert.deepStrictEqual(yield* tracker.progress, { total: 2, done: 2, failed: 0 })
    }).pipe(Effect.provide(system())),
  )
})
