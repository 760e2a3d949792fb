import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import * as EmbeddingWorker from "../../src/EmbeddingWorker.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { passTimeUntil, plainBackoff, quiet, system } from "../support.js"

export const withSystem = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    // The worker ends before the database it works on.
    Effect.scoped,
    Effect.provide(system({ queue: { backoff: plainBackoff, leaseMillis: 30_000 } })),
    Effect.provide(quiet),
  )

/** A worker that ends when `stop` is run, or with the test. */
export const startWorker = (settings: Partial<EmbeddingWorker.Settings> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (life) => Scope.close(life, Exit.void))
    const worker = yield* Scope.extend(
      EmbeddingWorker.make({
        // The backstop would make every hour of test time thousands of looks; what wakes it is under test.
        pollInterval: "1 hour",
        providerBackoff: Schedule.spaced("2 seconds"),
        ...settings,
      }),
      scope,
    )
    return { worker, stop: Scope.close(scope, Exit.void) }
  })

/** Until no job waits or is in hand. */
export const untilQuiet = passTimeUntil(
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const stats = yield* queue.getStats
    return stats.pending + stats.processing === 0
  }),
)

/** Notes of this content, by id. */
export const createNotes = (contents: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    return yield* Effect.forEach(Object.entries(contents), ([id, content]) =>
      service.createEntity({ id, content }),
    )
  })

/** What the tables hold of each entity. */
export const storedRows = Effect.gen(function* () {
  const { sql } = yield* Storage
  return yield* sql<{ readonly id: string; readonly content: string; readonly chunks: number }>`
    SELECT entity_id AS id, content,
      (SELECT count(*) FROM entity_vectors AS v
        WHERE v.entity_type = e.entity_type AND v.entity_id = e.entity_id) AS chunks
    FROM entities AS e ORDER BY entity_id`
})

export const storedIds = Effect.map(storedRows, (rows) => rows.map((row) => row.id))

export const control = FakeControl
