import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { type EntityKey, EntityId, EntityType } from "../../src/Domain/Entity.js"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import type { JobChange } from "../../src/Domain/Job.js"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import * as EmbeddingWorker from "../../src/EmbeddingWorker.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { passTimeUntil, plainBackoff, quiet, settle, system } from "../support.js"

/**
 * A fresh system per test, and a scope that ends before it: a worker must not outlive its database. Faults that are
 * made on purpose are not logged.
 */
export const withSystem = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(effect).pipe(
    Effect.provide(system({ queue: { backoff: plainBackoff }, fake: { windowLength: 100 } })),
    Effect.provide(quiet),
  )

export const key = (entityId: string, entityType = "base"): EntityKey => ({
  entityType: EntityType.make(entityType),
  entityId: EntityId.make(entityId),
})

export const itemFault = new EmbeddingError({ fault: "item", reason: "bad text" })

/** A worker in the scope of the test. */
export const startWorker = Effect.zipRight(
  Layer.build(EmbeddingWorker.layerWith({ batchSize: 4, providerBackoff: Schedule.spaced("1 second") })),
  settle,
)

export const untilQuiet = passTimeUntil(
  Effect.gen(function* () {
    const { pending, processing } = yield* (yield* EmbeddingQueue).getStats
    return pending + processing === 0
  }),
)

/** Until nothing waits: everything that can be embedded is, everything else has failed. */
export const embedAll = Effect.scoped(Effect.zipRight(startWorker, untilQuiet))

/** An entity whose text the model refuses for good. */
export const createFailed = (id: string, content = `bad ${id}`) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    yield* (yield* FakeControl).failWhen((text) => text === content, itemFault)
    const receipt = yield* service.createEntityAsync({ id, content }, { maxRetries: 0 })
    yield* embedAll
    return receipt
  })

/** A worker that has this entity in hand and does not finish until `FakeControl.release`. */
export const createProcessing = (id: string, content: string) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const control = yield* FakeControl
    yield* control.hold
    yield* startWorker
    // Else a worker that still waits at the end of the test would drain in vain.
    yield* Effect.addFinalizer(() => control.release)
    const receipt = yield* service.createEntity({ id, content })
    yield* passTimeUntil(
      Effect.map(service.getEntity(id), ({ embedding }) => embedding.state === "processing"),
    )
    return receipt
  })

export const jobOf = (jobId: string) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    return (yield* Effect.flatten(queue.getJob(jobId))).job
  })

export const embeddedTexts = Effect.gen(function* () {
  return (yield* (yield* FakeControl).counters).embedded
})

/** Every vector that is stored, with what belongs to it. */
export const vectorRows = Effect.flatMap(
  Storage,
  ({ sql }) => sql<{
    readonly id: string
    readonly chunk: number
    readonly start: number
    readonly text: string
    readonly inputHash: string
    readonly vector: string
  }>`SELECT entity_id AS id, chunk, start, text, input_hash AS "inputHash", hex(vector) AS vector
    FROM entity_vectors ORDER BY entity_type, entity_id, chunk`,
)

/** How many rows every table has that may hold something of an entity. */
export const rowCounts = Effect.flatMap(
  Storage,
  ({ sql }) => sql`SELECT (SELECT count(*) FROM embedding_queue) AS jobs,
    (SELECT count(*) FROM embedding_boxes) AS boxes, (SELECT count(*) FROM entities) AS entities,
    (SELECT count(*) FROM entity_vectors) AS vectors, (SELECT count(*) FROM entity_texts) AS texts,
    (SELECT count(*) FROM entity_fulltext) AS fulltext`,
).pipe(Effect.map((rows) => rows[0]))

/** Ids found by words alone. */
export const idsByWords = (question: string) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const { results } = yield* service.search(question, { mode: "lexical" })
    return results.map((result): string => result.entityId)
  })

/** The changes that are told from now on, in an array that grows. */
export const listen = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const heard: Array<JobChange> = []
  const changes = yield* queue.subscribe
  yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => heard.push(change))))
  return heard
})
