/**
 * Which vectors are searched, and which are built beside them. The one rule that counts is kept here, where vectors are
 * written: what is stored for an entity bears the fingerprint that is searched, so a worker that has not heard of a change
 * of model can store nothing that nobody would find. A change is one row, written when nothing is missing any more.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Entity, type EntityKey } from "../Domain/Entity.js"
import { type EmbeddedChunk, notEmbedded } from "../Domain/Chunk.js"
import { StorageError } from "../Domain/Errors.js"
import { Fingerprint } from "../Domain/Fingerprint.js"
import * as Vector from "../Domain/Vector.js"
import type { Storage } from "../Storage.js"
import * as Step from "../Storage/Step.js"

/** The fingerprint that is searched, and the one that is built to take its place. */
export interface Named {
  readonly active: Fingerprint | undefined
  readonly next: Fingerprint | undefined
}

/** How many entities and chunks there are of a fingerprint. */
export interface Coverage {
  readonly entities: number
  /** Entities that have vectors of it; those that are not to be embedded are not counted at all. */
  readonly covered: number
  readonly chunks: number
}

/** Vectors for an entity as it was when it was read. */
export interface Successor {
  readonly key: EntityKey
  readonly generation: number
  readonly chunks: ReadonlyArray<EmbeddedChunk>
}

export interface Generations {
  readonly generations: Effect.Effect<Named, StorageError>
  readonly coverage: (fingerprint: Fingerprint) => Effect.Effect<Coverage, StorageError>
  /** Keys of entities without vectors of this fingerprint, in the order of (type, id). */
  readonly lacking: (page: {
    readonly fingerprint: Fingerprint
    readonly after: readonly [entityType: string, entityId: string]
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<EntityKey>, StorageError>
  /** A fair sample of those keys, and how many characters of content all of those entities have together. */
  readonly sampleLacking: (sample: {
    readonly fingerprint: Fingerprint
    readonly size: number
  }) => Effect.Effect<{ readonly keys: ReadonlyArray<EntityKey>; readonly length: number }, StorageError>
  /** From now on this one is built. */
  readonly beginNext: (fingerprint: Fingerprint) => Effect.Effect<void, StorageError>
  /** Stores vectors beside those that are searched; not for an entity that was written meanwhile. */
  readonly storeNext: (successors: ReadonlyArray<Successor>) => Effect.Effect<void, StorageError>
  /** Lets what was built be searched, if nothing is missing. False when something is. */
  readonly flip: (fingerprint: Fingerprint) => Effect.Effect<boolean, StorageError>
  /** Removes some vectors that are neither searched nor built. Answers how many; 0 when none is left. */
  readonly dropOthers: (limit: number) => Effect.Effect<number, StorageError>
}

const decodeNamed = Schema.decodeUnknownEither(
  Schema.Array(Schema.Struct({ state: Schema.Literal("active", "next"), fingerprint: Fingerprint })),
)
const decodeKeys = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ entityType: Entity.fields.entityType, entityId: Entity.fields.id })),
)
const decodeCoverage = Schema.decodeUnknown(
  Schema.NonEmptyArray(Schema.Struct({ entities: Schema.Int, covered: Schema.Int, chunks: Schema.Int })),
)
const decodeLength = Schema.decodeUnknown(Schema.NonEmptyArray(Schema.Struct({ length: Schema.Int })))

