/**
 * What always holds (section 3 of the design), asked of a real database. One statement asks everything that SQL can
 * tell, so it sees one snapshot and may be run while workers are busy; what needs a hash is checked by pure functions
 * over pages of entities, each page again one snapshot with the vectors beside their text. It only reads. It shares no
 * line with `src/Doctor`, so that neither judges itself.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { covers, embeddedText, passageHash, passageOf } from "../src/Domain/Chunk.js"
import { JsonObject } from "../src/Domain/Entity.js"
import type { StorageError } from "../src/Domain/Errors.js"
import { contentHash, sha256 } from "../src/Domain/Hash.js"
import { toBytes } from "../src/Domain/Vector.js"
import { Storage } from "../src/Storage.js"

/** Which of the promises of the design. */
export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7"

export interface Violation {
  readonly invariant: Invariant
  readonly message: string
  /** Job ids, or keys as `type/id`; at most `mostIds` of them. */
  readonly ids: ReadonlyArray<string>
}

/** How many rows were looked at. */
export interface Checked {
  readonly jobs: number
  readonly boxes: number
  readonly entities: number
  readonly vectors: number
  readonly texts: number
  readonly fulltext: number
}

export interface Report {
  readonly violations: ReadonlyArray<Violation>
  readonly checked: Checked
}

export interface Options {
  /** The embedder's answer for a text, where it can be known: then the vectors themselves are compared. */
  readonly vectorOf?: ((text: string) => Float32Array) | undefined
  /** Entities per page. Default 200. */
  readonly pageSize?: number | undefined
}

/** So many ids name a violation; the others are more of the same. */
export const mostIds = 20

// ---- what SQL can tell -------------------------------------------------------------------------------------

interface Rule {
  readonly invariant: Invariant
  readonly message: string
  /** The ids of the rows that break it, as one column. */
  readonly broken: string
}

const key = (table: string) => `${table}.entity_type || '/' || ${table}.entity_id`
const sameKey = (a: string, b: string) =>
  `${a}.entity_type = ${b}.entity_type AND ${a}.entity_id = ${b}.entity_id`
const isLive = (job: string) => `${job}.status <> 'completed'`

/** The newest generation of each key, wherever it stands. */
const newest = `
  SELECT entity_type, entity_id, max(generation) AS generation FROM (
    SELECT entity_type, entity_id, generation FROM entities
    UNION ALL SELECT entity_type, entity_id, generation FROM embedding_queue WHERE status <> 'completed'
  ) GROUP BY entity_type, entity_id`

