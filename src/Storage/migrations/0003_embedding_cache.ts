/**
 * Vectors by the text they were made of, so that no text is embedded twice: a note that was renamed, deleted and made
 * again, or changed back finds its vectors here, and so does a copy under another name. Ids only rise, so the newest
 * `n` rows are those above the highest id less `n`: the bound is kept without counting.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(`CREATE TABLE embedding_cache (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (fingerprint, input_hash)
  ) STRICT`)
})
