/**
 * The checks that must read what people wrote, because only a hash can tell. They go through the database in pages
 * that are bounded by rows and by bytes, and everything that is compared with each other comes from one statement,
 * hence from one snapshot: an entity that is written between two pages is seen before or after, never half, and no
 * lock is held. A row that cannot be read is a finding, not the end of the examination.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { covers, embeddedText, notEmbedded, passageHash, passageOf } from "../Domain/Chunk.js"
import { Entity, JsonObject } from "../Domain/Entity.js"
import type { StorageError } from "../Domain/Errors.js"
import { contentHash, sha256 } from "../Domain/Hash.js"
import * as Vector from "../Domain/Vector.js"
import { type LowLevelError, Storage } from "../Storage.js"
import { type Check, mostNamed, type Violation } from "./Diagnosis.js"

/** Rows in a page at most. */
const pageRows = 200

/** Bytes of content in a page at most; one row is always taken. */
const pageBytes = 1024 * 1024

type Title = Pick<Check, "name" | "invariant">

const VectorPart = Schema.Struct({
  chunk: Schema.Int,
  fingerprint: Schema.String,
  inputHash: Schema.String,
  heading: Schema.String,
  start: Schema.Int,
  text: Schema.String,
})

const EntityRow = Schema.Struct({
  entityType: Schema.String,
  entityId: Schema.String,
  jobId: Schema.String,
  contentHash: Schema.String,
  inputHash: Schema.String,
  content: Schema.String,
  metadata: Schema.String,
  vectors: Schema.parseJson(Schema.Array(VectorPart)),
})
type EntityRow = typeof EntityRow.Type

const BoxRow = Schema.Struct({
  generation: Schema.Int,
  entityType: Schema.String,
  entityId: Schema.String,
  jobId: Schema.String,
  content: Schema.String,
})
type BoxRow = typeof BoxRow.Type

const VectorRow = Schema.Struct({
  row: Schema.Int,
  entityType: Schema.String,
  entityId: Schema.String,
  chunk: Schema.Int,
  vector: Schema.Uint8ArrayFromSelf,
})
type VectorRow = typeof VectorRow.Type

const readMetadata = Schema.decodeOption(Schema.parseJson(JsonObject))
const readBox = Schema.decodeOption(Schema.parseJson(Entity))

const when = (holds: boolean, message: string): ReadonlyArray<string> => (holds ? [message] : [])

/** What is wrong with a stored entity and the texts that its vectors were made of. */
export const entityFlaws = ({
  content,
  inputHash,
  metadata,
  vectors,
  ...row
}: EntityRow): ReadonlyArray<string> => [
  ...Option.match(readMetadata(metadata), {
    onNone: () => ["its metadata cannot be read"],
    onSome: (read) => [
      ...when(row.contentHash !== contentHash(content, read), "its content hash is not that of its content"),
      ...when(
        inputHash !== notEmbedded && inputHash !== passageHash(passageOf({ content, metadata: read })),
        "its input hash is not that of its text",
      ),
    ],
  }),
  ...when(vectors.length === 0 && inputHash !== notEmbedded, "it is stored without a vector"),
  ...when(vectors.length > 0 && inputHash === notEmbedded, "it has vectors, and is not to be embedded"),
  ...vectors.flatMap((part) =>
    when(
      part.inputHash !== sha256(embeddedText(part)),
      `a vector's input hash is not that of its text: chunk ${part.chunk}`,
    ),
  ),
  // While the vectors of another model are built beside those that are searched, each set is whole by itself.
  ...[...new Set(vectors.map((part) => part.fingerprint))].flatMap((fingerprint) =>
    when(
      !covers(
        vectors.filter((part) => part.fingerprint === fingerprint),
        content,
      ),
      "the texts of its vectors are not its text",
    ),
  ),
]

/** What is wrong with a live box. */
export const boxFlaws = ({ content, entityId, entityType }: BoxRow): ReadonlyArray<string> =>
  Option.match(readBox(content), {
    onNone: () => ["a box cannot be read as an entity"],
    onSome: (entity) => [
      ...when(
        entity.entityType !== entityType || entity.id !== entityId,
        "a box holds another entity than its job's",
      ),
      ...when(
        entity.contentHash !== contentHash(entity.content, entity.metadata),
        "a box's content hash is not that of its content",
      ),
    ],
  })

/** What is wrong with the numbers of a vector. */
export const vectorFlaws = ({ chunk, vector: bytes }: VectorRow): ReadonlyArray<string> => {
  if (bytes.byteLength === 0 || bytes.byteLength % Float32Array.BYTES_PER_ELEMENT !== 0) {
    return [`a vector is not whole numbers: chunk ${chunk}`]
  }
  const vector = Vector.fromBytes(bytes)
  return when(
    Vector.flawOf([vector], 1, vector.length) !== undefined,
    `a vector is not finite and of length one: chunk ${chunk}`,
  )
}