const rules: ReadonlyArray<Rule> = [
  {
    invariant: "I1",
    message: "a live job has no box",
    broken: `SELECT job.job_id FROM embedding_queue AS job LEFT JOIN embedding_boxes AS box USING (generation)
      WHERE ${isLive("job")} AND box.generation IS NULL`,
  },
  {
    invariant: "I1",
    message: "a box has no live job",
    broken: `SELECT coalesce(job.job_id, 'generation ' || box.generation)
      FROM embedding_boxes AS box LEFT JOIN embedding_queue AS job USING (generation)
      WHERE job.generation IS NULL OR NOT (${isLive("job")})`,
  },
  {
    invariant: "I1",
    message: "a box does not hold the entity of its job",
    broken: `SELECT job.job_id FROM embedding_queue AS job JOIN embedding_boxes AS box USING (generation)
      WHERE CASE WHEN json_valid(box.content) THEN
        json_extract(box.content, '$.entityType') IS NOT job.entity_type
        OR json_extract(box.content, '$.id') IS NOT job.entity_id
        OR json_type(box.content, '$.content') IS NOT 'text'
      ELSE true END`,
  },
  {
    invariant: "I3",
    message: "a key has several live boxes of one status",
    broken: `SELECT ${key("job")} FROM embedding_queue AS job
      WHERE ${isLive("job")} GROUP BY job.entity_type, job.entity_id, job.status HAVING count(*) > 1`,
  },
  {
    invariant: "I4",
    message: "the stored row is not older than a live box of its key",
    broken: `SELECT job.job_id FROM embedding_queue AS job JOIN entities AS row ON ${sameKey("job", "row")}
      WHERE ${isLive("job")} AND row.generation >= job.generation`,
  },
  {
    invariant: "I4",
    message: "a generation is higher than the counter that gives them out",
    broken: `SELECT 'generation ' || generation FROM
        (SELECT generation FROM embedding_queue UNION SELECT generation FROM entities)
      WHERE generation > (SELECT generation FROM embedding_queue_state WHERE id = 1)`,
  },
  {
    invariant: "I4",
    message: "an older box is pending although a newer one lives",
    broken: `SELECT job.job_id FROM embedding_queue AS job JOIN embedding_queue AS newer
        ON ${sameKey("job", "newer")} AND newer.generation > job.generation
      WHERE job.status IN ('pending', 'failed') AND ${isLive("newer")}`,
  },
  {
    invariant: "I5",
    message: "a job in hand has no token, lease or holder",
    broken: `SELECT job_id FROM embedding_queue WHERE status = 'processing'
      AND (attempt_token IS NULL OR lease_until IS NULL OR claimed_at IS NULL OR claimed_by IS NULL)`,
  },
  {
    invariant: "I5",
    message: "a job that is in nobody's hand bears a token or a lease",
    broken: `SELECT job_id FROM embedding_queue
      WHERE status <> 'processing' AND (attempt_token IS NOT NULL OR lease_until IS NOT NULL)`,
  },
  {
    invariant: "I5",
    message: "the end of a job is not told as its status wants it",
    broken: `SELECT job_id FROM embedding_queue
      WHERE (status IN ('completed', 'failed')) <> (completed_at IS NOT NULL)
        OR (status = 'completed' AND outcome NOT IN ('stored', 'superseded', 'deleted'))
        OR (status = 'failed' AND outcome NOT IN ('exhausted', 'cancelled'))`,
  },
  {
    invariant: "I5",
    message: "the count of waiting boxes is not the number of them",
    broken: `SELECT 'counted ' || waiting FROM embedding_queue_state
      WHERE waiting <> (SELECT count(*) FROM embedding_queue WHERE status = 'pending')`,
  },
  {
    invariant: "I6",
    message: "more attempts were spent than a job has",
    broken: `SELECT job_id FROM embedding_queue WHERE retry_count > max_retries OR retry_count < 0`,
  },
  {
    invariant: "I7",
    message: "a vector has no entity",
    broken: `SELECT DISTINCT ${key("vector")} FROM entity_vectors AS vector
      WHERE NOT EXISTS (SELECT 1 FROM entities AS row WHERE ${sameKey("vector", "row")})`,
  },
  {
    invariant: "I7",
    message: "a full-text entry has neither entity nor live box",
    broken: `SELECT ${key("entry")} FROM entity_texts AS entry
      LEFT JOIN (${newest}) AS current ON ${sameKey("entry", "current")} WHERE current.generation IS NULL`,
  },
  {
    invariant: "I7",
    message: "an entity or a live box has no full-text entry",
    broken: `SELECT ${key("current")} FROM (${newest}) AS current
      LEFT JOIN entity_texts AS entry ON ${sameKey("entry", "current")} WHERE entry.doc IS NULL`,
  },
  {
    invariant: "I7",
    message: "the full-text entry is not that of the newest version",
    broken: `SELECT ${key("current")} FROM (${newest}) AS current
      JOIN entity_texts AS entry ON ${sameKey("entry", "current")}
      WHERE entry.generation <> current.generation`,
  },
  {
    invariant: "I7",
    message: "a full-text entry has no words",
    broken: `SELECT ${key("entry")} FROM entity_texts AS entry
      WHERE NOT EXISTS (SELECT 1 FROM entity_fulltext_docsize AS words WHERE words.id = entry.doc)`,
  },
  {
    invariant: "I7",
    message: "words stand in the full-text index that belong to no entry",
    broken: `SELECT 'row ' || words.id FROM entity_fulltext_docsize AS words
      WHERE NOT EXISTS (SELECT 1 FROM entity_texts AS entry WHERE entry.doc = words.id)`,
  },
]

/** All rules as one statement: what is broken, as (number of the rule, id). */
const question = rules
  .map(
    ({ broken }, at) => `SELECT ${at} AS rule, id FROM (WITH found (id) AS (${broken})
    SELECT CAST(id AS TEXT) AS id FROM found LIMIT ${mostIds})`,
  )
  .join("\nUNION ALL ")

const Broken = Schema.Array(Schema.Struct({ rule: Schema.Int, id: Schema.String }))

/** What the answer to `question` means. */
export const violationsOf = (broken: typeof Broken.Type): ReadonlyArray<Violation> =>
  rules.flatMap(({ invariant, message }, at) => {
    const ids = broken.filter(({ rule }) => rule === at).map(({ id }) => id)
    return ids.length === 0 ? [] : [{ invariant, message, ids }]
  })

// ---- what needs a hash -------------------------------------------------------------------------------------

const VectorPart = Schema.Struct({
  chunk: Schema.Int,
  fingerprint: Schema.String,
  inputHash: Schema.String,
  heading: Schema.String,
  start: Schema.Int,
  text: Schema.String,
  vector: Schema.String,
})

const EntityPart = Schema.Struct({
  entityType: Schema.String,
  id: Schema.String,
  contentHash: Schema.String,
  inputHash: Schema.String,
  content: Schema.String,
  metadata: Schema.parseJson(JsonObject),
  vectors: Schema.parseJson(Schema.Array(VectorPart)),
})
type EntityPart = typeof EntityPart.Type

