/**
 * What a folder that is kept in step must not forget. `directory_files` says of each file whose it is, and what file and
 * entity were like when they last agreed: by that a change is told from a conflict, a rename from a deletion, and what
 * was written by us from what somebody else wrote. `directory_batches` counts what a run did; it is there before its
 * first job, so that no job belongs to a batch that nobody knows.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  `CREATE TABLE directory_files (
    folder TEXT NOT NULL,
    path TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    file_hash TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    PRIMARY KEY (folder, path),
    UNIQUE (folder, entity_type, entity_id)
  ) STRICT, WITHOUT ROWID`,

  `CREATE TABLE directory_batches (
    batch_id TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    counts TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,

  `CREATE INDEX embedding_queue_batch ON embedding_queue (batch_id, status) WHERE batch_id IS NOT NULL`,
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
