/**
 * What a caller does with entities. A write is checked, boxed and durable when it returns; its embedding comes
 * later. Every read goes through the overlay, so that a caller always reads its own writes and is told how the
 * embedding stands. How writes are made is in `Writing`, how jobs are followed in `Jobs`.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { notEmbedded } from "./Domain/Chunk.js"
import { EntityId, type EntityInput, type EntityKey, type EntityPatch } from "./Domain/Entity.js"
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
import { timeOrderedId } from "./Domain/TimeOrderedId.js"
import type { RelatedOptions, SearchAnswer, SearchOptions } from "./Domain/Search.js"
import { Chunker } from "./Chunker.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityOverlay, type EntityView } from "./EntityOverlay.js"
import { EntityRegistry } from "./EntityRegistry.js"
import { EntityRepository } from "./EntityRepository.js"
import * as Deprecation from "./EntityService/Deprecation.js"
import * as IndexStatus from "./EntityService/IndexStatus.js"
import * as Jobs from "./EntityService/Jobs.js"
import * as Moving from "./EntityService/Moving.js"
import * as Writing from "./EntityService/Writing.js"
import type { CreateOptions, Intent, WriteReceipt } from "./EntityService/Writing.js"
import type { Models } from "./Models.js"
import { Search } from "./Search.js"
import { Storage } from "./Storage.js"
import * as Traced from "./Storage/Traced.js"

/** Which entities are listed. */
export interface ListOptions {
  /** Only these types; all when absent or empty. */
  readonly entityTypes?: ReadonlyArray<string> | undefined
  /** Continue after this key: pages are in the order of (type, id). */
  readonly after?: { readonly entityType: string; readonly entityId: string } | undefined
  /** Default 100, at most 1000. */
  readonly limit?: number | undefined
}

/** What a caller may say about many writes. */
export interface UpsertOptions extends CreateOptions {
  /** What becomes of metadata that an input does not speak of. Default `replace`: it goes. */
  readonly metadata?: "replace" | "merge" | undefined
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
  const chunker = yield* Chunker
  const registry = yield* EntityRegistry
  const search = yield* Search
  const writing = yield* Writing.make
  const moving = yield* Moving.make

  const keyFor = (input: Input.CheckedInput, now: number): EntityKey => ({
    entityType: input.entityType,
    entityId: input.id ?? EntityId.make(timeOrderedId(now)),
  })

