/**
 * The first tables. The choices that are not plain to see:
 *
 * - A job's row is slim; what it boxes lies beside it in `embedding_boxes`, so that a claim, a renewal or a retry
 *   rewrites some hundred bytes and not the note (measured by `scratchpad/bench/payload.ts`).
 * - `generation` comes from one counter for the whole database, so it also rises across delete and re-create,
 *   and serves as the primary key of the queue and as the tie-break of its order (`line`).
 * - `lane` says what a pending job waits for. Jobs of the future and suspects (in hand when a worker died) stand
 *   in lanes and partial indexes of their own, so a claim reads exactly the rows it takes, in their order.
 * - One unique index over (key, status) of live boxes enforces: at most one pending, one processing and one
 *   failed box per entity. It also serves every read of the overlay.
 * - A vector stands with the very text it was made of (its heading and its own piece): what is shown as found is
 *   what was compared, and anybody can check the hash.
 * - Full-text rows keep no copy of the text (`contentless_delete`): it lies in the box or in `entities`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  `CREATE TABLE embedding_queue_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL,
    paused INTEGER NOT NULL
  ) STRICT`,
  `INSERT INTO embedding_queue_state (id, generation, paused) VALUES (1, 0, 0)`,

  `CREATE TABLE embedding_queue (
    generation INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    lane TEXT CHECK (lane IN ('ready', 'delayed', 'suspect')),
    line INTEGER NOT NULL,
    outcome TEXT CHECK (outcome IN ('stored', 'superseded', 'deleted', 'exhausted', 'cancelled')),
    successor TEXT,
    priority INTEGER NOT NULL,
    scheduled_for INTEGER NOT NULL,
    max_retries INTEGER NOT NULL,
    retry_count INTEGER NOT NULL DEFAULT 0,
    crash_count INTEGER NOT NULL DEFAULT 0,
    attempt_token TEXT,
    lease_until INTEGER,
    claimed_at INTEGER,
    claimed_by TEXT,
    last_error TEXT,
    last_fault TEXT CHECK (last_fault IN ('item', 'provider', 'host')),
    batch_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    completed_at INTEGER,
    CHECK ((status = 'pending') = (lane IS NOT NULL)),
    CHECK ((status = 'processing') = (attempt_token IS NOT NULL)),
    CHECK ((status IN ('completed', 'failed')) = (outcome IS NOT NULL))
  ) STRICT`,
  `CREATE INDEX embedding_queue_ready ON embedding_queue (priority DESC, scheduled_for, line)
    WHERE lane = 'ready'`,
  `CREATE INDEX embedding_queue_delayed ON embedding_queue (scheduled_for) WHERE lane = 'delayed'`,
  `CREATE INDEX embedding_queue_suspect ON embedding_queue (scheduled_for, line) WHERE lane = 'suspect'`,
  `CREATE UNIQUE INDEX embedding_queue_live ON embedding_queue (entity_type, entity_id, status)
    WHERE status <> 'completed'`,
  `CREATE INDEX embedding_queue_entity ON embedding_queue (entity_id, entity_type, generation)`,
  `CREATE INDEX embedding_queue_lease ON embedding_queue (lease_until) WHERE status = 'processing'`,
  `CREATE INDEX embedding_queue_failed ON embedding_queue (updated_at) WHERE status = 'failed'`,
  `CREATE INDEX embedding_queue_completed ON embedding_queue (completed_at) WHERE status = 'completed'`,

  `CREATE TABLE embedding_boxes (
    generation INTEGER PRIMARY KEY REFERENCES embedding_queue (generation) ON DELETE CASCADE,
    content TEXT NOT NULL
  ) STRICT`,

  `CREATE TABLE entities (
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    metadata TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
  ) STRICT`,
  `CREATE INDEX entities_by_id ON entities (entity_id, entity_type)`,
  `CREATE INDEX entities_by_job ON entities (job_id)`,

  `CREATE TABLE entity_vectors (
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    chunk INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    vector BLOB NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (entity_type, entity_id, chunk, fingerprint),
    FOREIGN KEY (entity_type, entity_id) REFERENCES entities (entity_type, entity_id) ON DELETE CASCADE
  ) STRICT`,

  `CREATE TABLE entity_texts (
    doc INTEGER PRIMARY KEY AUTOINCREMENT,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    UNIQUE (entity_type, entity_id)
  ) STRICT`,
  `CREATE VIRTUAL TABLE entity_fulltext USING fts5 (
    title, content,
    content = '', contentless_delete = 1,
    tokenize = 'porter unicode61 remove_diacritics 2'
  )`,
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
