/**
 * What a caller does with entities. A write is checked, boxed and durable when it returns; its embedding comes
 * later. Every read goes through the overlay, so that a caller always reads its own writes and is told how the
 * embedding stands. All writes walk one path (`write`), in one transaction that first looks at what is there:
 * that is where create, replace and change differ, and where it is decided, by the hash of the text to embed and
 * nothing else, whether the model is needed at all.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { v7 as timeOrderedId } from "uuid"
import { type Entity, EntityId, type EntityInput, type EntityKey, type EntityPatch } from "./Domain/Entity.js"
import * as Input from "./Domain/EntityInput.js"
import {
  type AmbiguousEntityId,
  EmbeddingError,
  EntityAlreadyExists,
  EntityNotFound,
  type InvalidEntity,
  type JobFailed,
  type JobNotFound,
  type StorageError,
} from "./Domain/Errors.js"
import { contentHash } from "./Domain/Hash.js"
import type { Receipt } from "./Domain/Job.js"
import type { SearchAnswer, SearchOptions } from "./Domain/Search.js"
import { Chunker } from "./Chunker.js"
import { Embedder } from "./Embedder.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityOverlay, type EntityView } from "./EntityOverlay.js"
import { EntityRepository } from "./EntityRepository.js"
import * as Jobs from "./EntityService/Jobs.js"
import { Search } from "./Search.js"
import { Storage } from "./Storage.js"

/** What a caller may say about the job of a write. */
export interface CreateOptions {
  /** The higher number goes first. Default 0. */
  readonly priority?: number | undefined
  /** Attempts beyond the first. Default 3. */
  readonly maxRetries?: number | undefined
}

/** A receipt that also says what the write did. */
export interface WriteReceipt extends Receipt {
  readonly change: "created" | "updated" | "unchanged"
}

export interface ListOptions {
  /** Only these types; all when absent or empty. */
  readonly entityTypes?: ReadonlyArray<string> | undefined
  /** Continue after this key: pages are in the order of (type, id). */
  readonly after?: { readonly entityType: string; readonly entityId: string } | undefined
  /** Default 100, at most 1000. */
  readonly limit?: number | undefined
}

type BadRead = AmbiguousEntityId | StorageError
type BadWrite = InvalidEntity | StorageError

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
     * Embeds inline and returns the stored entity; nothing is stored when that fails.
     * @deprecated Blocks its caller for as long as the model takes. Prefer `createEntity`.
     */
    readonly createEntitySync: (
      input: EntityInput,
    ) => Effect.Effect<EntityView, BadWrite | EntityAlreadyExists | EmbeddingError>
    /** Creates or replaces, as imports do. A write that changes nothing is `unchanged`. */
    readonly upsertEntity: (
      input: EntityInput,
      options?: CreateOptions,
    ) => Effect.Effect<WriteReceipt, BadWrite>
    /** Changes some fields of an entity that exists. */
    readonly updateEntity: (
      entityId: string,
      patch: EntityPatch,
      entityType?: string,
    ) => Effect.Effect<WriteReceipt, BadWrite | EntityNotFound | AmbiguousEntityId>
    /** Removes the entity everywhere and ends its jobs. */
    readonly deleteEntity: (
      entityId: string,
      entityType?: string,
    ) => Effect.Effect<void, BadRead | EntityNotFound>
    /** The newest version. Without its type, an id that several types share is an error. */
    readonly getEntity: (
      entityId: string,
      entityType?: string,
    ) => Effect.Effect<EntityView, BadRead | EntityNotFound>
    readonly listEntities: (options?: ListOptions) => Effect.Effect<ReadonlyArray<EntityView>, StorageError>
    readonly search: (
      question: string,
      options?: SearchOptions,
    ) => Effect.Effect<SearchAnswer, InvalidEntity | StorageError | EmbeddingError>

    /** How a job stands, or nothing when its id is unknown (or its receipt was cleaned up). */
    readonly getAsyncJobStatus: (
      jobId: string,
    ) => Effect.Effect<Option.Option<Jobs.AsyncJobStatus>, StorageError>
    /**
     * Waits until the job, or the one that took its place, has ended, also when another process ends it.
     * Answers the ended job; a failed one is `JobFailed`. No time limit of its own: use `Effect.timeout`.
     */
    readonly awaitJob: (
      jobId: string,
      options?: { readonly pollEvery?: Duration.DurationInput | undefined },
    ) => Effect.Effect<Jobs.EndedJob, JobFailed | JobNotFound | StorageError>
  }
>() {}

const maxPage = 1000

type Fields = Pick<Entity, "content" | "metadata">

/** What one write intends. */
interface Intent<E> {
  readonly key: EntityKey
  /** The fields of the new version, given the newest one; or why there can be none. */
  readonly fields: (newest: Entity | undefined) => Effect.Effect<Fields, E>
  readonly options: CreateOptions
}