/** Goes through all pages. A plain loop, so that no page is kept once it was looked at. */
const walk = <Row extends { readonly entityType: string; readonly entityId: string }>(
  title: Title,
  page: (after: Row | undefined) => Effect.Effect<ReadonlyArray<Row>, StorageError>,
  flaws: (row: Row) => ReadonlyArray<string>,
  jobIdOf: (row: Row) => string | null,
): Effect.Effect<Check, StorageError> =>
  Effect.gen(function* () {
    const violations: Array<Violation> = []
    let [rows, found] = [0, 0]
    let last: Row | undefined
    while (true) {
      const list = yield* page(last)
      if (list.length === 0) return { ...title, rows, found, violations }
      for (const row of list) {
        for (const message of flaws(row)) {
          found++
          if (violations.length === mostNamed) continue
          const { entityId, entityType } = row
          violations.push({ message, entityType, entityId, jobId: jobIdOf(row) })
        }
      }
      rows += list.length
      last = list.at(-1)
    }
  })

/** One effect per check, to be run one after the other. */
export const checks = (
  storage: typeof Storage.Service,
): ReadonlyArray<Title & { readonly run: Effect.Effect<Check, StorageError> }> => {
  const sql = storage.sql
  const read = <A, I>(row: Schema.Schema<A, I>, rows: Effect.Effect<ReadonlyArray<unknown>, LowLevelError>) =>
    storage.read(Effect.flatMap(rows, Schema.decodeUnknown(Schema.Array(row))))

  /** Which of the rows ahead (row, bytes) make a page. */
  const fitting = sql.literal(`SELECT row FROM (
    SELECT row, row_number() OVER line AS place, sum(bytes) OVER line AS upto FROM ahead
    WINDOW line AS (ORDER BY rank ROWS UNBOUNDED PRECEDING)
  ) WHERE place = 1 OR upto <= ${pageBytes}`)

  const entities: Title = { name: "hashes, texts and vectors are those of their entity", invariant: "I2" }
  const entityPage = (after: EntityRow | undefined) =>
    read(
      EntityRow,
      sql`WITH ahead AS (
          SELECT rowid AS row, octet_length(content) + octet_length(metadata) AS bytes,
            row_number() OVER (ORDER BY entity_type, entity_id) AS rank
          FROM entities WHERE (entity_type, entity_id) > (${after?.entityType ?? ""}, ${after?.entityId ?? ""})
          ORDER BY entity_type, entity_id LIMIT ${pageRows})
        SELECT entity_type AS "entityType", entity_id AS "entityId", job_id AS "jobId",
          content_hash AS "contentHash", input_hash AS "inputHash", content, metadata,
          (SELECT json_group_array(json_object('chunk', chunk, 'fingerprint', fingerprint,
              'inputHash', input_hash, 'heading', heading, 'start', start, 'text', text)) FROM (
            SELECT chunk, fingerprint, input_hash, heading, start, text FROM entity_vectors AS vector
            WHERE vector.entity_type = entities.entity_type AND vector.entity_id = entities.entity_id
            ORDER BY fingerprint, chunk)) AS vectors
        FROM entities WHERE rowid IN (${fitting}) ORDER BY entity_type, entity_id`,
    )

  const boxes: Title = { name: "every box holds the entity of its job", invariant: "I1" }
  const boxPage = (after: BoxRow | undefined) =>
    read(
      BoxRow,
      sql`WITH ahead AS (
          SELECT generation AS row, octet_length(content) AS bytes, generation AS rank
          FROM embedding_boxes AS box WHERE generation > ${after?.generation ?? -1}
            AND EXISTS (SELECT 1 FROM embedding_queue AS job WHERE job.generation = box.generation)
          ORDER BY generation LIMIT ${pageRows})
        SELECT generation, entity_type AS "entityType", entity_id AS "entityId", job_id AS "jobId", content
        FROM embedding_boxes JOIN embedding_queue USING (generation)
        WHERE generation IN (${fitting}) ORDER BY generation`,
    )

  const vectors: Title = { name: "every vector is finite and of length one", invariant: "I2" }
  const vectorPage = (after: VectorRow | undefined) =>
    read(
      VectorRow,
      sql`SELECT row, entity_type AS "entityType", entity_id AS "entityId", chunk, vector
        FROM entity_vectors WHERE row > ${after?.row ?? -1} ORDER BY row LIMIT ${pageRows}`,
    )

  const jobIdOf = (row: { readonly jobId: string }) => row.jobId
  return [
    { ...boxes, run: walk(boxes, boxPage, boxFlaws, jobIdOf) },
    { ...entities, run: walk(entities, entityPage, entityFlaws, jobIdOf) },
    { ...vectors, run: walk(vectors, vectorPage, vectorFlaws, () => null) },
  ]
}
