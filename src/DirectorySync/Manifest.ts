/** The rows of files and batches, see the migration for what they mean; and what a folder has to know of all entities. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Entity, type EntityKey } from "../Domain/Entity.js"
import type { StorageError } from "../Domain/Errors.js"
import { timeOrderedId } from "../Domain/TimeOrderedId.js"
import type { Storage } from "../Storage.js"

/** Whose a file is, and what both were like when they last agreed. */
export interface Known extends EntityKey {
  /** Below the folder, with forward slashes. */
  readonly path: string
  readonly fileHash: string
  readonly contentHash: string
}

/** What became of the files of a run, how many of each. */
export const Counts = Schema.Struct({
  created: Schema.Int,
  updated: Schema.Int,
  moved: Schema.Int,
  unchanged: Schema.Int,
  skipped: Schema.Int,
  quarantined: Schema.Int,
  removed: Schema.Int,
})
export type Counts = typeof Counts.Type

export const noCounts: Counts = {
  created: 0,
  updated: 0,
  moved: 0,
  unchanged: 0,
  skipped: 0,
  quarantined: 0,
  removed: 0,
}

/** A run and its jobs. */
export interface Batch {
  readonly batchId: string
  readonly folder: string
  readonly beganAt: number
  /** Nothing: it goes on, or was cut off; the next run over that folder does what is left. */
  readonly endedAt: number | undefined
  readonly counts: Counts
  /** Its jobs that wait, and that failed for good. */
  readonly pending: number
  readonly failed: number
}

const KnownRow = Schema.Struct({
  path: Schema.String,
  entityType: Entity.fields.entityType,
  entityId: Entity.fields.id,
  fileHash: Schema.String,
  contentHash: Schema.String,
})
const decodeKnown = Schema.decodeUnknown(Schema.Array(KnownRow))

const BatchRow = Schema.Struct({
  batchId: Schema.String,
  folder: Schema.String,
  beganAt: Schema.Int,
  endedAt: Schema.NullOr(Schema.Int),
  counts: Schema.parseJson(Counts),
  pending: Schema.Int,
  failed: Schema.Int,
})
const decodeBatches = Schema.decodeUnknown(Schema.Array(BatchRow))

const CountRow = Schema.Struct({ entityType: Schema.String, count: Schema.Int })
const decodeCounts = Schema.decodeUnknown(Schema.Array(CountRow))

const pageSize = 1_000

/** How long batches are kept: 30 days. */
const keptMillis = 30 * 24 * 60 * 60 * 1_000

export const make = (storage: typeof Storage.Service) => {
  const { sql, statement } = storage

  const page = (folder: string, after: string) =>
    Effect.flatMap(
      statement`SELECT path, entity_type AS "entityType", entity_id AS "entityId", file_hash AS "fileHash",
          content_hash AS "contentHash"
        FROM directory_files WHERE folder = ${folder} AND path > ${after} ORDER BY path LIMIT ${pageSize}`,
      decodeKnown,
    ).pipe(storage.read)

  /** All that is known of a folder, by path. */
  const load = (folder: string): Effect.Effect<Map<string, Known>, StorageError> =>
    Effect.gen(function* () {
      const known = new Map<string, Known>()
      let after = ""
      while (true) {
        const rows: ReadonlyArray<Known> = yield* page(folder, after)
        for (const row of rows) known.set(row.path, row)
        after = rows.at(-1)?.path ?? after
        if (rows.length < pageSize) return known
      }
    })

  /** Remembers these, each in place of what was known of its path and of its entity, and forgets those paths. */
  const update = (folder: string, put: ReadonlyArray<Known>, forget: ReadonlyArray<string> = []) =>
    put.length + forget.length === 0
      ? Effect.void
      : Effect.gen(function* () {
          yield* sql`DELETE FROM directory_files
            WHERE folder = ${folder} AND path IN (SELECT value FROM json_each(${JSON.stringify(forget)}))`
          for (const { contentHash, entityId, entityType, fileHash, path } of put) {
            yield* statement`INSERT OR REPLACE INTO directory_files
                (folder, path, entity_type, entity_id, file_hash, content_hash)
              VALUES (${folder}, ${path}, ${entityType}, ${entityId}, ${fileHash}, ${contentHash})`
          }
        }).pipe(storage.write)

  const begin = (folder: string): Effect.Effect<string, StorageError> =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const batchId = timeOrderedId(now)
      yield* sql`DELETE FROM directory_batches WHERE began_at < ${now - keptMillis}`
      yield* sql`INSERT INTO directory_batches (batch_id, folder, began_at, counts)
        VALUES (${batchId}, ${folder}, ${now}, ${JSON.stringify(noCounts)})`
      return batchId
    }).pipe(storage.write)

  const count = (batchId: string, counts: Counts, isOver: boolean) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) =>
        sql`UPDATE directory_batches SET counts = ${JSON.stringify(counts)}, ended_at = ${isOver ? now : null}
          WHERE batch_id = ${batchId}`,
    ).pipe(storage.write, Effect.asVoid)

  const batch = (batchId: string): Effect.Effect<Option.Option<Batch>, StorageError> =>
    Effect.map(
      Effect.flatMap(
        statement`SELECT batch_id AS "batchId", folder, began_at AS "beganAt", ended_at AS "endedAt", counts,
            (SELECT count(*) FROM embedding_queue AS job WHERE job.batch_id = batch.batch_id
              AND job.status IN ('pending', 'processing')) AS pending,
            (SELECT count(*) FROM embedding_queue AS job WHERE job.batch_id = batch.batch_id
              AND job.status = 'failed') AS failed
          FROM directory_batches AS batch WHERE batch_id = ${batchId}`,
        decodeBatches,
      ),
      ([row]) =>
        Option.map(Option.fromNullable(row), (one) => ({ ...one, endedAt: one.endedAt ?? undefined })),
    ).pipe(storage.read)

  /** How many entities there are of each type but these. Boxed or embedded, each has a row of texts. */
  const countsOutside = (entityTypes: ReadonlyArray<string>) =>
    Effect.flatMap(
      statement`SELECT entity_type AS "entityType", count(*) AS count FROM entity_texts
        WHERE entity_type NOT IN (SELECT value FROM json_each(${JSON.stringify(entityTypes)}))
        GROUP BY entity_type ORDER BY entity_type`,
      decodeCounts,
    ).pipe(storage.read)

  return { load, update, begin, count, batch, countsOutside }
}

export type Manifest = ReturnType<typeof make>
