/**
 * What search at scale and a change of model need. The choices that are not plain to see:
 *
 * - A vector's row has a number that is never given twice (AUTOINCREMENT): an index in memory tells by it alone what is
 *   new and what is gone, and a row's vector never changes.
 * - `start` says where a chunk's text begins in that of its entity, since chunks may overlap: that nothing is missing can
 *   still be checked. `path` is the title and headings above it, for whoever shows it.
 * - `vector_generations` names the vector space that is searched and, while another is built beside it, that one. Those
 *   of before are named by what most vectors bear.
 * - Full-text is written anew, because the text now goes through `searchable` first: it is what makes words out of
 *   Chinese and Japanese, and out of names in code.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { passageHash, passageOf } from "../../Domain/Chunk.js"
import { JsonObject } from "../../Domain/Entity.js"
import { titleOf } from "../../Domain/Text.js"
import { searchable } from "../../Domain/Words.js"

const tables = [
  `CREATE TABLE vector_generations (
    state TEXT PRIMARY KEY CHECK (state IN ('active', 'next')),
    fingerprint TEXT NOT NULL UNIQUE
  ) STRICT`,
  `INSERT INTO vector_generations (state, fingerprint)
    SELECT 'active', fingerprint FROM entity_vectors GROUP BY fingerprint ORDER BY count(*) DESC LIMIT 1`,

  `ALTER TABLE entity_vectors RENAME TO entity_vectors_before`,
  `CREATE TABLE entity_vectors (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    chunk INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    vector BLOB NOT NULL,
    heading TEXT NOT NULL,
    path TEXT NOT NULL,
    start INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (entity_type, entity_id, chunk, fingerprint),
    FOREIGN KEY (entity_type, entity_id) REFERENCES entities (entity_type, entity_id) ON DELETE CASCADE
  ) STRICT`,
]

/** Rows that are read at once. */
const pageSize = 500

const VectorRow = Schema.Struct({
  row: Schema.Int,
  entityType: Schema.String,
  entityId: Schema.String,
  fingerprint: Schema.String,
  chunk: Schema.Int,
  heading: Schema.String,
  text: Schema.String,
})

const EntityRow = Schema.Struct({ row: Schema.Int, metadata: Schema.String, content: Schema.String })

/** The newest text of a full-text row, from its live box or its stored row. */
const TextRow = Schema.Struct({
  doc: Schema.Int,
  id: Schema.String,
  metadata: Schema.String,
  content: Schema.String,
})

const readMetadata = Schema.decodeOption(Schema.parseJson(JsonObject))

/** What can be read of metadata; damage is for the doctor to find. */
const metadataIn = (json: string): JsonObject => Option.getOrElse(readMetadata(json), () => ({}))

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  /** Goes through all rows of a query, in pages. */
  const walk = <A, I, E, R>(
    row: Schema.Schema<A, I>,
    page: (after: A | undefined) => Effect.Effect<ReadonlyArray<unknown>, E, R>,
    each: (row: A) => Effect.Effect<unknown, E, R>,
  ) => {
    const decode = Schema.decodeUnknown(Schema.Array(row))
    return Effect.gen(function* () {
      let last: A | undefined
      while (true) {
        const rows: ReadonlyArray<A> = yield* Effect.flatMap(page(last), decode)
        yield* Effect.forEach(rows, each, { discard: true })
        last = rows.at(-1)
        if (last === undefined) return
      }
    })
  }

  yield* Effect.forEach(tables, (statement) => sql.unsafe(statement), { discard: true })

  // Windows of before followed each other without a gap: where each begins is the length of those before it.
  let of = ""
  const ends = new Map<string, number>()
  yield* walk(
    VectorRow,
    (
      after,
    ) => sql`SELECT rowid AS row, entity_type AS "entityType", entity_id AS "entityId", fingerprint, chunk,
        heading, text
      FROM entity_vectors_before
      WHERE (entity_type, entity_id, chunk, fingerprint)
        > (${after?.entityType ?? ""}, ${after?.entityId ?? ""}, ${after?.chunk ?? -1}, ${after?.fingerprint ?? ""})
      ORDER BY entity_type, entity_id, chunk, fingerprint LIMIT ${pageSize}`,
    ({ entityId, entityType, fingerprint, heading, row, text }) => {
      const its = JSON.stringify([entityType, entityId])
      if (its !== of) ends.clear()
      of = its
      const start = ends.get(fingerprint) ?? 0
      ends.set(fingerprint, start + text.length)
      return sql`INSERT INTO entity_vectors
          (entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading, path, start, text)
        SELECT entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading,
          ${JSON.stringify(heading === "" ? [] : [heading])}, ${start}, text
        FROM entity_vectors_before WHERE rowid = ${row}`
    },
  )
  yield* sql`DROP TABLE entity_vectors_before`
  yield* sql`CREATE INDEX entity_vectors_fingerprint ON entity_vectors (fingerprint, entity_type, entity_id)`

  // A title in the metadata is part of what is embedded now.
  yield* walk(
    EntityRow,
    (after) => sql`SELECT rowid AS row, metadata, content FROM entities
      WHERE rowid > ${after?.row ?? -1} ORDER BY rowid LIMIT ${pageSize}`,
    ({ content, metadata, row }) => {
      const passage = passageOf({ content, metadata: metadataIn(metadata) })
      return passage.title === ""
        ? Effect.void
        : sql`UPDATE entities SET input_hash = ${passageHash(passage)} WHERE rowid = ${row}`
    },
  )

  yield* walk(
    TextRow,
    (after) => sql`SELECT entry.doc, entry.entity_id AS id,
        coalesce(CASE WHEN json_valid(box.content) THEN box.content -> '$.metadata' END, row.metadata, '{}') AS metadata,
        coalesce(CASE WHEN json_valid(box.content) THEN box.content ->> '$.content' END, row.content, '') AS content
      FROM entity_texts AS entry
        LEFT JOIN embedding_boxes AS box ON box.generation = entry.generation
        LEFT JOIN entities AS row ON row.entity_type = entry.entity_type AND row.entity_id = entry.entity_id
      WHERE entry.doc > ${after?.doc ?? -1} ORDER BY entry.doc LIMIT ${pageSize}`,
    ({ content, doc, id, metadata }) => {
      const title = titleOf({ id, content, metadata: metadataIn(metadata) })
      return sql`INSERT OR REPLACE INTO entity_fulltext (rowid, title, content)
        VALUES (${doc}, ${searchable(title)}, ${searchable(content)})`
    },
  )
})
