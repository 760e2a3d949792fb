/**
 * What SQL alone can tell of a database. Each rule is one statement: it sees one snapshot, so that what workers do
 * meanwhile is seen either wholly or not at all, and it takes no lock that anybody else waits for. SQLite's own
 * checks are statements like the others (its check of the file asks FTS5 for the index's order, too).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { StorageError } from "../Domain/Errors.js"
import type { Storage } from "../Storage.js"
import { type Check, type Invariant, mostNamed, Violation } from "./Diagnosis.js"

interface Rule {
  readonly name: string
  readonly invariant: Invariant
  /** What is told of each row that breaks it. */
  readonly message: string
  /** What is looked at. */
  readonly over: string
  /** The rows that break it: (entity_type, entity_id, job_id, note). */
  readonly broken: string
}

const sameKey = (a: string, b: string) =>
  `${a}.entity_type = ${b}.entity_type AND ${a}.entity_id = ${b}.entity_id`
const isLive = (job: string) => `${job}.status <> 'completed'`
const job = `job.entity_type, job.entity_id, job.job_id, NULL`

/** The newest generation of each key, wherever it stands. */
export const newest = `(
  SELECT entity_type, entity_id, max(generation) AS generation FROM (
    SELECT entity_type, entity_id, generation FROM entities
    UNION ALL SELECT entity_type, entity_id, generation FROM embedding_queue WHERE status <> 'completed'
  ) GROUP BY entity_type, entity_id)`

