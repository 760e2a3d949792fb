/**
 * How far the rows of somebody else's table have been brought in. `position` is the key of the last row that is done, and
 * is written in the transaction that saves what came of it: so whoever was cut off goes on with the next row, and does none
 * twice. One row per source and mapping: the same table mapped otherwise is another adoption.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  `CREATE TABLE adoptions (
    source TEXT NOT NULL,
    mapping TEXT NOT NULL,
    position TEXT,
    counts TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (source, mapping)
  ) STRICT, WITHOUT ROWID`,
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
