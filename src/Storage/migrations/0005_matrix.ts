/**
 * What the Matrix interface must not forget, and the board on which interfaces say how they stand. The choices that
 * are not plain to see:
 *
 * - Everything bears its account (a user id), so that a bot that is given another user starts afresh and two bots may
 *   share a file. `holder` and `beat_at` let one process speak for an account: who writes names itself first.
 * - `matrix_commands` is filled in the transaction that moves `sync_token`, and a command ends in the transaction that
 *   holds its effects and its answer. So a command is neither lost nor done twice, whenever the process dies.
 * - A message's transaction id is fixed when it enters `matrix_outbox`: sent again, it is the same message.
 * - `matrix_answers` are messages that will still change, and `matrix_jobs` what they wait for.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  `CREATE TABLE interface_notices (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('starting', 'connected', 'retrying', 'refused', 'standby')),
    reason TEXT,
    waiting INTEGER NOT NULL,
    since INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
  ) STRICT, WITHOUT ROWID`,

  `CREATE TABLE matrix_accounts (
    user_id TEXT PRIMARY KEY,
    device_id TEXT,
    sync_token TEXT,
    holder TEXT,
    beat_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,

  `CREATE TABLE matrix_rooms (
    account TEXT NOT NULL,
    room_id TEXT NOT NULL,
    present INTEGER NOT NULL CHECK (present IN (0, 1)),
    direct INTEGER NOT NULL CHECK (direct IN (0, 1)),
    heard INTEGER NOT NULL CHECK (heard IN (0, 1)),
    joined INTEGER,
    invited INTEGER,
    encrypted INTEGER NOT NULL CHECK (encrypted IN (0, 1)),
    warned INTEGER NOT NULL CHECK (warned IN (0, 1)),
    PRIMARY KEY (account, room_id)
  ) STRICT, WITHOUT ROWID`,

  `CREATE TABLE matrix_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    room_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('message', 'edit', 'join', 'leave')),
    txn_id TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    edits INTEGER REFERENCES matrix_outbox (seq) ON DELETE CASCADE,
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    event_id TEXT,
    refused TEXT,
    CHECK ((kind = 'edit') = (edits IS NOT NULL))
  ) STRICT`,
  `CREATE INDEX matrix_outbox_waiting ON matrix_outbox (account, kind = 'edit', seq) WHERE ended_at IS NULL`,
  `CREATE INDEX matrix_outbox_event ON matrix_outbox (event_id) WHERE event_id IS NOT NULL`,
  `CREATE INDEX matrix_outbox_edits ON matrix_outbox (edits) WHERE edits IS NOT NULL`,

  `CREATE TABLE matrix_commands (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    event_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    event TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,
    ended_at INTEGER,
    effect TEXT,
    answer INTEGER REFERENCES matrix_outbox (seq) ON DELETE SET NULL,
    UNIQUE (account, event_id)
  ) STRICT`,
  `CREATE INDEX matrix_commands_waiting ON matrix_commands (account, sender, seq) WHERE ended_at IS NULL`,
  `CREATE INDEX matrix_commands_ended ON matrix_commands (ended_at) WHERE ended_at IS NOT NULL`,
  `CREATE INDEX matrix_commands_answer ON matrix_commands (answer) WHERE answer IS NOT NULL`,

  `CREATE TABLE matrix_answers (
    answer INTEGER PRIMARY KEY REFERENCES matrix_outbox (seq) ON DELETE CASCADE,
    account TEXT NOT NULL,
    facts TEXT NOT NULL,
    entering INTEGER NOT NULL CHECK (entering IN (0, 1)),
    open INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    ending TEXT,
    edits INTEGER NOT NULL DEFAULT 0,
    edited_at INTEGER NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0 CHECK (finished IN (0, 1))
  ) STRICT`,
  `CREATE INDEX matrix_answers_open ON matrix_answers (account) WHERE finished = 0`,

  `CREATE TABLE matrix_jobs (
    job_id TEXT NOT NULL,
    answer INTEGER NOT NULL REFERENCES matrix_answers (answer) ON DELETE CASCADE,
    PRIMARY KEY (job_id, answer)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX matrix_jobs_answer ON matrix_jobs (answer)`,

  `CREATE TABLE matrix_cursors (
    account TEXT NOT NULL,
    room_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (account, room_id, sender)
  ) STRICT, WITHOUT ROWID`,
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
