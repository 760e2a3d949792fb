/**
 * How stored text and vectors are read by whoever searches: the statements, and the types of what they give. Apart from
 * the repository's own, since they serve other masters: nothing here must be true together with a write.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Entity, type EntityKey, keyList } from "../Domain/Entity.js"
import type { StorageError } from "../Domain/Errors.js"
import { Fingerprint } from "../Domain/Fingerprint.js"
import type { EntityFilter } from "../Domain/Search.js"
import * as Vector from "../Domain/Vector.js"
import { matchAny, matchOf, type Term } from "../Domain/Words.js"
import type { Statement, Storage } from "../Storage.js"
import * as Filter from "./Filter.js"

/** An entity that has some of the words. */
export interface TextMatch extends EntityKey {
  /** BM25, above 0; the higher the better. */
  readonly bm25: number
  /** That, as a share of the most that a text could reach with all words in it; 0 to 1. */
  readonly coverage: number
}

/** A stored chunk, and by its hash the very text of it. */
export interface FoundChunk extends EntityKey {
  readonly chunk: number
  readonly fingerprint: Fingerprint
  readonly inputHash: string
}

/** A stored chunk with its vector. */
export interface StoredVector extends FoundChunk {
  /** Its number: never given twice, and its vector never changes. */
  readonly row: number
  readonly vector: Float32Array
}

/** What an index keeps of a chunk. */
export interface NumberedVector {
  readonly row: number
  readonly vector: Float32Array
}

export interface Searching {
  /** Entities by BM25, best first; titles count twice. Words that more than half of all texts have tell nothing. */
  readonly searchText: (
    terms: ReadonlyArray<Term>,
    options: { readonly filter: EntityFilter; readonly limit: number },
  ) => Effect.Effect<ReadonlyArray<TextMatch>, StorageError>
  /** Vectors of one fingerprint, in the order of rows, after the given row. */
  readonly vectorsAfter: (page: {
    readonly fingerprint: Fingerprint
    readonly row: number
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<NumberedVector>, StorageError>
  /** The numbers alone. */
  readonly rowsAfter: (page: {
    readonly fingerprint: Fingerprint
    readonly row: number
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<number>, StorageError>
  /** Those of these rows that are still there, in no particular order, and whether their entity passes the filter. */
  readonly vectorsAt: (
    rows: ReadonlyArray<number>,
    filter: EntityFilter,
  ) => Effect.Effect<ReadonlyArray<StoredVector & { readonly passes: boolean }>, StorageError>
  /** The vectors of these entities, of each in the order of its chunks. */
  readonly vectorsOf: (
    keys: ReadonlyArray<EntityKey>,
    fingerprint: Fingerprint,
  ) => Effect.Effect<ReadonlyArray<StoredVector>, StorageError>
  /** Every vector of these entities that is whole, by the hash of its text. */
  readonly knownVectors: (
    keys: ReadonlyArray<EntityKey>,
    fingerprint: Fingerprint,
  ) => Effect.Effect<ReadonlyArray<readonly [inputHash: string, vector: Float32Array]>, StorageError>
  /** The text whose vector was found and what it stands under, unless the entity was stored anew since. */
  readonly chunkText: (
    found: FoundChunk,
  ) => Effect.Effect<
    Option.Option<{ readonly text: string; readonly path: ReadonlyArray<string> }>,
    StorageError
  >
}

/** FTS5's k1, by which a word that stands everywhere in a text counts at most this much more than its rarity. */
const most = 1 + 1.2

/** How much finding a word tells that so many of all texts have: FTS5's own measure. */
const rarity = ({ holders, texts }: { readonly texts: number; readonly holders: number }) =>
  Math.max(1e-6, Math.log((texts - holders + 0.5) / (holders + 0.5)))

/** With so many texts it pays to leave out words that tell nothing: nearly all of the time goes to them. */
const manyTexts = 1000

/** With so many texts a statement takes a millisecond or two; with more it would be felt, and goes to another thread. */
const quick = { plain: 4_000, inside: 400 }

/** Texts of full-text by their numbers; `to` is beyond. */
interface Docs {
  readonly from: number
  readonly to: number
}

/** The numbers below `end` in so many parts. */
const partsOf = (end: number, width: number): ReadonlyArray<Docs> =>
  Arr.makeBy(width, (part) => ({
    from: Math.floor((end * part) / width),
    to: Math.floor((end * (part + 1)) / width),
  }))

const KeyRow = Schema.Struct({ entityType: Entity.fields.entityType, entityId: Entity.fields.id })

const decodeExtent = Schema.decodeUnknown(Schema.Array(Schema.Struct({ texts: Schema.Int, end: Schema.Int })))
const decodeCounts = Schema.decodeUnknown(Schema.Array(Schema.Array(Schema.Struct({ count: Schema.Int }))))
const decodeMatches = Schema.decodeUnknown(
  Schema.Array(Schema.Array(Schema.Struct({ ...KeyRow.fields, bm25: Schema.Finite }))),
)
const decodeRows = Schema.decodeUnknown(Schema.Array(Schema.Struct({ row: Schema.Int })))
const decodeTexts = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ text: Schema.String, path: Schema.parseJson(Schema.Array(Schema.String)) })),
)
const decodeHashed = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ inputHash: Schema.String, vector: Schema.Uint8ArrayFromSelf })),
)
const decodeNumbered = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ row: Schema.Int, vector: Schema.Uint8ArrayFromSelf })),
)
const StoredRow = Schema.Struct({
  ...KeyRow.fields,
  row: Schema.Int,
  chunk: Schema.Int,
  fingerprint: Fingerprint,
  inputHash: Schema.String,
  vector: Schema.Uint8ArrayFromSelf,
})
const decodeStored = Schema.decodeUnknown(Schema.Array(StoredRow))
const decodeFiltered = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ ...StoredRow.fields, passes: Schema.Int })),
)

