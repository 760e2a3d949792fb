/**
 * Reading while boxed: the live box of an entity if there is one, else its stored row. The box is always asked
 * first. Between the two questions a worker may store the box, and then the row that is read second is the same
 * version or a newer one; the other way round an entity could be missed altogether.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Entity, EntityId, type EntityKey, EntityType, keyOf, keyText } from "./Domain/Entity.js"
import { AmbiguousEntityId, EntityNotFound, type StorageError } from "./Domain/Errors.js"
import type { Box, EmbeddingState } from "./Domain/Job.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityRepository, type Page, type StoredEntity } from "./EntityRepository.js"

/** An entity as it is read: the newest version, and how its embedding stands. */
export interface EntityView extends Entity {
  readonly embedding: EmbeddingState
}

/** Both halves of what is known of an entity. */
export interface Layered {
  readonly live: Option.Option<Box<Entity>>
  readonly stored: Option.Option<StoredEntity>
}

export class EntityOverlay extends Context.Tag("embedbox/EntityOverlay")<
  EntityOverlay,
  {
    /** Box and row of a key. */
    readonly layers: (key: EntityKey) => Effect.Effect<Layered, StorageError>
    /** The same of several keys, in their order. */
    readonly layersOf: (keys: ReadonlyArray<EntityKey>) => Effect.Effect<ReadonlyArray<Layered>, StorageError>
    readonly find: (key: EntityKey) => Effect.Effect<Option.Option<EntityView>, StorageError>
    /** The key that an id, with or without its type, stands for. */
    readonly resolve: (
      entityId: string,
      entityType?: string,
    ) => Effect.Effect<EntityKey, AmbiguousEntityId | EntityNotFound | StorageError>
    /** A page of the overlay, in the order of (type, id) by their UTF-8 bytes. */
    readonly page: (page: Page) => Effect.Effect<ReadonlyArray<EntityView>, StorageError>
  }
>() {}

const isEntityType = Schema.is(EntityType)
const isEntityId = Schema.is(EntityId)

const stateOf = ({ job }: Box<Entity>): EmbeddingState =>
  job.status === "failed"
    ? { state: "failed", jobId: job.jobId, reason: job.lastError ?? "unknown" }
    : { state: job.status === "processing" ? "processing" : "pending", jobId: job.jobId }

/** The view of what was read; nothing when neither half is there. */
export const viewOf = ({ live, stored }: Layered): Option.Option<EntityView> =>
  Option.match(live, {
    onSome: (box) => Option.some({ ...box.content, embedding: stateOf(box) }),
    onNone: () =>
      Option.map(stored, ({ entity, jobId }) => ({ ...entity, embedding: { state: "ready", jobId } })),
  })

/** The order in which SQLite keeps keys. */
const compareText = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

export const make = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository

  const layers = (key: EntityKey) =>
    Effect.gen(function* () {
      const live = yield* queue.liveBox(key)
      const stored = yield* repository.find(key)
      return { live, stored }
    })

  const layersOf = (keys: ReadonlyArray<EntityKey>) =>
    Effect.gen(function* () {
      const boxes = new Map((yield* queue.liveBoxesOf(keys)).map((box) => [keyText(box.job), box]))
      const rows = new Map((yield* repository.findAll(keys)).map((row) => [keyText(keyOf(row.entity)), row]))
      return keys.map((key) => ({
        live: Option.fromNullable(boxes.get(keyText(key))),
        stored: Option.fromNullable(rows.get(keyText(key))),
      }))
    })

  const find = (key: EntityKey) => Effect.map(layers(key), viewOf)

  const resolveTyped = (entityId: string, entityType: string) => {
    const missing = new EntityNotFound({ entityType, entityId })
    // What is no name, or no id, is the key of nothing.
    if (!isEntityType(entityType) || !isEntityId(entityId)) return Effect.fail(missing)
    const key: EntityKey = { entityType, entityId }
    return Effect.flatMap(
      find(key),
      Option.match({ onNone: () => Effect.fail(missing), onSome: () => Effect.succeed(key) }),
    )
  }

  const resolve = (entityId: string, entityType?: string) =>
    Effect.gen(function* () {
      if (entityType !== undefined) return yield* resolveTyped(entityId, entityType)
      const boxes = yield* queue.liveByEntityId(entityId)
      const rows = yield* repository.findByEntityId(entityId)
      const keys = new Map<string, EntityKey>()
      for (const { content } of boxes) {
        keys.set(content.entityType, { entityType: content.entityType, entityId: content.id })
      }
      for (const { entity } of rows) {
        keys.set(entity.entityType, { entityType: entity.entityType, entityId: entity.id })
      }
      const [key] = keys.values()
      if (key === undefined) return yield* new EntityNotFound({ entityType: "any", entityId })
      if (keys.size > 1) {
        return yield* new AmbiguousEntityId({ entityId, entityTypes: [...keys.keys()].toSorted() })
      }
      return key
    })

  const page = (wanted: Page) =>
    Effect.gen(function* () {
      const boxes = yield* queue.liveBoxes(wanted)
      const rows = yield* repository.page(wanted)
      const merged = new Map<string, { readonly generation: number; readonly view: EntityView }>()
      const put = (generation: number, view: EntityView) => {
        const key = JSON.stringify([view.entityType, view.id])
        const known = merged.get(key)
        if (known === undefined || generation > known.generation) merged.set(key, { generation, view })
      }
      for (const { entity, generation, jobId } of rows) {
        put(generation, { ...entity, embedding: { state: "ready", jobId } })
      }
      for (const box of boxes) put(box.job.generation, { ...box.content, embedding: stateOf(box) })
      return [...merged.values()]
        .map(({ view }) => view)
        .toSorted((a, b) => compareText(a.entityType, b.entityType) || compareText(a.id, b.id))
        .slice(0, wanted.limit)
    })

  return EntityOverlay.of({ layers, layersOf, find, resolve, page })
})

export const layer: Layer.Layer<EntityOverlay, never, EmbeddingQueue | EntityRepository> = Layer.effect(
  EntityOverlay,
  make,
)