const rules: ReadonlyArray<Rule> = [
  {
    name: "the file, its indexes and its full-text index are sound",
    invariant: "file",
    message: "SQLite says",
    over: "sqlite_schema",
    // FTS5 remembers the layout of its index, and only opening the table makes it notice that another process wrote
    // since. Its own check does not, and would call a sound index corrupt: so it is opened first, in one snapshot.
    broken: `SELECT NULL, NULL, NULL, integrity_check
      FROM (SELECT count(*) FROM entity_fulltext WHERE rowid < 0) CROSS JOIN pragma_integrity_check
      WHERE integrity_check <> 'ok'`,
  },
  {
    name: "what a row refers to is there",
    invariant: "file",
    message: "a row refers to nothing",
    over: `(SELECT 1 FROM embedding_boxes UNION ALL SELECT 1 FROM entity_vectors
      UNION ALL SELECT 1 FROM embedding_attempts)`,
    // A table without row ids has none to name.
    broken: `SELECT NULL, NULL, NULL, "table" || coalesce(' row ' || rowid, '') FROM pragma_foreign_key_check`,
  },
  {
    name: "every live job has its box",
    invariant: "I1",
    message: "a live job has no box",
    over: `(SELECT 1 FROM embedding_queue WHERE status <> 'completed')`,
    broken: `SELECT ${job} FROM embedding_queue AS job LEFT JOIN embedding_boxes AS box USING (generation)
      WHERE ${isLive("job")} AND box.generation IS NULL`,
  },
  {
    name: "every box has its live job",
    invariant: "I1",
    message: "a box has no live job",
    over: "embedding_boxes",
    broken: `SELECT job.entity_type, job.entity_id, job.job_id, 'generation ' || box.generation
      FROM embedding_boxes AS box LEFT JOIN embedding_queue AS job USING (generation)
      WHERE job.generation IS NULL OR NOT (${isLive("job")})`,
  },
  {
    name: "an entity has one live box of a kind",
    invariant: "I3",
    message: "an entity has several live boxes of one status",
    over: `(SELECT 1 FROM embedding_queue WHERE status <> 'completed')`,
    // The unique index that forbids it must not be what answers: it may be what is broken.
    broken: `SELECT entity_type, entity_id, NULL, status FROM embedding_queue NOT INDEXED
      WHERE status <> 'completed' GROUP BY entity_type, entity_id, status HAVING count(*) > 1`,
  },
  {
    name: "a stored entity is older than its live box",
    invariant: "I4",
    message: "the stored version is not older than a live box",
    over: "entities",
    broken: `SELECT ${job} FROM embedding_queue AS job JOIN entities AS row ON ${sameKey("job", "row")}
      WHERE ${isLive("job")} AND row.generation >= job.generation`,
  },
  {
    name: "no generation is above the counter",
    invariant: "I4",
    message: "a generation is higher than the counter that gives them out",
    over: `(SELECT 1 FROM embedding_queue UNION ALL SELECT 1 FROM entities)`,
    broken: `SELECT entity_type, entity_id, job_id, 'generation ' || generation FROM (
        SELECT entity_type, entity_id, job_id, generation FROM embedding_queue
        UNION SELECT entity_type, entity_id, job_id, generation FROM entities)
      WHERE generation > (SELECT coalesce(max(generation), 0) FROM embedding_queue_state)`,
  },
  {
    name: "no older box waits behind a newer one",
    invariant: "I4",
    message: "an older box is live although a newer one is",
    over: `(SELECT 1 FROM embedding_queue WHERE status IN ('pending', 'failed'))`,
    broken: `SELECT ${job} FROM embedding_queue AS job WHERE job.status IN ('pending', 'failed') AND EXISTS (
        SELECT 1 FROM embedding_queue AS newer
        WHERE ${sameKey("job", "newer")} AND newer.generation > job.generation AND ${isLive("newer")})`,
  },
  {
    name: "a job in hand has token, lease and holder",
    invariant: "I5",
    message: "a job in hand has no token, lease or holder",
    over: `(SELECT 1 FROM embedding_queue WHERE status = 'processing')`,
    broken: `SELECT ${job} FROM embedding_queue AS job WHERE job.status = 'processing'
      AND (attempt_token IS NULL OR lease_until IS NULL OR claimed_at IS NULL OR claimed_by IS NULL)`,
  },
  {
    name: "a job in nobody's hand has no token and no lease",
    invariant: "I5",
    message: "a job that is in nobody's hand bears a token or a lease",
    over: `(SELECT 1 FROM embedding_queue WHERE status <> 'processing')`,
    broken: `SELECT ${job} FROM embedding_queue AS job
      WHERE job.status <> 'processing' AND (attempt_token IS NOT NULL OR lease_until IS NOT NULL)`,
  },
  {
    name: "a job's end is told as its status wants it",
    invariant: "I5",
    message: "the end of a job is not told as its status wants it",
    over: "embedding_queue",
    broken: `SELECT ${job} FROM embedding_queue AS job
      WHERE (status IN ('completed', 'failed')) <> (completed_at IS NOT NULL)
        OR (status IN ('completed', 'failed')) <> (outcome IS NOT NULL)
        OR (status = 'completed' AND outcome NOT IN ('stored', 'superseded', 'deleted'))
        OR (status = 'failed' AND outcome NOT IN ('exhausted', 'cancelled'))`,
  },
  {
    name: "as many boxes wait as are counted",
    invariant: "I5",
    message: "the count of waiting boxes is wrong",
    over: "(SELECT 1 FROM embedding_queue WHERE lane IS NOT NULL)",
    broken: `SELECT NULL, NULL, NULL, counted.waiting || ' counted, ' || found.waiting || ' waiting'
      FROM (SELECT coalesce(max(waiting), 0) AS waiting FROM embedding_queue_state) AS counted,
        (SELECT count(*) AS waiting FROM embedding_queue NOT INDEXED WHERE lane IS NOT NULL) AS found
      WHERE counted.waiting <> found.waiting`,
  },
  {
    name: "no job has spent more attempts than it has",
    invariant: "I6",
    message: "more attempts were spent than a job has",
    over: "embedding_queue",
    broken: `SELECT job.entity_type, job.entity_id, job.job_id, retry_count || ' of ' || max_retries
      FROM embedding_queue AS job WHERE retry_count > max_retries OR retry_count < 0 OR crash_count < 0`,
  },
  {
    name: "every vector has its entity",
    invariant: "I7",
    message: "a vector has no entity",
    over: "entity_vectors",
    broken: `SELECT vector.entity_type, vector.entity_id, NULL, 'chunk ' || vector.chunk
      FROM entity_vectors AS vector
      WHERE NOT EXISTS (SELECT 1 FROM entities AS row WHERE ${sameKey("vector", "row")})`,
  },
  {
    name: "every full-text row has its entity or live box",
    invariant: "I7",
    message: "a full-text row has neither entity nor live box",
    over: "entity_texts",
    broken: `SELECT entry.entity_type, entry.entity_id, NULL, NULL FROM entity_texts AS entry
      LEFT JOIN ${newest} AS current ON ${sameKey("entry", "current")} WHERE current.generation IS NULL`,
  },
  {
    name: "every entity and live box is in full-text, as its newest version",
    invariant: "I7",
    message: "full-text does not have the newest version",
    over: newest,
    broken: `SELECT current.entity_type, current.entity_id, NULL,
        CASE WHEN entry.doc IS NULL THEN 'none' ELSE 'generation ' || entry.generation END
      FROM ${newest} AS current LEFT JOIN entity_texts AS entry ON ${sameKey("entry", "current")}
      WHERE entry.generation IS NOT current.generation`,
  },
  {
    name: "every full-text row has its words",
    invariant: "I7",
    message: "a full-text row has no words",
    over: "entity_texts",
    broken: `SELECT entry.entity_type, entry.entity_id, NULL, NULL FROM entity_texts AS entry
      WHERE NOT EXISTS (SELECT 1 FROM entity_fulltext_docsize AS words WHERE words.id = entry.doc)`,
  },
  {
    name: "all words belong to a full-text row",
    invariant: "I7",
    message: "words stand in the full-text index that belong to nothing",
    over: "entity_fulltext_docsize",
    broken: `SELECT NULL, NULL, NULL, 'row ' || words.id FROM entity_fulltext_docsize AS words
      WHERE NOT EXISTS (SELECT 1 FROM entity_texts AS entry WHERE entry.doc = words.id)`,
  },
]