/** A damaged vector is near to nothing: it has no dimensions then, and whoever compares passes over it. */
const toVector = (bytes: Uint8Array): Float32Array =>
  bytes.byteLength % Float32Array.BYTES_PER_ELEMENT === 0 ? Vector.fromBytes(bytes) : new Float32Array()

/** The newest version of what full-text has: in its live box, else in its row. */
const newestColumns: Filter.Columns = {
  entityType: "entry.entity_type",
  metadata: "coalesce(box.content -> '$.metadata', stored.metadata)",
  created: "coalesce(box.content ->> '$.created', stored.created)",
  updated: "coalesce(box.content ->> '$.updated', stored.updated)",
}

const storedColumns: Filter.Columns = {
  entityType: "stored.entity_type",
  metadata: "stored.metadata",
  created: "stored.created",
  updated: "stored.updated",
}

export const make = (storage: typeof Storage.Service): Searching => {
  const { statement } = storage
  const key = ({ entityId, entityType }: EntityKey) =>
    statement.part`entity_type = ${entityType} AND entity_id = ${entityId}`
  const keyColumns = statement.literal(`entry.entity_type AS "entityType", entry.entity_id AS "entityId"`)
  const vectorColumns = statement.part`entry.row, ${keyColumns}, entry.chunk, entry.fingerprint,
    entry.input_hash AS "inputHash", entry.vector`

  const inside = ({ from, to }: Docs) =>
    statement.part`entity_fulltext.rowid >= ${from} AND entity_fulltext.rowid < ${to}`

  /** How many of these texts have each word. */
  const holders = (terms: ReadonlyArray<Term>, docs: Docs) =>
    statement`SELECT (SELECT count(*) FROM entity_fulltext
        WHERE entity_fulltext MATCH word.value AND ${inside(docs)}) AS count
      FROM json_each(${JSON.stringify(terms.map(matchOf))}) AS word ORDER BY word.key`

  /**
   * The best of these texts, by what is known of all. Ranked before anything is joined, where the filter allows: a common
   * word may be in most of all texts. The join is CROSS so that SQLite does not ask full-text for one text after another.
   */
  const matches = (match: string, filter: EntityFilter, limit: number, docs: Docs) => {
    if (Filter.isOpen(filter)) {
      return statement`SELECT ${keyColumns}, ranked.bm25
        FROM (SELECT rowid AS doc, -bm25(entity_fulltext, 2.0, 1.0) AS bm25 FROM entity_fulltext
            WHERE entity_fulltext MATCH ${match} AND ${inside(docs)}
            ORDER BY bm25 DESC, rowid LIMIT ${limit}) AS ranked
          JOIN entity_texts AS entry ON entry.doc = ranked.doc
        ORDER BY ranked.bm25 DESC, entry.doc`
    }
    return Filter.looksInside(filter)
      ? statement`SELECT ${keyColumns}, -bm25(entity_fulltext, 2.0, 1.0) AS bm25
          FROM entity_fulltext CROSS JOIN entity_texts AS entry ON entry.doc = entity_fulltext.rowid
            LEFT JOIN embedding_boxes AS box ON box.generation = entry.generation
            LEFT JOIN entities AS stored
              ON stored.entity_type = entry.entity_type AND stored.entity_id = entry.entity_id
          WHERE entity_fulltext MATCH ${match} AND ${inside(docs)}
            AND ${Filter.condition(statement, filter, newestColumns)}
          ORDER BY bm25 DESC, entry.doc LIMIT ${limit}`
      : statement`SELECT ${keyColumns}, -bm25(entity_fulltext, 2.0, 1.0) AS bm25
          FROM entity_fulltext CROSS JOIN entity_texts AS entry ON entry.doc = entity_fulltext.rowid
          WHERE entity_fulltext MATCH ${match} AND ${inside(docs)}
            AND ${Filter.ofType(statement, filter, "entry.entity_type")}
          ORDER BY bm25 DESC, entry.doc LIMIT ${limit}`
  }

  return {
    searchText: (terms, { filter, limit }) =>
      Effect.gen(function* () {
        if (terms.length === 0) return []
        const [{ end, texts } = { end: 0, texts: 0 }] = yield* Effect.flatMap(
          storage.read(
            statement`SELECT count(*) AS texts, coalesce(max(doc) + 1, 0) AS "end" FROM entity_texts`,
          ),
          decodeExtent,
        )
        const isQuick = texts <= (Filter.looksInside(filter) ? quick.inside : quick.plain)
        /** The rows of a statement on all texts: in one go, or in parts at the same time, in the order of the parts. */
        const rows = (statementOn: (docs: Docs) => Statement) =>
          isQuick
            ? Effect.map(storage.read(statementOn({ from: 0, to: end })), Arr.of)
            : Effect.forEach(
                partsOf(end, storage.asideWidth),
                (part) => storage.readAside(statementOn(part)),
                {
                  concurrency: "unbounded",
                },
              )
        const known = yield* Effect.flatMap(
          rows((docs) => holders(terms, docs)),
          decodeCounts,
        )
        const of = (at: number) => known.reduce((sum, part) => sum + (part[at]?.count ?? 0), 0)
        const best = terms.reduce((sum, _, at) => sum + most * rarity({ texts, holders: of(at) }), 0)
        const there = terms.filter((_, at) => of(at) > 0)
        const telling = terms.filter((_, at) => of(at) > 0 && (texts < manyTexts || of(at) <= texts / 2))
        const asked = telling.length === 0 ? there : telling
        if (asked.length === 0) return []
        const found = yield* Effect.flatMap(
          rows((docs) => matches(matchAny(asked), filter, limit, docs)),
          decodeMatches,
        )
        return found
          .flat()
          .toSorted((a, b) => b.bm25 - a.bm25)
          .slice(0, limit)
          .map((match) => ({ ...match, coverage: Math.min(1, match.bm25 / best) }))
      }).pipe(storage.read),
    vectorsAfter: ({ fingerprint, limit, row }) =>
      Effect.map(
        Effect.flatMap(
          statement`SELECT row, vector FROM entity_vectors NOT INDEXED
            WHERE row > ${row} AND fingerprint = ${fingerprint} ORDER BY row LIMIT ${limit}`,
          decodeNumbered,
        ),
        (rows) => rows.map(({ row, vector }) => ({ row, vector: toVector(vector) })),
      ).pipe(storage.read),
    rowsAfter: ({ fingerprint, limit, row }) =>
      Effect.map(
        Effect.flatMap(
          statement`SELECT row FROM entity_vectors NOT INDEXED
            WHERE row > ${row} AND fingerprint = ${fingerprint} ORDER BY row LIMIT ${limit}`,
          decodeRows,
        ),
        (rows) => rows.map(({ row }) => row),
      ).pipe(storage.read),
    vectorsAt: (rows, filter) => {
      const numbers = JSON.stringify(rows)
      const found = Filter.isOpen(filter)
        ? statement`SELECT ${vectorColumns}, 1 AS passes
            FROM json_each(${numbers}) AS wanted CROSS JOIN entity_vectors AS entry ON entry.row = wanted.value`
        : statement`SELECT ${vectorColumns}, (${Filter.condition(statement, filter, storedColumns)}) AS passes
            FROM json_each(${numbers}) AS wanted
              CROSS JOIN entity_vectors AS entry ON entry.row = wanted.value
              CROSS JOIN entities AS stored
                ON stored.entity_type = entry.entity_type AND stored.entity_id = entry.entity_id`
      return Effect.map(Effect.flatMap(found, decodeFiltered), (list) =>
        list.map((one) => ({ ...one, vector: toVector(one.vector), passes: one.passes === 1 })),
      ).pipe(storage.read)
    },
    vectorsOf: (keys, fingerprint) =>
      Effect.map(
        Effect.flatMap(
          statement`SELECT ${vectorColumns}
            FROM json_each(${keyList(keys)}) AS wanted CROSS JOIN entity_vectors AS entry
            WHERE entry.entity_type = wanted.value ->> 0 AND entry.entity_id = wanted.value ->> 1
              AND entry.fingerprint = ${fingerprint}
            ORDER BY wanted.key, entry.chunk`,
          decodeStored,
        ),
        (rows) => rows.map((row) => ({ ...row, vector: toVector(row.vector) })),
      ).pipe(storage.read),
    knownVectors: (keys, fingerprint) =>
      Effect.map(
        Effect.flatMap(
          statement`SELECT input_hash AS "inputHash", vector FROM json_each(${keyList(keys)}) AS wanted
              CROSS JOIN entity_vectors
            WHERE entity_type = wanted.value ->> 0 AND entity_id = wanted.value ->> 1
              AND fingerprint = ${fingerprint}`,
          decodeHashed,
        ),
        (rows) =>
          rows.flatMap(({ inputHash, vector: bytes }) => {
            const vector = toVector(bytes)
            return Vector.flawOf([vector], 1, vector.length) === undefined && vector.length > 0
              ? [[inputHash, vector] as const]
              : []
          }),
      ).pipe(storage.read),
    chunkText: ({ chunk, fingerprint, inputHash, ...of }) =>
      Effect.map(
        Effect.flatMap(
          statement`SELECT text, path FROM entity_vectors
            WHERE ${key(of)} AND chunk = ${chunk} AND fingerprint = ${fingerprint} AND input_hash = ${inputHash}`,
          decodeTexts,
        ),
        ([row]) => Option.fromNullable(row),
      ).pipe(storage.read),
  }
}
