/**
 * The newest embedded version of every entity, its vectors and its full-text row: the SQL of those tables and
 * nothing else. Nobody else writes them. What must be true together is written by one method, to be called inside
 * the caller's transaction; a row is replaced only by a higher generation, so a late writer changes nothing.
 * The full-text row is the exception to "embedded": it follows the newest accepted text at once, since words need
 * no model, and so belongs to the entity or to its live box.
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Decoding from "./Domain/Decoding.js"
import { Entity, type EntityKey, JsonObject, keyList, keyOf, keyText } from "./Domain/Entity.js"
import type { EmbeddedChunk } from "./Domain/Chunk.js"
import type { StorageError } from "./Domain/Errors.js"
import { JobId } from "./Domain/Job.js"
import { titleOf } from "./Domain/Text.js"
import { searchable } from "./Domain/Words.js"
import * as Unreadable from "./Domain/Unreadable.js"
import type { Readable } from "./Domain/Unreadable.js"
import * as Generations from "./EntityRepository/Generations.js"
import * as Searching from "./EntityRepository/Searching.js"
import { type Statement, Storage } from "./Storage.js"
import * as Step from "./Storage/Step.js"

/** A stored row: the entity and what it was stored by. */
export interface StoredEntity {
  readonly entity: Entity
  readonly generation: number
  readonly jobId: JobId
  /** Hash of the text that was to be embedded, before it was split. */
  readonly inputHash: string
}

/** An entity as some write made it. */
export type Version = Pick<StoredEntity, "entity" | "generation">

export type { FoundChunk, NumberedVector, StoredVector, TextMatch } from "./EntityRepository/Searching.js"

/** Everything that becomes true when an embedding is stored. */
export interface Embedded extends StoredEntity {
  readonly chunks: ReadonlyArray<EmbeddedChunk>
}

/** Which rows are read: those after a key, in the order of (type, id). */
export interface Page {
  /** Only these types; all when empty. */
  readonly entityTypes: ReadonlyArray<string>
  /** Keys after this one, in the order of (type, id). */
  readonly after: readonly [entityType: string, entityId: string]
  readonly limit: number
}

/** The tables of entities, vectors and full-text. Hosts read through `EntityService`. */
export class EntityRepository extends Context.Tag("embedbox/EntityRepository")<
  EntityRepository,
  Searching.Searching &
    Generations.Generations & {
      readonly find: (key: EntityKey) => Effect.Effect<Option.Option<StoredEntity>, StorageError>
      /** The stored rows of these keys, in no particular order; a key without one is left out. */
      readonly findAll: (
        keys: ReadonlyArray<EntityKey>,
      ) => Step.Step<ReadonlyArray<Readable<StoredEntity>>, StorageError>
      /** Whether a row is stored under any of these keys, readable or not. */
      readonly hasAny: (keys: Arr.NonEmptyReadonlyArray<EntityKey>) => Step.Step<boolean, StorageError>
      /** The keys of the stored entities, of any type, that bear this id. */
      readonly findByEntityId: (entityId: string) => Effect.Effect<ReadonlyArray<EntityKey>, StorageError>
      readonly findByJob: (jobId: string) => Effect.Effect<Option.Option<StoredEntity>, StorageError>
      readonly page: (page: Page) => Effect.Effect<ReadonlyArray<Readable<StoredEntity>>, StorageError>
      readonly count: Effect.Effect<number, StorageError>
      /** The same with those that have never been embedded: full-text has each. */
      readonly countAll: Effect.Effect<number, StorageError>

      /** Entity, vectors and full-text in one transaction. False when a newer generation stands there already. */
      readonly store: (embedded: Embedded) => Effect.Effect<boolean, StorageError>
      /** The same for several of different keys, all in one transaction. */
      readonly storeAll: (
        embedded: ReadonlyArray<Embedded>,
      ) => Step.Step<ReadonlyArray<boolean>, StorageError>
      /** Changes the row but not its vectors: the text to embed is the same. */
      readonly storeUnembedded: (stored: StoredEntity) => Step.Step<boolean, StorageError>
      /** Makes the words of this version findable, unless a newer one is. */
      readonly indexText: (entity: Entity, generation: number) => Step.Step<void, StorageError>
      /** The same for several of different keys, all in one transaction. */
      readonly indexTexts: (versions: ReadonlyArray<Version>) => Step.Step<void, StorageError>
      /** What is stored under a key goes to that of this version, which nothing is stored under; its vectors stay. */
      readonly move: (from: EntityKey, to: StoredEntity) => Effect.Effect<void, StorageError>
      /** Row, vectors and full-text. False when there was no row (full-text goes in any case). */
      readonly remove: (key: EntityKey) => Effect.Effect<boolean, StorageError>
    }
>() {}

/** Metadata is read by itself, so that a row in which it is damaged can still be told by its key. */
const EntityRow = Schema.Struct({
  ...Entity.fields,
  metadata: Schema.String,
  generation: Schema.Int,
  jobId: JobId,
  inputHash: Schema.String,
})

