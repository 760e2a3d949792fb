/**
 * What a caller does with entities. A write is checked, boxed and durable when it returns; its embedding comes
 * later. Every read goes through the overlay, so that a caller always reads its own writes and is told how the
 * embedding stands. What callers save is in `Saving`, how writes are made in `Writing`, how jobs are followed in `Jobs`.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { EntityInput, EntityKey, EntityPatch } from "./Domain/Entity.js"
import * as Input from "./Domain/EntityInput.js"
import * as Given from "./Domain/Given.js"
import {
  type AmbiguousEntityId,
  EmbeddingError,
  EntityAlreadyExists,
  EntityNotFound,
  type InsideTransaction,
  type InvalidEntity,
  type JobFailed,
  type JobNotFound,
  type NotSearchable,
  type QueueFull,
  type StorageError,
} from "./Domain/Errors.js"
import type { Receipt } from "./Domain/Job.js"
import type { RelatedOptions, SearchAnswer, SearchOptions } from "./Domain/Search.js"
import type { Chunker } from "./Chunker.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityOverlay, type EntityView } from "./EntityOverlay.js"
import type { EntityRegistry } from "./EntityRegistry.js"
import { EntityRepository } from "./EntityRepository.js"
import * as IndexStatus from "./EntityService/IndexStatus.js"
import * as Jobs from "./EntityService/Jobs.js"
import * as Moving from "./EntityService/Moving.js"
import * as Saving from "./EntityService/Saving.js"
import type { UpsertOptions } from "./EntityService/Saving.js"
import * as Writing from "./EntityService/Writing.js"
import type { CreateOptions, WriteReceipt } from "./EntityService/Writing.js"
import type { Models } from "./Models.js"
import { Search } from "./Search.js"
import { Storage } from "./Storage.js"

/** Which entities are listed. */
export interface ListOptions {
  /** Only these types; all when absent or empty. */
  readonly entityTypes?: ReadonlyArray<string> | undefined
  /** Continue after this key: pages are in the order of (type, id). */
  readonly after?: { readonly entityType: string; readonly entityId: string } | undefined
  /** Default 100, at most 1000. */
  readonly limit?: number | undefined
}

type BadRead = AmbiguousEntityId | StorageError
type BadWrite = InvalidEntity | QueueFull | StorageError

/** What became of one entity of a bulk write. `QueueFull` only inside a transaction of the caller's. */
export type BulkOutcome<A, E = never> = Either.Either<A, BadWrite | E>

/** Create, read, change, delete and find entities. */
export class EntityService extends Context.Tag("embedbox/EntityService")<
  EntityService,
  {
    /** Boxes a new entity and returns its receipt in milliseconds. A taken key is `EntityAlreadyExists`. */
    readonly createEntity: (input: EntityInput) => Effect.Effect<Receipt, BadWrite | EntityAlreadyExists>
    /** The same, with a say in priority and retries. */
    readonly createEntityAsync: (
      input: EntityInput,
      options?: CreateOptions,
    ) => Effect.Effect<Receipt, BadWrite | EntityAlreadyExists>
    /**
     * Boxes many new entities, in their order, in bounded transactions, and waits for room where the queue is full (not
     * inside a transaction of the caller's, in which nobody could make any). Answers for each, in order: its receipt, or
     * why it has none. Entities before one that is refused are boxed, and so are those after it; only trouble with the
     * database ends it, and then all that was not boxed says so.
     */
    readonly createEntities: (
      inputs: ReadonlyArray<EntityInput>,
      options?: CreateOptions,
    ) => Effect.Effect<ReadonlyArray<BulkOutcome<Receipt, EntityAlreadyExists>>>
    /**
     * Embeds inline and returns the stored entity; nothing is stored when that fails.
     * @deprecated Makes its caller wait for as long as the model takes. Prefer `createEntity`. Warns once for each place
     * that calls it, as Node does: `--no-deprecation` turns that off.
     */
    readonly createEntitySync: (
      input: EntityInput,
    ) => Effect.Effect<EntityView, InvalidEntity | StorageError | EntityAlreadyExists | EmbeddingError>
    /** Creates or replaces, as imports do. A write that changes nothing is `unchanged`. */
    readonly upsertEntity: (
      input: EntityInput,
      options?: CreateOptions,
    ) => Effect.Effect<WriteReceipt, BadWrite>
    /**
     * The same for many, as `createEntities` does it: in their order, in bounded transactions, each with an answer of its
     * own. With `metadata: "merge"`, metadata that an input does not speak of is kept.
     */
    readonly upsertEntities: (
      inputs: ReadonlyArray<EntityInput>,
      options?: UpsertOptions,
    ) => Effect.Effect<ReadonlyArray<BulkOutcome<WriteReceipt>>>
    /** Changes some fields of an entity that exists. */
    readonly updateEntity: (
      entityId: string,
      patch: EntityPatch,
      entityType?: string,
    ) => Effect.Effect<WriteReceipt, BadWrite | EntityNotFound | AmbiguousEntityId>
    /**
     * Gives an entity another key. Its vectors stay; one that still waits for them waits under its new key. A taken key is
     * `EntityAlreadyExists`.
     */
    readonly moveEntity: (
      from: EntityKey,
      to: EntityKey,
    ) => Effect.Effect<Receipt, BadWrite | EntityNotFound | EntityAlreadyExists>
    /** Removes the entity everywhere and ends its jobs. */
    readonly deleteEntity: (
      entityId: string,
      entityType?: string,
    ) => Effect.Effect<void, BadRead | EntityNotFound>
    /**
     * The newest version. Without its type, an id that several types share is an error. One that is damaged is
     * `StorageError` ("InvalidRow"): `upsertEntity` and `deleteEntity` work on it all the same.
     */
    readonly getEntity: (
      entityId: string,
      entityType?: string,
    ) => Effect.Effect<EntityView, BadRead | EntityNotFound>
    /** What is damaged is left out, and the log names it. */
    readonly listEntities: (
      options?: ListOptions,
    ) => Effect.Effect<ReadonlyArray<EntityView>, InvalidEntity | StorageError>
    readonly search: (
      question: string,
      options?: SearchOptions,
    ) => Effect.Effect<SearchAnswer, InvalidEntity | StorageError | EmbeddingError>
    /**
     * Entities like this one, by their stored vectors, nearest first; asks no model. Where it is not embedded yet there
     * are no results, and the notice says so.
     */
    readonly related: (
      entityId: string,
      options?: RelatedOptions,
    ) => Effect.Effect<SearchAnswer, BadRead | EntityNotFound | InvalidEntity>

    /** How a job stands, and why it waits where that is known; or nothing when its id is unknown (or its receipt was cleaned up). */
    readonly getAsyncJobStatus: (
      jobId: string,
    ) => Effect.Effect<Option.Option<Jobs.AsyncJobStatus>, StorageError>
    /**
     * Waits until the job, or the one that took its place, has ended, also when another process ends it.
     * Answers the ended job; a failed one is `JobFailed`. No time limit of its own: use `Effect.timeout`. In a transaction
     * of the caller's nothing could end, so there it fails with `InsideTransaction` unless the job has ended already.
     */
    readonly awaitJob: (
      jobId: string,
      options?: { readonly pollEvery?: Duration.DurationInput | undefined },
    ) => Effect.Effect<Jobs.EndedJob, InsideTransaction | JobFailed | JobNotFound | StorageError>
    /** Waits until what the job saved is found by meaning, but not longer than `timeout`; not in a transaction of the caller's. */
    readonly awaitSearchable: (
      jobId: string,
      timeout: Duration.DurationInput,
    ) => Effect.Effect<
      Jobs.EndedJob,
      InsideTransaction | JobFailed | JobNotFound | NotSearchable | StorageError
    >
    /** How much of what was saved is found by meaning, and when the rest will be. */
    readonly indexStatus: Effect.Effect<IndexStatus.IndexStatus, StorageError>
  }
