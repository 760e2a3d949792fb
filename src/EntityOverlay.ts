/**
 * Reading while boxed: the live box of an entity if there is one, else its stored row. The box is always asked
 * first. Between the two questions a worker may store the box, and then the row that is read second is the same
 * version or a newer one; the other way round an entity could be missed altogether.
 *
 * @example
 * import { EntityOverlay } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const newest = (entityId: string) =>
 *   Effect.gen(function* () {
 *     const overlay = yield* EntityOverlay.EntityOverlay
 *     return yield* overlay.find(yield* overlay.resolve(entityId))
 *   })
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Entity, EntityId, type EntityKey, EntityType, keyOf, keyText } from "./Domain/Entity.js"
import { AmbiguousEntityId, EntityNotFound, type StorageError } from "./Domain/Errors.js"
import type { Box, EmbeddingState } from "./Domain/Job.js"
import type { Readable, Unreadable } from "./Domain/Unreadable.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityRepository, type Page, type StoredEntity } from "./EntityRepository.js"
import { Storage } from "./Storage.js"
import * as Step from "./Storage/Step.js"

/** An entity as it is read: the newest version, and how its embedding stands. */
export interface EntityView extends Entity {
  readonly embedding: EmbeddingState
}

/** Both halves of what is known of an entity. */
export interface Layered {
  readonly live: Option.Option<Box<Entity>>
  readonly stored: Option.Option<StoredEntity>
}

