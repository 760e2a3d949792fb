/**
 * What can be mended without deciding anything for the user: what is derived is removed where its source is gone,
 * and made anew where its source is there. Boxes and entities are sources, and are never touched. Candidates are
 * sought without a lock, a batch at a time; whether each is still one is asked again in the short transaction that
 * mends it, so a worker loses neither time nor what it has just stored.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EntityId, type EntityKey, EntityType } from "../Domain/Entity.js"
import type { StorageError } from "../Domain/Errors.js"
import type { EmbeddingQueue } from "../EmbeddingQueue.js"
import type { EntityRepository } from "../EntityRepository.js"
import type { LowLevelError, Storage } from "../Storage.js"
import { newest } from "./Rules.js"

/** Rows that one transaction removes. */
const batch = 200

/** Keys that are sought at once; each is mended in a transaction of its own. */
const keyPage = 1000

const isEntityType = Schema.is(EntityType)
const isEntityId = Schema.is(EntityId)

const KeyRows = Schema.Array(Schema.Struct({ entityType: Schema.String, entityId: Schema.String }))
const RowRows = Schema.Array(Schema.Struct({ row: Schema.Int }))

const decodeKeys = Schema.decodeUnknown(KeyRows)
const decodeRows = (rows: Effect.Effect<ReadonlyArray<unknown>, LowLevelError>) =>
  Effect.flatMap(rows, Schema.decodeUnknown(RowRows)).pipe(Effect.map((list) => list.map(({ row }) => row)))

export const make = ({
  queue,
  repository,
  storage,
}: {
  readonly storage: typeof Storage.Service
  readonly queue: typeof EmbeddingQueue.Service
  readonly repository: typeof EntityRepository.Service
}) => {
  const sql = storage.sql
  const among = (rows: ReadonlyArray<number>) => sql`(SELECT value FROM json_each(${JSON.stringify(rows)}))`

  /** Seeks a batch and removes it, until there is none. Answers how many rows went. */
  const remove = (
    candidates: Effect.Effect<ReadonlyArray<unknown>, LowLevelError>,
    removeThem: (rows: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<number>, LowLevelError>,
  ): Effect.Effect<number, StorageError> =>
    Effect.gen(function* () {
      let removed = 0
      while (true) {
        const rows = yield* storage.read(decodeRows(candidates))
        if (rows.length === 0) return removed
        const gone = yield* storage.write(removeThem(rows))
        removed += gone.length
        if (gone.length === 0) return removed
      }
    })

  const unowned = sql.literal(`NOT EXISTS (
    SELECT 1 FROM entities WHERE entities.entity_type = derived.entity_type
      AND entities.entity_id = derived.entity_id)`)
  const unboxed = sql.literal(`NOT EXISTS (
    SELECT 1 FROM embedding_queue AS job WHERE job.entity_type = derived.entity_type
      AND job.entity_id = derived.entity_id AND job.status <> 'completed')`)
  const unused = sql.literal(`NOT EXISTS (SELECT 1 FROM entity_texts WHERE doc = words.id)`)

  const removeWords = (docs: ReadonlyArray<number>) =>
    Effect.forEach(docs, (doc) => sql`DELETE FROM entity_fulltext WHERE rowid = ${doc}`, { discard: true })

  const removeVectors = remove(
    sql`SELECT rowid AS row FROM entity_vectors AS derived WHERE ${unowned} LIMIT ${batch}`,
    (rows) =>
      decodeRows(sql`DELETE FROM entity_vectors AS derived WHERE rowid IN ${among(rows)} AND ${unowned}
        RETURNING rowid AS row`),
  )

  const removeTexts = remove(
    sql`SELECT doc AS row FROM entity_texts AS derived WHERE ${unowned} AND ${unboxed} LIMIT ${batch}`,
    (rows) =>
      decodeRows(sql`DELETE FROM entity_texts AS derived
        WHERE doc IN ${among(rows)} AND ${unowned} AND ${unboxed} RETURNING doc AS row`).pipe(
        Effect.tap(removeWords),
      ),
  )

  const removeLooseWords = remove(
    sql`SELECT id AS row FROM entity_fulltext_docsize AS words WHERE ${unused} LIMIT ${batch}`,
    (rows) =>
      decodeRows(sql`SELECT id AS row FROM entity_fulltext_docsize AS words
        WHERE id IN ${among(rows)} AND ${unused}`).pipe(Effect.tap(removeWords)),
  )

  /** Keys whose full-text is not that of their newest version. */
  const badlyIndexed = sql.literal(`
    FROM ${newest} AS current
    LEFT JOIN entity_texts AS entry
      ON entry.entity_type = current.entity_type AND entry.entity_id = current.entity_id
    WHERE (entry.generation IS NOT current.generation
      OR NOT EXISTS (SELECT 1 FROM entity_fulltext_docsize AS words WHERE words.id = entry.doc))`)

  /** Writes the full-text of one entity anew. False where its text cannot be read: then nothing changes. */
  const indexAnew = (key: EntityKey) =>
    Effect.gen(function* () {
      const box = yield* queue.liveBox(key)
      const row = yield* repository.find(key)
      const text = Option.match(box, {
        onSome: ({ content, job }) => Option.some({ entity: content, generation: job.generation }),
        onNone: () => row,
      })
      if (Option.isNone(text)) return false
      const docs = yield* decodeRows(sql`DELETE FROM entity_texts
        WHERE entity_type = ${key.entityType} AND entity_id = ${key.entityId} RETURNING doc AS row`)
      yield* removeWords(docs)
      yield* repository.indexText(text.value.entity, text.value.generation)
      return true
    }).pipe(
      storage.write,
      Effect.catchIf(
        (error) => error.trouble === "InvalidRow",
        () => Effect.succeed(false),
      ),
    )

  const writeTexts = Effect.gen(function* () {
    let written = 0
    let after: readonly [string, string] = ["", ""]
    while (true) {
      const keys = yield* storage.read(
        Effect.flatMap(
          sql`SELECT current.entity_type AS "entityType", current.entity_id AS "entityId" ${badlyIndexed}
            AND (current.entity_type, current.entity_id) > (${after[0]}, ${after[1]})
            ORDER BY current.entity_type, current.entity_id LIMIT ${keyPage}`,
          decodeKeys,
        ),
      )
      const last = keys.at(-1)
      if (last === undefined) return written
      for (const { entityId, entityType } of keys) {
        if (!isEntityType(entityType) || !isEntityId(entityId)) continue
        if (yield* indexAnew({ entityType, entityId })) written++
      }
      after = [last.entityType, last.entityId]
    }
  })

  const inLine = sql.literal("(SELECT count(*) FROM embedding_queue WHERE lane IS NOT NULL)")
  const recount = Effect.map(
    storage.write(
      sql`UPDATE embedding_queue_state SET waiting = ${inLine} WHERE waiting <> ${inLine} RETURNING id`,
    ),
    (rows) => rows.length,
  )

  return Effect.gen(function* () {
    const claimsTakenBack = yield* queue.reclaim
    const vectorsRemoved = yield* removeVectors
    const textsRemoved = (yield* removeTexts) + (yield* removeLooseWords)
    const textsWritten = yield* writeTexts
    const countsCorrected = yield* recount
    return { claimsTakenBack, vectorsRemoved, textsRemoved, textsWritten, countsCorrected }
  })
}