>() {}

/** Entities of a page, where nothing else is asked for. */
const normalPage = 100

/** The service, made of what it needs. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const overlay = yield* EntityOverlay
  const search = yield* Search
  const writing = yield* Writing.make
  const saving = yield* Saving.make(writing)
  const moving = yield* Moving.make

  const updateEntity = (entityId: string, patch: EntityPatch, entityType?: string) =>
    Effect.gen(function* () {
      const fields = yield* Input.checkPatch(patch)
      const key = yield* overlay.resolve(entityId, entityType)
      return yield* writing.writeIfChanged({ kind: "change", key, fields, options: {} })
    }).pipe(Effect.catchTag("EntityAlreadyExists", Effect.die), Effect.withSpan("EntityService.updateEntity"))

  const deleteEntity = (entityId: string, entityType?: string) =>
    storage
      .write(
        Effect.flatMap(overlay.resolve(entityId, entityType), (key) =>
          Effect.zipRight(queue.deleteBoxes(key), Effect.asVoid(repository.remove(key))),
        ),
      )
      .pipe(Effect.withSpan("EntityService.deleteEntity"))

  const getEntity = (entityId: string, entityType?: string) =>
    Effect.gen(function* () {
      const key = yield* overlay.resolve(entityId, entityType)
      return yield* Effect.flatMap(
        overlay.find(key),
        Effect.orElseFail(() => new EntityNotFound(key)),
      )
    })

  return EntityService.of({
    ...saving,
    createEntity: (input) => saving.createEntityAsync(input),
    updateEntity,
    moveEntity: moving.move,
    deleteEntity,
    getEntity,
    listEntities: (options = {}) =>
      Effect.flatMap(Given.listOptions(options), ({ after, entityTypes = [], limit = normalPage }) =>
        overlay.page({
          entityTypes,
          after: after ? [after.entityType, after.entityId] : ["", ""],
          limit,
        }),
      ),
    search: search.search,
    related: (entityId, options = {}) =>
      Effect.gen(function* () {
        const { entityType } = yield* Given.relatedOptions(options)
        return yield* search.related(yield* overlay.resolve(entityId, entityType), options)
      }),
    ...(yield* Jobs.make),
    ...(yield* IndexStatus.make),
  })
})

/**
 * Everything an entity service needs below itself, over a queue, a repository and an embedder.
 *
 * @example
 * import { EntityService } from "embedbox"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function* () {
 *   const entities = yield* EntityService.EntityService
 *   const { entityId, jobId } = yield* entities.createEntity({ content: "# Bread\nFlour, water, salt." })
 *   const { embedding } = yield* entities.getEntity(entityId) // { state: "pending", jobId }
 *   yield* entities.awaitJob(jobId)
 *   const { results } = yield* entities.search("how do I bake", { limit: 3 })
 *   return { embedding, results }
 * })
 */
export const layer: Layer.Layer<
  EntityService,
  never,
  Storage | EmbeddingQueue | EntityRegistry | EntityRepository | EntityOverlay | Chunker | Models | Search
> = Layer.scoped(EntityService, make)

export type { EntityView }
export type { UpsertOptions } from "./EntityService/Saving.js"
export type { CreateOptions, WriteReceipt } from "./EntityService/Writing.js"
export type { IndexStatus } from "./EntityService/IndexStatus.js"
export type { AsyncJobStatus, EndedJob } from "./EntityService/Jobs.js"