/** Reads the newest version of entities, boxed or stored. */
export class EntityOverlay extends Context.Tag("embedbox/EntityOverlay")<
  EntityOverlay,
  {
    /** Whether nothing is known of any of these keys: what writers of new entities ask first, since nearly always it is so. */
    readonly areFree: (keys: Arr.NonEmptyReadonlyArray<EntityKey>) => Step.Step<boolean, StorageError>
    /** Box and row of each key, in their order; for one whose newest version cannot be read, why. */
    readonly layersOf: (
      keys: ReadonlyArray<EntityKey>,
    ) => Step.Step<ReadonlyArray<Either.Either<Layered, StorageError>>, StorageError>
    /** The newest version. One that cannot be read is `StorageError` ("InvalidRow"), never the older one behind it. */
    readonly find: (key: EntityKey) => Effect.Effect<Option.Option<EntityView>, StorageError>
    /** The key that an id, with or without its type, stands for. */
    readonly resolve: (
      entityId: string,
      entityType?: string,
    ) => Effect.Effect<EntityKey, AmbiguousEntityId | EntityNotFound | StorageError>
    /**
     * A page of the overlay, in the order of (type, id) by their UTF-8 bytes. What cannot be read is left out, and
     * the log says so.
     */
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

/** Behind a box that can be read, a damaged row is of no account: it will be replaced. */
const layered = (
  box: Readable<Box<Entity>> | undefined,
  row: Readable<StoredEntity> | undefined,
): Either.Either<Layered, StorageError> => {
  if (box !== undefined && Either.isLeft(box)) return Either.left(errorOf(box.left))
  const live = Option.map(Option.fromNullable(box), ({ right }) => right)
  if (row === undefined || Either.isRight(row)) {
    return Either.right({ live, stored: Option.map(Option.fromNullable(row), ({ right }) => right) })
  }
  return Option.isSome(live) ? Either.right({ live, stored: Option.none() }) : Either.left(errorOf(row.left))
}

/** A key of the overlay and the newest that is known of it. */
interface Place extends EntityKey {
  readonly generation: number
  readonly view: Either.Either<EntityView, StorageError>
}

const errorOf = ({ error }: Unreadable) => error

const byKey = <A>(all: ReadonlyArray<Readable<A>>, key: (one: A) => EntityKey) =>
  new Map(
    all.map((one) => [keyText(Either.match(one, { onLeft: (left) => left, onRight: key })), one] as const),
  )

/** The order in which SQLite keeps keys. */
const compareText = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Makes the service. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository

  const lookUp = Step.fn(function* (keys: ReadonlyArray<EntityKey>) {
    const boxes = byKey(yield* queue.liveBoxesOf(keys), ({ job }) => job)
    const rows = byKey(yield* repository.findAll(keys), ({ entity }) => keyOf(entity))
    return keys.map(keyText).map((name) => layered(boxes.get(name), rows.get(name)))
  })

  const layersOf = (keys: ReadonlyArray<EntityKey>) => storage.query(lookUp(keys))

  const lookWhetherFree = Step.fn(function* (keys: Arr.NonEmptyReadonlyArray<EntityKey>) {
    return !(yield* queue.hasLive(keys)) && !(yield* repository.hasAny(keys))
  })

  const areFree = (keys: Arr.NonEmptyReadonlyArray<EntityKey>) => storage.query(lookWhetherFree(keys))

  const find = (key: EntityKey) =>
    Effect.flatMap(layersOf([key]), ([one]) =>
      one === undefined ? Effect.succeedNone : Effect.map(one, viewOf),
    )

  const resolveTyped = (entityId: string, entityType: string) =>
    Effect.gen(function* () {
      const missing = new EntityNotFound({ entityType, entityId })
      // What is no name, or no id, is the key of nothing.
      if (!isEntityType(entityType) || !isEntityId(entityId)) return yield* missing
      const key: EntityKey = { entityType, entityId }
      const [one] = yield* layersOf([key])
      // What cannot be read is there: it can be deleted.
      const isThere = one !== undefined && (Either.isLeft(one) || Option.isSome(viewOf(one.right)))
      return isThere ? key : yield* missing
    })

  const resolve = (entityId: string, entityType?: string) =>
    Effect.gen(function* () {
      if (entityType !== undefined) return yield* resolveTyped(entityId, entityType)
      const boxed = yield* queue.liveByEntityId(entityId)
      const stored = yield* repository.findByEntityId(entityId)
      const keys = new Map([...boxed, ...stored].map((key) => [key.entityType, key]))
      const [key] = keys.values()
      if (key === undefined) return yield* new EntityNotFound({ entityType, entityId })
      if (keys.size > 1) {
        return yield* new AmbiguousEntityId({ entityId, entityTypes: [...keys.keys()].toSorted() })
      }
      return { entityType: key.entityType, entityId: key.entityId }
    })

  /** The next keys of the overlay, at most so many, and what can be read of each. */
  const stretch = (wanted: Page) =>
    Effect.gen(function* () {
      const boxes = yield* queue.liveBoxes(wanted)
      const rows = yield* repository.page(wanted)
      const merged = new Map<string, Place>()
      const put = (place: Place) => {
        const known = merged.get(keyText(place))
        if (known === undefined || place.generation > known.generation) merged.set(keyText(place), place)
      }
      for (const row of rows) {
        put(
          Either.match(row, {
            onLeft: (left) => ({ ...left, view: Either.left(left.error) }),
            onRight: ({ entity, generation, jobId }) => ({
              ...keyOf(entity),
              generation,
              view: Either.right({ ...entity, embedding: { state: "ready", jobId } }),
            }),
          }),
        )
      }
      for (const live of boxes) {
        put(
          Either.match(live, {
            onLeft: (left) => ({ ...left, view: Either.left(left.error) }),
            onRight: (box) => ({
              ...keyOf(box.content),
              generation: box.job.generation,
              view: Either.right({ ...box.content, embedding: stateOf(box) }),
            }),
          }),
        )
      }
      return [...merged.values()]
        .toSorted((a, b) => compareText(a.entityType, b.entityType) || compareText(a.entityId, b.entityId))
        .slice(0, wanted.limit)
    })

  /** A page is as full as it can be: a short one is the last, whatever was left out. */
  const page = (wanted: Page): Effect.Effect<ReadonlyArray<EntityView>, StorageError> =>
    Effect.gen(function* () {
      const places = yield* stretch(wanted)
      const [damaged, views] = Arr.separate(places.map(({ view }) => view))
      yield* Effect.forEach(damaged, ({ reason }) => Effect.logWarning(`left out of a list: ${reason}`), {
        discard: true,
      })
      const last = places.at(-1)
      if (damaged.length === 0 || last === undefined || places.length < wanted.limit) return views
      const after = [last.entityType, last.entityId] as const
      return [...views, ...(yield* page({ ...wanted, after, limit: damaged.length }))]
    })

  return EntityOverlay.of({ areFree, layersOf, find, resolve, page })
})

/** The service over what it stands on, as a Layer. */
export const layer: Layer.Layer<EntityOverlay, never, Storage | EmbeddingQueue | EntityRepository> =
  Layer.effect(EntityOverlay, make)
