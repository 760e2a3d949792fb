/**
 * What a queue must know to be honest under faults. The choices that are not plain to see:
 *
 * - `waiting` is counted by triggers, so that every create can be held against a bound for the price of reading a
 *   row that it writes anyway; counting the lanes would cost each create a walk over the backlog. Triggers, not
 *   statements: no rule of the queue can forget one.
 * - `embedding_attempts` gets a row only when an attempt goes wrong, so that success pays nothing for it.
 * - `embedding_workers` is how a process tells the others that it works and what holds it up. It is a notice board:
 *   no rule depends on it.
 * - The index over `updated_at` finds jobs that wait for a time and were written "in the future", which is how a
 *   clock that was set back shows. Jobs in hand are few, and need none.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  `ALTER TABLE embedding_queue_state ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0`,
  `UPDATE embedding_queue_state SET waiting = (SELECT count(*) FROM embedding_queue WHERE lane IS NOT NULL)`,
  `CREATE TRIGGER embedding_queue_enters AFTER INSERT ON embedding_queue WHEN NEW.lane IS NOT NULL BEGIN
    UPDATE embedding_queue_state SET waiting = waiting + 1 WHERE id = 1;
  END`,
  `CREATE TRIGGER embedding_queue_returns AFTER UPDATE OF lane ON embedding_queue
    WHEN OLD.lane IS NULL AND NEW.lane IS NOT NULL BEGIN
    UPDATE embedding_queue_state SET waiting = waiting + 1 WHERE id = 1;
  END`,
  `CREATE TRIGGER embedding_queue_leaves AFTER UPDATE OF lane ON embedding_queue
    WHEN OLD.lane IS NOT NULL AND NEW.lane IS NULL BEGIN
    UPDATE embedding_queue_state SET waiting = waiting - 1 WHERE id = 1;
  END`,
  `CREATE TRIGGER embedding_queue_goes AFTER DELETE ON embedding_queue WHEN OLD.lane IS NOT NULL BEGIN
    UPDATE embedding_queue_state SET waiting = waiting - 1 WHERE id = 1;
  END`,

  `CREATE TABLE embedding_attempts (
    generation INTEGER NOT NULL REFERENCES embedding_queue (generation) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER NOT NULL,
    worker TEXT,
    crashed INTEGER NOT NULL CHECK (crashed IN (0, 1)),
    fault TEXT NOT NULL CHECK (fault IN ('item', 'provider', 'host')),
    error TEXT NOT NULL,
    PRIMARY KEY (generation, attempt)
  ) STRICT, WITHOUT ROWID`,

  `CREATE TABLE embedding_workers (
    owner TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    in_hand INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    provider_failures INTEGER NOT NULL,
    provider_until INTEGER,
    provider_reason TEXT,
    CHECK ((provider_failures = 0) = (provider_until IS NULL AND provider_reason IS NULL))
  ) STRICT, WITHOUT ROWID`,

  `CREATE INDEX embedding_queue_timed ON embedding_queue (updated_at) WHERE lane IN ('delayed', 'suspect')`,
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