export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const overlay = yield* EntityOverlay
  const chunker = yield* Chunker
  const embedder = yield* Embedder
  const search = yield* Search

  const newEntityId = Effect.map(Clock.currentTimeMillis, (msecs) => EntityId.make(timeOrderedId({ msecs })))

  const taken = ({ entityId, entityType }: EntityKey) => new EntityAlreadyExists({ entityType, entityId })

  const version = (key: EntityKey, fields: Fields, created: number, now: number) => ({
    entityType: key.entityType,
    id: key.entityId,
    content: fields.content,
    metadata: fields.metadata,
    contentHash: contentHash(fields.content, fields.metadata),
    created,
    updated: now,
  })

  /** What the write would do, as things stand: nothing, or a new version beside what is there. */
  const plan = <E>({ fields, key }: Intent<E>) =>
    Effect.gen(function* () {
      const { live, stored } = yield* overlay.layers(key)
      const newest = Option.getOrUndefined(
        Option.orElse(
          Option.map(live, (box) => box.content),
          () => Option.map(stored, (row) => row.entity),
        ),
      )
      const now = yield* Clock.currentTimeMillis
      const entity = version(key, yield* fields(newest), newest?.created ?? now, now)
      const same = newest !== undefined && newest.contentHash === entity.contentHash
      // The same text over a failed box is a wish to try again.
      const jobId = Option.match(live, {
        onSome: ({ job }) => (job.status === "failed" ? undefined : job.jobId),
        onNone: () => Option.getOrUndefined(stored)?.jobId,
      })
      return same && jobId !== undefined
        ? ({ change: "unchanged", entityId: key.entityId, jobId } satisfies WriteReceipt)
        : { entity, live, stored, change: newest === undefined ? ("created" as const) : ("updated" as const) }
    })

  const write = <E>(intent: Intent<E>) =>
    storage.write(
      Effect.gen(function* () {
        const planned = yield* plan(intent)
        if (planned.change === "unchanged") return planned
        const { change, entity, live, stored } = planned
        const entityId = intent.key.entityId
        const inputHash = chunker.inputHash(entity)
        if (Option.isNone(live) && Option.isSome(stored) && stored.value.inputHash === inputHash) {
          const generation = yield* queue.nextGeneration
          yield* repository.storeUnembedded({ ...stored.value, entity, generation })
          return { change, entityId, jobId: stored.value.jobId } satisfies WriteReceipt
        }
        const job = yield* queue.enqueue(entity, intent.options)
        yield* repository.indexText(entity, job.generation)
        return { change, entityId, jobId: job.jobId } satisfies WriteReceipt
      }),
    )

  /** A look without the write lock comes first: imports of unchanged folders must not pay for a commit each. */
  const writeIfChanged = <E>(intent: Intent<E>) =>
    Effect.flatMap(plan(intent), (glance) =>
      glance.change === "unchanged" ? Effect.succeed(glance) : write(intent),
    )

  const keyFor = (input: Input.CheckedInput) =>
    Effect.map(
      input.id === undefined ? newEntityId : Effect.succeed(input.id),
      (entityId): EntityKey => ({ entityType: input.entityType, entityId }),
    )

  const createEntityAsync = (input: EntityInput, options: CreateOptions = {}) =>
    Effect.gen(function* () {
      const checked = yield* Input.check(input)
      const key = yield* keyFor(checked)
      const { entityId, jobId } = yield* write({
        key,
        fields: (newest) => (newest === undefined ? Effect.succeed(checked) : taken(key)),
        options,
      })
      return { entityId, jobId } satisfies Receipt
    }).pipe(Effect.withSpan("EntityService.createEntity"))

  const upsertEntity = (input: EntityInput, options: CreateOptions = {}) =>
    Effect.gen(function* () {
      const checked = yield* Input.check(input)
      const key = yield* keyFor(checked)
      return yield* writeIfChanged({ key, fields: () => Effect.succeed(checked), options })
    }).pipe(Effect.withSpan("EntityService.upsertEntity"))

  const updateEntity = (entityId: string, patch: EntityPatch, entityType?: string) =>
    Effect.gen(function* () {
      const { content, metadata } = yield* Input.checkPatch(patch)
      const key = yield* overlay.resolve(entityId, entityType)
      return yield* writeIfChanged({
        key,
        fields: (newest) =>
          newest === undefined
            ? // Deleted since it was looked up: a change must not bring it back.
              new EntityNotFound(key)
            : Effect.succeed({
                content: content ?? newest.content,
                metadata: metadata ?? newest.metadata,
              }),
        options: {},
      })
    }).pipe(Effect.withSpan("EntityService.updateEntity"))

  const createEntitySync = (input: EntityInput) =>
    Effect.gen(function* () {
      const checked = yield* Input.check(input)
      const key = yield* keyFor(checked)
      const free = Effect.flatMap(overlay.find(key), (found) =>
        Option.isSome(found) ? Effect.fail(taken(key)) : Effect.void,
      )
      yield* free
      const now = yield* Clock.currentTimeMillis
      const entity = version(key, checked, now, now)
      const [chunks = []] = yield* chunker.embed([entity])
      return yield* storage.write(
        Effect.gen(function* () {
          yield* free
          const { generation, jobId } = yield* queue.enterStored(key)
          yield* repository.store({
            entity,
            generation,
            jobId,
            inputHash: chunker.inputHash(entity),
            fingerprint: embedder.fingerprint,
            chunks,
          })
          return { ...entity, embedding: { state: "ready", jobId } } satisfies EntityView
        }),
      )
    }).pipe(Effect.withSpan("EntityService.createEntitySync"))

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
    createEntity: (input) => createEntityAsync(input),
    createEntityAsync,
    createEntitySync,
    upsertEntity,
    updateEntity,
    deleteEntity,
    getEntity,
    listEntities: (options = {}) =>
      overlay.page({
        entityTypes: options.entityTypes ?? [],
        after: options.after ? [options.after.entityType, options.after.entityId] : ["", ""],
        limit: Input.limit(options.limit, { normal: 100, most: maxPage }),
      }),
    search: search.search,
    ...(yield* Jobs.make),
  })
})

/** Everything an entity service needs below itself, over a queue, a repository and an embedder. */
export const layer: Layer.Layer<
  EntityService,
  never,
  Storage | EmbeddingQueue | EntityRepository | EntityOverlay | Chunker | Embedder | Search
> = Layer.effect(EntityService, make)

export type { EntityView }
export type { AsyncJobStatus, EndedJob } from "./EntityService/Jobs.js"