const KeyRow = Schema.Struct({ entityType: Entity.fields.entityType, entityId: Entity.fields.id })

const decodeEntities = Decoding.list(EntityRow)
const decodeKeys = Decoding.list(KeyRow)
const decodeMetadata = Decoding.json(JsonObject)
const decodeDocs = Decoding.list(Schema.Struct({ ...KeyRow.fields, doc: Schema.Int }))
const decodeCount = Schema.decodeUnknownEither(Schema.NonEmptyArray(Schema.Struct({ count: Schema.Int })))

const toStored = ({ metadata, ...row }: typeof EntityRow.Type): Readable<StoredEntity> => {
  const { generation, inputHash, jobId, ...fields } = row
  return Either.match(decodeMetadata(metadata), {
    onLeft: (error) =>
      Unreadable.make({ entityType: row.entityType, entityId: row.id, generation }, "stored row", error),
    onRight: (read) => Either.right({ entity: { ...fields, metadata: read }, generation, inputHash, jobId }),
  })
}

/** The service, made of what it needs. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const { sql, statement } = storage
  const generations = Generations.make(storage)
  const columns = statement.literal(`
    entity_type AS "entityType", entity_id AS id, generation, job_id AS "jobId", created, updated,
    content_hash AS "contentHash", input_hash AS "inputHash", metadata, content`)
  const isOf = (key: EntityKey) =>
    statement.part`entity_type = ${key.entityType} AND entity_id = ${key.entityId}`
  const isAmong = (entityTypes: ReadonlyArray<string>) => {
    const list = JSON.stringify(entityTypes)
    return statement.part`(${list} = '[]' OR entity_type IN (SELECT value FROM json_each(${list})))`
  }
  const entities = (rows: Statement) =>
    storage.query(Step.map(Step.mapEither(rows, decodeEntities), (list) => list.map(toStored)))
  const first = (rows: Statement) =>
    Effect.flatMap(entities(rows), ([row]) =>
      row === undefined
        ? Effect.succeedNone
        : Effect.map(
            Either.mapLeft(row, ({ error }) => error),
            Option.some,
          ),
    )

  const countOf = (counted: Statement) =>
    Effect.map(Effect.flatMap(counted, decodeCount), ([row]) => row.count).pipe(storage.read)

  // A lone one by a plain row: a table of JSON costs more than the rest of the statement.
  const docsOf = (versions: ReadonlyArray<Version>): Statement => {
    const [one, ...more] = versions
    const list = versions.map(({ entity, generation }) => [entity.entityType, entity.id, generation])
    const rows =
      one !== undefined && more.length === 0
        ? statement.part`VALUES (${one.entity.entityType}, ${one.entity.id}, ${one.generation})`
        : // Without a WHERE, SQLite takes ON CONFLICT for the condition of a join.
          statement.part`SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(list)}) WHERE true`
    return statement`INSERT INTO entity_texts (entity_type, entity_id, generation) ${rows}
      ON CONFLICT (entity_type, entity_id) DO UPDATE SET generation = excluded.generation
        WHERE excluded.generation > entity_texts.generation
      RETURNING doc, entity_type AS "entityType", entity_id AS "entityId"`
  }

  // The full-text rows come last and together: FTS5 gathers words in memory, and writes them out whenever a statement
  // on another table makes a savepoint.
  const insertTexts = Step.fn(function* (versions: ReadonlyArray<Version>) {
    const docs = yield* Step.mapEither(docsOf(versions), decodeDocs)
    if (docs.length === 0) return
    const texts = new Map(versions.map(({ entity }) => [keyText(keyOf(entity)), entity]))
    for (const { doc, ...key } of docs) {
      const entity = texts.get(keyText(key))
      if (entity === undefined) continue
      yield* statement`INSERT OR REPLACE INTO entity_fulltext (rowid, title, content)
        VALUES (${doc}, ${searchable(titleOf(entity))}, ${searchable(entity.content)})`
    }
  })

  const indexTexts = (versions: ReadonlyArray<Version>) => storage.transact(insertTexts(versions))

  const upsertRow = ({ entity, generation, inputHash, jobId }: StoredEntity) =>
    Step.map(
      statement`INSERT INTO entities (
          entity_type, entity_id, generation, job_id, created, updated, content_hash, input_hash, metadata, content
        ) VALUES (
          ${entity.entityType}, ${entity.id}, ${generation}, ${jobId}, ${entity.created}, ${entity.updated},
          ${entity.contentHash}, ${inputHash}, ${JSON.stringify(entity.metadata)}, ${entity.content}
        ) ON CONFLICT (entity_type, entity_id) DO UPDATE SET
          generation = excluded.generation, job_id = excluded.job_id, created = excluded.created,
          updated = excluded.updated, content_hash = excluded.content_hash, input_hash = excluded.input_hash,
          metadata = excluded.metadata, content = excluded.content
        WHERE excluded.generation > entities.generation
        RETURNING generation`,
      (rows) => rows.length === 1,
    )

  const upsertAll = Step.fn(function* (all: ReadonlyArray<Embedded>) {
    for (const fingerprint of new Set(all.flatMap(({ chunks }) => chunks.map((one) => one.fingerprint)))) {
      yield* generations.admit(fingerprint)
    }
    const stored: Array<boolean> = []
    for (const one of all) stored.push(yield* upsertRow(one))
    const rows = all.filter((_, at) => stored[at])
    // Every vector of an older text goes, of whatever model: none may be found in the new one's name.
    yield* statement`DELETE FROM entity_vectors WHERE (entity_type, entity_id) IN (
      SELECT value ->> 0, value ->> 1 FROM json_each(${keyList(rows.map(({ entity }) => keyOf(entity)))}))`
    for (const { chunks, entity } of rows) {
      for (const [at, chunk] of chunks.entries()) {
        yield* generations.insertChunk(keyOf(entity), chunk, at)
      }
    }
    yield* indexTexts(rows)
    return stored
  })

  const storeAll = (all: ReadonlyArray<Embedded>) => storage.transact(upsertAll(all))

  const upsertUnembedded = Step.fn(function* (stored: StoredEntity) {
    if (!(yield* upsertRow(stored))) return false
    yield* indexTexts([stored])
    return true
  })

  const storeUnembedded = (stored: StoredEntity) => storage.transact(upsertUnembedded(stored))

  const remove = (key: EntityKey) =>
    Effect.gen(function* () {
      const rows = yield* sql`DELETE FROM entities WHERE ${isOf(key)} RETURNING generation`
      const docs = yield* Effect.flatMap(
        sql`DELETE FROM entity_texts WHERE ${isOf(key)}
          RETURNING doc, entity_type AS "entityType", entity_id AS "entityId"`,
        decodeDocs,
      )
      yield* Effect.forEach(docs, ({ doc }) => sql`DELETE FROM entity_fulltext WHERE rowid = ${doc}`, {
        discard: true,
      })
      return rows.length === 1
    }).pipe(storage.write)

  const move = (from: EntityKey, to: StoredEntity) =>
    Effect.gen(function* () {
      yield* storeUnembedded(to)
      yield* sql`UPDATE entity_vectors SET entity_type = ${to.entity.entityType}, entity_id = ${to.entity.id}
        WHERE ${isOf(from)}`
      yield* remove(from)
    }).pipe(storage.write)

  return EntityRepository.of({
    find: (key) => first(statement`SELECT ${columns} FROM entities WHERE ${isOf(key)}`),
    findAll: (keys) =>
      entities(statement`SELECT ${columns}
        FROM json_each(${keyList(keys)}) AS wanted
          CROSS JOIN entities
        WHERE entity_type = wanted.value ->> 0 AND entity_id = wanted.value ->> 1`),
    hasAny: ([one, ...more]) =>
      storage.query(
        Step.map(
          more.length === 0
            ? statement`SELECT 1 FROM entities
                WHERE entity_type = ${one.entityType} AND entity_id = ${one.entityId}`
            : statement`SELECT 1 FROM json_each(${keyList([one, ...more])}) AS wanted CROSS JOIN entities
                WHERE entity_type = wanted.value ->> 0 AND entity_id = wanted.value ->> 1 LIMIT 1`,
          (rows) => rows.length > 0,
        ),
      ),
    findByEntityId: (entityId) =>
      Effect.flatMap(
        sql`SELECT entity_type AS "entityType", entity_id AS "entityId" FROM entities
          WHERE entity_id = ${entityId} ORDER BY entity_type`,
        decodeKeys,
      ).pipe(storage.read),
    findByJob: (jobId) => first(statement`SELECT ${columns} FROM entities WHERE job_id = ${jobId} LIMIT 1`),
    page: ({ after, entityTypes, limit }) =>
      entities(statement`SELECT ${columns} FROM entities
        WHERE (entity_type, entity_id) > (${after[0]}, ${after[1]}) AND ${isAmong(entityTypes)}
        ORDER BY entity_type, entity_id LIMIT ${limit}`),
    count: countOf(statement`SELECT count(*) AS count FROM entities`),
    countAll: countOf(statement`SELECT count(*) AS count FROM entity_texts`),
    store: (embedded) => Effect.map(storeAll([embedded]), ([stored]) => stored === true),
    storeAll,
    storeUnembedded,
    indexText: (entity, generation) => indexTexts([{ entity, generation }]),
    indexTexts,
    move,
    remove,
    ...Searching.make(storage),
    ...generations.service,
  })
})

/**
 * The service as a Layer.
 *
 * @example
 * import { EntityRepository } from "embedbox"
 * import { Effect } from "effect"
 *
 * // How many entities are stored; those that only wait are not among them.
 * export const stored = Effect.flatMap(EntityRepository.EntityRepository, ({ count }) => count)
 */
export const layer: Layer.Layer<EntityRepository, never, Storage> = Layer.effect(EntityRepository, make)
