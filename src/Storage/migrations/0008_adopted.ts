/**
 * What adoptions have brought. `adopted` says of each entity from which table it came and what it was like then: by that an
 * entity that was changed or deleted here since is told from one that never was, whatever path or mapping the table is read
 * by the next time. A row outlives its entity: that is how a deletion is known. `adoption_left_out` are the rows that could
 * not be brought, by their keys in the table, so that they are looked at again and not forgotten behind the last row.
 * What was brought before there were these tables is not known to have been: it is never replaced unasked all the same.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const statements = [
  `CREATE TABLE adopted (
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
  ) STRICT, WITHOUT ROWID`,

  `CREATE TABLE adoption_left_out (
    source TEXT NOT NULL,
    mapping TEXT NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (source, mapping, position)
  ) STRICT, WITHOUT ROWID`,
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