  const intentOf = (kind: "create" | "replace" | "merge", input: EntityInput, options: CreateOptions) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Either.map(
        Input.check(input),
        (fields): Intent => ({ kind, key: keyFor(fields, now), fields, options }),
      ),
    )

  const receiptOf = ({ entityId, jobId }: WriteReceipt): Receipt => ({ entityId, jobId })

  /** The intent of one write, whose options are the caller's word. */
  const intentWith = (kind: "create" | "replace", input: EntityInput, options: CreateOptions) =>
    Effect.flatMap(Given.createOptions(options), (said) => intentOf(kind, input, said))

  const createEntityAsync = (input: EntityInput, options: CreateOptions = {}) =>
    Effect.flatMap(intentWith("create", input, options), writing.write).pipe(
      Effect.map(receiptOf),
      // Only a change can miss what it is to change.
      Effect.catchTag("EntityNotFound", Effect.die),
      Traced.span("EntityService.createEntity"),
    )

  /** Checks all, makes the writes of those that are in order, and answers for each. */
  const writeMany = (
    kind: "create" | "replace" | "merge",
    inputs: ReadonlyArray<EntityInput>,
    options: CreateOptions,
    write: typeof writing.writeAll,
  ) =>
    Effect.gen(function* () {
      const checked = yield* Effect.forEach(inputs, (input) => Effect.either(intentOf(kind, input, options)))
      const intents = Arr.getRights(checked)
      const written = new Map(Arr.zip(intents, yield* write(intents)))
      return yield* Effect.forEach(checked, (intent) =>
        Effect.flatMap(
          intent,
          (made) => written.get(made) ?? Effect.dieMessage("a write without an answer"),
        ).pipe(Effect.catchTag("EntityNotFound", Effect.die), Effect.either),
      )
    })

  /** What is wrong with all is told of each. */
  const refuseAll = (inputs: ReadonlyArray<EntityInput>) => (flaw: InvalidEntity) =>
    Effect.succeed(inputs.map(() => Either.left(flaw)))

  const createEntities = (inputs: ReadonlyArray<EntityInput>, options: CreateOptions = {}) =>
    Effect.map(
      Either.match(Given.createOptions(options), {
        onLeft: refuseAll(inputs),
        onRight: (said) => writeMany("create", inputs, said, writing.writeAll),
      }),
      (outcomes) => outcomes.map((outcome) => Either.map(outcome, receiptOf)),
    ).pipe(Effect.withSpan("EntityService.createEntities", { attributes: { entities: inputs.length } }))

  const upsertEntities = (inputs: ReadonlyArray<EntityInput>, options: UpsertOptions = {}) =>
    Effect.flatMap(
      Either.match(Given.upsertOptions(options), {
        onLeft: refuseAll(inputs),
        onRight: ({ metadata = "replace", ...said }) =>
          writeMany(metadata, inputs, said, writing.writeAllIfChanged),
      }),
      (outcomes) =>
        Effect.forEach(outcomes, (outcome) =>
          // Whoever replaces does not mind what is there.
          Effect.either(Effect.catchTag(outcome, "EntityAlreadyExists", Effect.die)),
        ),
    ).pipe(Effect.withSpan("EntityService.upsertEntities", { attributes: { entities: inputs.length } }))

  const upsertEntity = (input: EntityInput, options: CreateOptions = {}) =>
    Effect.flatMap(intentWith("replace", input, options), writing.writeIfChanged).pipe(
      Effect.catchTags({ EntityNotFound: Effect.die, EntityAlreadyExists: Effect.die }),
      Traced.span("EntityService.upsertEntity"),
    )

  const updateEntity = (entityId: string, patch: EntityPatch, entityType?: string) =>
    Effect.gen(function* () {
      const fields = yield* Input.checkPatch(patch)
      const key = yield* overlay.resolve(entityId, entityType)
      return yield* writing.writeIfChanged({ kind: "change", key, fields, options: {} })
    }).pipe(Effect.catchTag("EntityAlreadyExists", Effect.die), Effect.withSpan("EntityService.updateEntity"))

  const createEntitySync = (input: EntityInput) => {
    const site = Deprecation.callSite()
    return Effect.zipRight(Deprecation.warn(Deprecation.createEntitySync, site), createInline(input))
  }

  const createInline = (input: EntityInput) =>
    Effect.gen(function* () {
      const checked = yield* Input.check(input)
      const key = keyFor(checked, yield* Clock.currentTimeMillis)
      const free = Effect.flatMap(overlay.find(key), (found) =>
        Option.isSome(found) ? Effect.fail(new EntityAlreadyExists(key)) : Effect.void,
      )
      yield* free
      const now = yield* Clock.currentTimeMillis
      const entity = Writing.version(key, checked, now, now)
      const flaw = registry.flawOf(entity.entityType, entity)
      if (flaw !== undefined) return yield* flaw
      const isEmbeddable = registry.isEmbeddable(entity.entityType) ?? true
      const [chunks = []] = isEmbeddable ? yield* chunker.embed([entity]) : []
      return yield* storage.write(
        Effect.gen(function* () {
          yield* free
          const { generation, jobId } = yield* queue.enterStored(key)
          yield* repository.store({
            entity,
            generation,
            jobId,
            inputHash: isEmbeddable ? chunker.inputHash(entity) : notEmbedded,
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
    createEntities,
    createEntitySync,
    upsertEntity,
    upsertEntities,
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
export type { CreateOptions, WriteReceipt } from "./EntityService/Writing.js"
export type { IndexStatus } from "./EntityService/IndexStatus.js"
export type { AsyncJobStatus, EndedJob } from "./EntityService/Jobs.js"