export const make = (storage: typeof Storage.Service) => {
  const { statement } = storage

  const named: Step.Step<Named> = Step.map(
    Step.mapEither(statement`SELECT state, fingerprint FROM vector_generations`, decodeNamed),
    (rows) => ({
      active: rows.find(({ state }) => state === "active")?.fingerprint,
      next: rows.find(({ state }) => state === "next")?.fingerprint,
    }),
  )

  const insertChunk = (key: EntityKey, chunk: EmbeddedChunk, at: number) => statement`
    INSERT INTO entity_vectors
      (entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading, path, start, text)
    VALUES (${key.entityType}, ${key.entityId}, ${at}, ${chunk.fingerprint}, ${chunk.inputHash},
      ${Vector.toBytes(chunk.vector)}, ${chunk.heading}, ${JSON.stringify(chunk.path)}, ${chunk.start}, ${chunk.text})`

  const isLacking = (fingerprint: Fingerprint) => statement.part`input_hash <> ${notEmbedded} AND NOT EXISTS (
    SELECT 1 FROM entity_vectors AS vector WHERE vector.fingerprint = ${fingerprint}
      AND vector.entity_type = entities.entity_type AND vector.entity_id = entities.entity_id)`

  /** In the transaction that stores: the first vectors of all, or the first after all of another kind are gone, decide. */
  const admit = Step.fn(function* (fingerprint: Fingerprint) {
    yield* statement`DELETE FROM vector_generations WHERE state = 'active' AND fingerprint <> ${fingerprint}
        AND NOT EXISTS (SELECT 1 FROM entity_vectors WHERE entity_vectors.fingerprint = vector_generations.fingerprint)`
    yield* statement`INSERT INTO vector_generations (state, fingerprint)
        SELECT 'active', ${fingerprint} WHERE NOT EXISTS (SELECT 1 FROM vector_generations WHERE state = 'active')
        ON CONFLICT (fingerprint) DO UPDATE SET state = 'active'`
    const { active } = yield* named
    if (active !== fingerprint) {
      yield* Step.fail(
        new StorageError({
          trouble: "Other",
          reason: `these vectors are of ${fingerprint}, and ${active ?? "another model"} is searched: the model was changed meanwhile`,
        }),
      )
    }
  })

  const service: Generations = {
    generations: storage.query(named),
    coverage: (fingerprint) =>
      Effect.map(
        Effect.flatMap(
          statement`SELECT (SELECT count(*) FROM entities WHERE input_hash <> ${notEmbedded}) AS entities,
            (SELECT count(*) FROM (SELECT DISTINCT entity_type, entity_id FROM entity_vectors
              WHERE fingerprint = ${fingerprint})) AS covered,
            (SELECT count(*) FROM entity_vectors WHERE fingerprint = ${fingerprint}) AS chunks`,
          decodeCoverage,
        ),
        ([row]) => row,
      ).pipe(storage.read),
    lacking: ({ after, fingerprint, limit }) =>
      Effect.flatMap(
        statement`SELECT entity_type AS "entityType", entity_id AS "entityId" FROM entities
          WHERE (entity_type, entity_id) > (${after[0]}, ${after[1]}) AND ${isLacking(fingerprint)}
          ORDER BY entity_type, entity_id LIMIT ${limit}`,
        decodeKeys,
      ).pipe(storage.read),
    sampleLacking: ({ fingerprint, size }) =>
      Effect.gen(function* () {
        // Hashes are as good as drawn by lot, and the same every time.
        const keys = yield* Effect.flatMap(
          storage.readAside(
            statement`SELECT entity_type AS "entityType", entity_id AS "entityId" FROM entities
              WHERE ${isLacking(fingerprint)} ORDER BY content_hash LIMIT ${size}`,
          ),
          decodeKeys,
        )
        const [{ length }] = yield* Effect.flatMap(
          storage.readAside(
            statement`SELECT coalesce(sum(length(content)), 0) AS length FROM entities WHERE ${isLacking(fingerprint)}`,
          ),
          decodeLength,
        )
        return { keys, length }
      }).pipe(storage.read),
    beginNext: (fingerprint) =>
      Effect.asVoid(
        statement`INSERT INTO vector_generations (state, fingerprint) VALUES ('next', ${fingerprint})
          ON CONFLICT (state) DO UPDATE SET fingerprint = excluded.fingerprint`,
      ).pipe(storage.write),
    storeNext: (successors) =>
      Effect.forEach(
        successors,
        ({ chunks, generation, key }) =>
          Effect.gen(function* () {
            const [first] = chunks
            if (first === undefined) return
            // The first statement writes, so that what is read after it stays true.
            yield* statement`DELETE FROM entity_vectors WHERE entity_type = ${key.entityType}
              AND entity_id = ${key.entityId} AND fingerprint = ${first.fingerprint}`
            const current = yield* statement`SELECT 1 FROM entities WHERE entity_type = ${key.entityType}
              AND entity_id = ${key.entityId} AND generation = ${generation}`
            if (current.length === 0) return
            yield* Effect.forEach(chunks, (chunk, at) => insertChunk(key, chunk, at), { discard: true })
          }),
        { discard: true },
      ).pipe(storage.write),
    flip: (fingerprint) =>
      Effect.gen(function* () {
        yield* statement`UPDATE vector_generations SET state = state WHERE state = 'active'`
        const missing = yield* statement`SELECT 1 FROM entities WHERE ${isLacking(fingerprint)} LIMIT 1`
        if (missing.length > 0) return false
        yield* statement`DELETE FROM vector_generations`
        yield* statement`INSERT INTO vector_generations (state, fingerprint) VALUES ('active', ${fingerprint})`
        return true
      }).pipe(storage.write),
    dropOthers: (limit) =>
      Effect.map(
        statement`DELETE FROM entity_vectors WHERE row IN (
          SELECT row FROM entity_vectors
          WHERE EXISTS (SELECT 1 FROM vector_generations WHERE state = 'active')
            AND fingerprint NOT IN (SELECT fingerprint FROM vector_generations) LIMIT ${limit}) RETURNING row`,
        (rows) => rows.length,
      ).pipe(storage.write),
  }

  return { service, admit, insertChunk }
}