const hex = (vector: Float32Array) => Buffer.from(toBytes(vector)).toString("hex").toUpperCase()

/** What is wrong with one stored entity and its vectors. */
export const flawsOf = (entity: EntityPart, vectorOf: Options["vectorOf"]): ReadonlyArray<string> => {
  const { content, inputHash, metadata, vectors } = entity
  const wrong = (when: boolean, message: string) => (when ? [message] : [])
  return [
    ...wrong(entity.contentHash !== contentHash(content, metadata), "the content hash is not the content's"),
    ...wrong(
      inputHash !== passageHash(passageOf({ content, metadata })),
      "the input hash is not that of the text to embed",
    ),
    ...wrong(vectors.length === 0, "an entity has no vector"),
    ...wrong(
      vectors.some((part) => part.inputHash !== sha256(embeddedText(part))),
      "a vector's input hash is not the hash of its text",
    ),
    ...[...new Set(vectors.map((part) => part.fingerprint))].flatMap((fingerprint) =>
      wrong(
        !covers(
          vectors.filter((part) => part.fingerprint === fingerprint),
          content,
        ),
        "the texts of the vectors are not the text of the entity",
      ),
    ),
    ...wrong(
      vectorOf !== undefined && vectors.some((part) => part.vector !== hex(vectorOf(embeddedText(part)))),
      "a vector is not that of its text",
    ),
  ]
}

// ---- asking ------------------------------------------------------------------------------------------------

const Counts = Schema.NonEmptyArray(
  Schema.Struct({
    jobs: Schema.Int,
    boxes: Schema.Int,
    entities: Schema.Int,
    vectors: Schema.Int,
    texts: Schema.Int,
    fulltext: Schema.Int,
  }),
)

const decodeBroken = Schema.decodeUnknown(Broken)
const decodeEntities = Schema.decodeUnknown(Schema.Array(EntityPart))
const decodeCounts = Schema.decodeUnknown(Counts)

/** Checks I1 to I7. A database in order has no violations. */
export const checkInvariants = (options: Options = {}): Effect.Effect<Report, StorageError, Storage> =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const sql = storage.sql
    const pageSize = options.pageSize ?? 200
    const vectorText = options.vectorOf === undefined ? sql.literal(`''`) : sql.literal("hex(vector)")

    const page = (after: readonly [entityType: string, id: string]) =>
      Effect.flatMap(
        sql`SELECT entity_type AS "entityType", entity_id AS id, content_hash AS "contentHash",
            input_hash AS "inputHash", content, metadata,
            (SELECT json_group_array(json_object('chunk', chunk, 'fingerprint', fingerprint,
                'inputHash', input_hash, 'heading', heading, 'start', start, 'text', text, 'vector', vector)) FROM (
              SELECT chunk, fingerprint, input_hash, heading, start, text, ${vectorText} AS vector FROM entity_vectors AS v
              WHERE v.entity_type = entities.entity_type AND v.entity_id = entities.entity_id
              ORDER BY fingerprint, chunk)) AS vectors
          FROM entities WHERE (entity_type, entity_id) > (${after[0]}, ${after[1]})
          ORDER BY entity_type, entity_id LIMIT ${pageSize}`,
        decodeEntities,
      ).pipe(storage.read)

    const flawed = (
      after: readonly [string, string],
    ): Effect.Effect<ReadonlyArray<Violation>, StorageError> =>
      Effect.gen(function* () {
        const entities = yield* page(after)
        const found = entities.flatMap((entity) =>
          flawsOf(entity, options.vectorOf).map(
            (message): Violation => ({
              invariant: "I2",
              message,
              ids: [`${entity.entityType}/${entity.id}`],
            }),
          ),
        )
        const last = entities.at(-1)
        if (last === undefined || entities.length < pageSize) return found
        return [...found, ...(yield* flawed([last.entityType, last.id]))]
      })

    const broken = yield* storage.read(Effect.flatMap(sql.unsafe(question), decodeBroken))
    const hashes = yield* flawed(["", ""])
    const [checked] = yield* storage.read(
      Effect.flatMap(
        sql`SELECT (SELECT count(*) FROM embedding_queue) AS jobs,
          (SELECT count(*) FROM embedding_boxes) AS boxes, (SELECT count(*) FROM entities) AS entities,
          (SELECT count(*) FROM entity_vectors) AS vectors, (SELECT count(*) FROM entity_texts) AS texts,
          (SELECT count(*) FROM entity_fulltext_docsize) AS fulltext`,
        decodeCounts,
      ),
    )
    return { violations: [...violationsOf(broken), ...hashes], checked }
  })