const Answer = Schema.Struct({
  rows: Schema.Int,
  found: Schema.Int,
  violations: Schema.parseJson(
    Schema.Array(Schema.Struct({ ...Violation.omit("message").fields, note: Schema.NullOr(Schema.String) })),
  ),
})

const decode = Schema.decodeUnknown(Schema.NonEmptyArray(Answer))

const textOf = ({ broken, over }: Rule) => `
  WITH broken (entity_type, entity_id, job_id, note) AS MATERIALIZED (${broken})
  SELECT (SELECT count(*) FROM ${over}) AS rows, (SELECT count(*) FROM broken) AS found,
    (SELECT json_group_array(json_object(
        'entityType', entity_type, 'entityId', entity_id, 'jobId', job_id, 'note', note))
      FROM (SELECT * FROM broken LIMIT ${mostNamed})) AS violations`

/** One effect per rule, to be run one after the other. */
export const checks = (
  storage: typeof Storage.Service,
): ReadonlyArray<Pick<Check, "name" | "invariant"> & { readonly run: Effect.Effect<Check, StorageError> }> =>
  rules.map((rule) => {
    const { invariant, message, name } = rule
    const { statement } = storage
    const look = storage.readAside(statement`${statement.literal(textOf(rule))}`)
    const run = Effect.flatMap(look, decode).pipe(
      Effect.map(
        ([{ found, rows, violations }]): Check => ({
          name,
          invariant,
          rows,
          found,
          violations: violations.map(({ note, ...subject }) => ({
            ...subject,
            message: note === null ? message : `${message}: ${note}`,
          })),
        }),
      ),
      storage.read,
    )
    return { name, invariant, run }
  })
