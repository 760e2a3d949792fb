/**
 * What is compared after every step: every row of the queue and of the entities with the model's, what readers and
 * holders of receipts are told, which words find what, and the invariants of the design, which know no model.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { contentHash } from "../../src/Domain/Hash.js"
import * as Fake from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { termsOf } from "../../src/Domain/Words.js"
import { EntityRepository } from "../../src/EntityRepository.js"
import { EntityService, type EntityView } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { checkInvariants } from "../invariants.js"
import type { Machine } from "./Machine.js"
import { type Key, type Model, nameOf, poison } from "./Model.js"
import { keys } from "./Operations.js"
import { fakeOptions } from "./World.js"

const jobRows = Effect.flatMap(
  Storage,
  ({ sql }) => sql`SELECT job_id AS "jobId", entity_type || '/' || entity_id AS key, generation, status, lane,
      outcome, successor, priority, line, scheduled_for AS "scheduledFor", max_retries AS "maxRetries",
      retry_count AS "retryCount", crash_count AS "crashCount", attempt_token AS token, lease_until AS "leaseUntil",
      completed_at AS "completedAt"
    FROM embedding_queue ORDER BY generation`,
)

const expectedJobs = (model: Model) =>
  [...model.jobs.values()]
    .toSorted((a, b) => a.generation - b.generation)
    .map(({ claimedAt: _at, key, owner: _owner, touchedAt: _touched, version: _version, ...job }) => ({
      ...job,
      key: nameOf(key),
    }))

const entityRows = Effect.flatMap(
  Storage,
  ({ sql }) => sql`SELECT entity_type || '/' || entity_id AS key, generation, job_id AS "jobId", content
    FROM entities ORDER BY entity_type, entity_id`,
)

const expectedEntities = (model: Model) =>
  keys.flatMap((key) => {
    const row = model.rows.get(nameOf(key))
    if (row === undefined) return []
    const { generation, jobId, version } = row
    return [{ key: nameOf(key), generation, jobId, content: version.content }]
  })

const shown = ({ embedding: { jobId, state }, ...entity }: EntityView) => ({ ...entity, state, jobId })

const expectedView = (model: Model, key: Key) => {
  const found = model.read(key)
  if (found === undefined) return undefined
  const { content, metadata } = found.version
  return {
    ...found.version,
    entityType: key.type,
    id: key.id,
    contentHash: contentHash(content, metadata),
    state: found.state,
    jobId: found.jobId,
  }
}

const words = ["alpha", "beta", "gamma", poison]

/** Fails where the product is not what the model says, or breaks what always holds. `step` chooses what is asked. */
export const compare = ({ inside, model, receipts }: Machine, step: number, after: string) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const queue = yield* EmbeddingQueue
    const repository = yield* EntityRepository

    const { violations } = yield* checkInvariants({ vectorOf: (text) => Fake.vectorOf(text, fakeOptions) })
    expect(violations, `invariants ${after}`).toEqual([])
    expect(yield* jobRows, `jobs ${after}`).toEqual(expectedJobs(model))
    expect(yield* entityRows, `stored rows ${after}`).toEqual(expectedEntities(model))

    const listed = yield* service.listEntities()
    expect(listed.map(shown), `the overlay ${after}`).toEqual(
      keys.flatMap((key) => expectedView(model, key) ?? []),
    )
    const key = keys[step % keys.length]
    if (key !== undefined) {
      const found = yield* Effect.option(service.getEntity(key.id, key.type))
      expect(Option.getOrUndefined(Option.map(found, shown)), `${nameOf(key)} ${after}`).toEqual(
        expectedView(model, key),
      )
    }

    const receipt = receipts[step % Math.max(1, receipts.length)]
    if (receipt !== undefined) {
      const status = Option.map(yield* service.getAsyncJobStatus(receipt), ({ entityId, status }) => ({
        entityId,
        status,
      }))
      expect(Option.getOrUndefined(status), `receipt ${receipt} ${after}`).toEqual(model.status(receipt))
    }

    const standing = [...model.jobs.values()].map((job) => job.status)
    const count = (status: string) => standing.filter((other) => other === status).length
    expect(yield* queue.getStats, `statistics ${after}`).toEqual({
      pending: count("pending"),
      processing: count("processing"),
      failed: count("failed"),
      completed: count("completed"),
    })

    const word = words[step % words.length] ?? poison
    const found = yield* repository.searchText(termsOf(word), { filter: {}, limit: 10 })
    expect(
      found.map(({ entityId, entityType }) => `${entityType}/${entityId}`).toSorted(),
      `"${word}" ${after}`,
    ).toEqual(keys.filter((key) => model.read(key)?.version.content.includes(word)).map(nameOf))
  }).pipe(Effect.orDie, inside)

/** After a well-behaved end: every entity is stored with its newest text, but those whose text is refused. */
export const compareEnd = ({ inside, model }: Machine) =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    const stored = yield* sql<{ readonly key: string; readonly content: string }>`
      SELECT entity_type || '/' || entity_id AS key, content FROM entities
      WHERE NOT EXISTS (SELECT 1 FROM embedding_queue AS job WHERE job.status <> 'completed'
        AND job.entity_type = entities.entity_type AND job.entity_id = entities.entity_id)
      ORDER BY entity_type, entity_id`
    const readable = keys.flatMap((key) => {
      const content = model.read(key)?.version.content
      return content === undefined ? [] : [{ key: nameOf(key), content }]
    })
    expect(stored, "stored in the end").toEqual(readable.filter(({ content }) => content !== poison))
    const boxes = yield* sql`SELECT entity_type || '/' || entity_id AS key,
        json_extract(content, '$.content') AS content, status
      FROM embedding_queue JOIN embedding_boxes USING (generation) ORDER BY entity_type, entity_id`
    expect(boxes, "boxes in the end").toEqual(
      readable
        .filter(({ content }) => content === poison)
        .map((refused) => ({ ...refused, status: "failed" })),
    )
  }).pipe(Effect.orDie, inside)
