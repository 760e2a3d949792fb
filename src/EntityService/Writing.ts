/**
 * How entities are written. All writes walk one path (`writeTogether`), in one transaction that first looks at what is
 * there: that is where create, replace and change differ, and where it is decided, by the hash of the text to embed
 * and nothing else, whether the model is needed at all. The path takes many writes as well as one: those of concurrent
 * callers are collected and share a commit, and a bulk write goes in bounded transactions. A write that is refused is
 * an answer among answers; only trouble with the database is everybody's.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { notEmbedded } from "../Domain/Chunk.js"
import { type Entity, type EntityKey, keyText } from "../Domain/Entity.js"
import type { CheckedPatch } from "../Domain/EntityInput.js"
import {
  EntityAlreadyExists,
  EntityNotFound,
  type InvalidEntity,
  type QueueFull,
  type StorageError,
} from "../Domain/Errors.js"
import { contentHash } from "../Domain/Hash.js"
import type { Receipt } from "../Domain/Job.js"
import { bounded, distinctRuns } from "../Domain/Runs.js"
import { Chunker } from "../Chunker.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityOverlay, type Layered } from "../EntityOverlay.js"
import { EntityRegistry } from "../EntityRegistry.js"
import { EntityRepository } from "../EntityRepository.js"
import { Storage } from "../Storage.js"
import * as GroupCommit from "../Storage/GroupCommit.js"
import * as Step from "../Storage/Step.js"

/** What a caller may say about the job of a write. */
export interface CreateOptions {
  /** The higher number goes first. Default 0. */
  readonly priority?: number | undefined
  /** Attempts beyond the first. Default 3. */
  readonly maxRetries?: number | undefined
  /** The batch that its job belongs to: what was written together is followed together. */
  readonly batchId?: string | undefined
}

/** A receipt that also says what the write did. */
export interface WriteReceipt extends Receipt {
  readonly change: "created" | "updated" | "unchanged"
  /** Of the entity as it is now: see `contentHash`. */
  readonly contentHash: string
}

/** The fields of an entity that its writer chooses. */
export type Fields = Pick<Entity, "content" | "metadata">

/**
 * What one write intends: a new entity, one that takes the place of whatever is there, the same but with what metadata it
 * does not speak of kept, or some fields anew.
 */
export type Intent = {
  readonly key: EntityKey
  readonly options: CreateOptions
} & (
  | { readonly kind: "create" | "replace" | "merge"; readonly fields: Fields }
  | { readonly kind: "change"; readonly fields: CheckedPatch }
)

/** Why a write was not made, where the database is well. */
export type Refusal = InvalidEntity | EntityAlreadyExists | EntityNotFound | QueueFull

/** What became of one write; a `StorageError` is about what stands under its own key. */
export type Outcome = Either.Either<WriteReceipt, Refusal | StorageError>

/**
 * One transaction of a bulk write, in which the event loop stands still: so many entities, or so much text in UTF-16 units.
 * As measured by `bench:queue`, 50 a time reach 0.58 of what bare writes, 64 reach 0.69, and more than that no more.
 */
const bulk = { most: 64, weight: 512 * 1024 }

/** A version of an entity as it is boxed and stored. */
export const version = (key: EntityKey, fields: Fields, created: number, now: number): Entity => ({
  entityType: key.entityType,
  id: key.entityId,
  content: fields.content,
  metadata: fields.metadata,
  contentHash: contentHash(fields.content, fields.metadata),
  created,
  updated: now,
})

const fieldsOf = (intent: Intent, newest: Entity | undefined): Either.Either<Fields, Refusal> => {
  if (intent.kind === "replace") return Either.right(intent.fields)
  if (intent.kind === "merge") {
    const { content, metadata } = intent.fields
    return Either.right({ content, metadata: { ...newest?.metadata, ...metadata } })
  }
  if (intent.kind === "create") {
    return newest === undefined
      ? Either.right(intent.fields)
      : Either.left(new EntityAlreadyExists(intent.key))
  }
  return newest === undefined
    ? // Deleted since it was looked up: a change must not bring it back.
      Either.left(new EntityNotFound(intent.key))
    : Either.right({
        content: intent.fields.content ?? newest.content,
        metadata: intent.fields.metadata ?? newest.metadata,
      })
}

/** A write that changes something, beside what is there. */
interface Change extends Layered {
  readonly intent: Intent
  readonly entity: Entity
  readonly change: "created" | "updated"
  /** No box is there. */
  readonly isNew: boolean
}

/** What is known of a key that is free. */
const nothing: Either.Either<Layered> = Either.right({ live: Option.none(), stored: Option.none() })

export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const overlay = yield* EntityOverlay
  const chunker = yield* Chunker
  const registry = yield* EntityRegistry

  /** The new version, if it is one that there may be. */
  const versionOf = (intent: Intent, newest: Entity | undefined, now: number) =>
    Either.flatMap(fieldsOf(intent, newest), (fields): Either.Either<Entity, Refusal> => {
      const entity = version(intent.key, fields, newest?.created ?? now, now)
      const flaw = registry.flawOf(entity.entityType, entity)
      return flaw === undefined ? Either.right(entity) : Either.left(flaw)
    })

  /** What the write would do, as things stand: nothing, or a new version beside what is there. */
  const plan = (
    intent: Intent,
    { live, stored }: Layered,
    now: number,
  ): Either.Either<WriteReceipt | Change, Refusal> => {
    const newest = Option.getOrUndefined(
      Option.orElse(
        Option.map(live, (box) => box.content),
        () => Option.map(stored, (row) => row.entity),
      ),
    )
    return Either.map(versionOf(intent, newest, now), (entity) => {
      const same = newest !== undefined && newest.contentHash === entity.contentHash
      // The same text over a failed box is a wish to try again.
      const jobId = Option.match(live, {
        onSome: ({ job }) => (job.status === "failed" ? undefined : job.jobId),
        onNone: () => Option.getOrUndefined(stored)?.jobId,
      })
      return same && jobId !== undefined
        ? { change: "unchanged", entityId: intent.key.entityId, jobId, contentHash: entity.contentHash }
        : {
            intent,
            entity,
            live,
            stored,
            change: newest === undefined ? "created" : "updated",
            isNew: Option.isNone(live),
          }
    })
  }

  /** The same where what is there cannot be read: who replaces it need not, and that is how it is mended. */
  const planBlindly = (
    intent: Intent,
    unreadable: StorageError,
    now: number,
  ): Either.Either<Change, Refusal | StorageError> =>
    intent.kind === "replace" || intent.kind === "merge"
      ? Either.map(versionOf(intent, undefined, now), (entity) => ({
          intent,
          entity,
          live: Option.none(),
          stored: Option.none(),
          change: "updated",
          isNew: false,
        }))
      : Either.left(unreadable)

  const plans = Step.fn(function* (intents: ReadonlyArray<Intent>) {
    const keys = intents.map(({ key }) => key)
    const areAllNew =
      Arr.isNonEmptyReadonlyArray(keys) &&
      intents.every(({ kind }) => kind === "create") &&
      (yield* overlay.areFree(keys))
    const layers = areAllNew ? keys.map(() => nothing) : yield* overlay.layersOf(keys)
    const now = yield* Step.now
    return Arr.zipWith(
      intents,
      layers,
      (intent, layered): Either.Either<WriteReceipt | Change, Refusal | StorageError> =>
        Either.isRight(layered) ? plan(intent, layered.right, now) : planBlindly(intent, layered.left, now),
    )
  })

  const isNothing = (planned: WriteReceipt | Change): planned is WriteReceipt =>
    planned.change === "unchanged"

  /** Where its type is not registered here, an entity stays what it was. */
  const isEmbeddable = ({ entity, stored }: Change) =>
    registry.isEmbeddable(entity.entityType) ??
    !Option.exists(stored, ({ inputHash }) => inputHash === notEmbedded)

  /** Nothing is to be embedded, or the text to embed is the one whose vectors are there: then those stay. */
  const storeAtOnce = Step.fn(function* (planned: Change) {
    const { change, entity, intent, live, stored } = planned
    if (!isEmbeddable(planned)) {
      const { generation, jobId } = yield* queue.enterStored(intent.key)
      yield* repository.storeAll([{ entity, generation, jobId, inputHash: notEmbedded, chunks: [] }])
      const { entityId } = intent.key
      return { change, entityId, jobId, contentHash: entity.contentHash } satisfies WriteReceipt
    }
    const row = Option.getOrUndefined(stored)
    if (Option.isSome(live) || row === undefined || row.inputHash !== chunker.inputHash(entity)) {
      return undefined
    }
    const generation = yield* queue.nextGeneration
    yield* repository.storeUnembedded({ ...row, entity, generation })
    return {
      change,
      entityId: intent.key.entityId,
      jobId: row.jobId,
      contentHash: entity.contentHash,
    } satisfies WriteReceipt
  })

  /** Writes of different keys. */
  const writeRun = Step.fn(function* (intents: ReadonlyArray<Intent>) {
    const outcomes = new Map<Intent, Outcome>()
    const toBox: Array<Change> = []
    for (const [intent, planned] of Arr.zip(intents, yield* plans(intents))) {
      if (Either.isLeft(planned)) outcomes.set(intent, Either.left(planned.left))
      else if (isNothing(planned.right)) outcomes.set(intent, Either.right(planned.right))
      else {
        const stored = yield* storeAtOnce(planned.right)
        if (stored !== undefined) outcomes.set(intent, Either.right(stored))
        else toBox.push(planned.right)
      }
    }
    const boxed = Arr.zip(
      toBox,
      yield* queue.enqueueAll(
        toBox.map(({ entity, intent, isNew }) => ({ content: entity, options: intent.options, isNew })),
      ),
    )
    for (const [{ change, entity, intent }, job] of boxed) {
      const { contentHash } = entity
      outcomes.set(
        intent,
        Either.map(job, ({ jobId }) => ({ change, entityId: intent.key.entityId, jobId, contentHash })),
      )
    }
    yield* repository.indexTexts(
      boxed.flatMap(([{ entity }, job]) =>
        Either.isRight(job) ? [{ entity, generation: job.right.generation }] : [],
      ),
    )
    return intents.flatMap((intent) => outcomes.get(intent) ?? [])
  })

  const writeRuns = Step.fn(function* (intents: ReadonlyArray<Intent>) {
    const outcomes: Array<Outcome> = []
    for (const run of distinctRuns(intents, ({ key }) => keyText(key))) {
      outcomes.push(...(yield* writeRun(run)))
    }
    return outcomes
  })

  /** All in one transaction; of two writes of the same key the second sees the first. */
  const writeTogether = (intents: ReadonlyArray<Intent>) => storage.transact(writeRuns(intents))

  const join = yield* GroupCommit.make(storage, writeTogether, ({ trouble }) => trouble === "Busy")

  /** Makes the write, in one commit with those of other callers. */
  const write = (intent: Intent): Effect.Effect<WriteReceipt, Refusal | StorageError> =>
    Effect.flatten(join(intent))

  /** A look without the write lock comes first: imports of unchanged folders must not pay for a commit each. */
  const writeIfChanged = (intent: Intent): Effect.Effect<WriteReceipt, Refusal | StorageError> =>
    Effect.flatMap(storage.query(plans([intent])), ([glance]) =>
      glance !== undefined && Either.isRight(glance) && isNothing(glance.right)
        ? Effect.succeed(glance.right)
        : write(intent),
    )

  /** Those that found no room wait for it, where somebody can make it; the others are done. */
  const untilRoom = (
    intents: ReadonlyArray<Intent>,
  ): Effect.Effect<ReadonlyMap<Intent, Outcome>, StorageError> =>
    Effect.gen(function* () {
      const outcomes = new Map(Arr.zip(intents, yield* writeTogether(intents)))
      const left = intents.filter((intent) => {
        const outcome = outcomes.get(intent)
        return outcome !== undefined && Either.isLeft(outcome) && outcome.left._tag === "QueueFull"
      })
      if (left.length === 0 || (yield* storage.isInside)) return outcomes
      yield* queue.awaitRoom
      return new Map([...outcomes, ...(yield* untilRoom(left))])
    })

  /**
   * Makes many writes, in their order and in bounded transactions, waiting for room where the queue is full (inside a
   * transaction of the caller's no worker could make any: there `QueueFull` is the answer). Answers for each. Trouble
   * with the database ends it: the writes of that transaction and all after it bear that error.
   */
  const writeAll = (
    intents: ReadonlyArray<Intent>,
  ): Effect.Effect<ReadonlyArray<Either.Either<WriteReceipt, Refusal | StorageError>>> =>
    Effect.gen(function* () {
      const outcomes = new Map<Intent, Either.Either<WriteReceipt, Refusal | StorageError>>()
      for (const together of bounded(intents, bulk, ({ fields }) => fields.content?.length ?? 0)) {
        const written = yield* Effect.either(untilRoom(together))
        if (Either.isLeft(written)) {
          const failed = Either.left(written.left)
          return intents.map((intent) => outcomes.get(intent) ?? failed)
        }
        for (const [intent, outcome] of written.right) outcomes.set(intent, outcome)
      }
      return intents.flatMap((intent) => outcomes.get(intent) ?? [])
    })

  /** The same for many: what changes nothing is left out before a transaction begins. */
  const writeAllIfChanged = (intents: ReadonlyArray<Intent>) =>
    Effect.gen(function* () {
      const outcomes = new Map<Intent, Either.Either<WriteReceipt, Refusal | StorageError>>()
      for (const some of Arr.chunksOf(intents, bulk.most)) {
        const glances = yield* Effect.either(storage.query(plans(some)))
        // Trouble with the database is told by the write.
        for (const [intent, glance] of Arr.zip(
          some,
          Either.getOrElse(glances, () => []),
        )) {
          if (Either.isRight(glance) && isNothing(glance.right))
            outcomes.set(intent, Either.right(glance.right))
        }
      }
      const changing = intents.filter((intent) => !outcomes.has(intent))
      for (const [intent, outcome] of Arr.zip(changing, yield* writeAll(changing))) {
        outcomes.set(intent, outcome)
      }
      return intents.flatMap((intent) => outcomes.get(intent) ?? [])
    })

  return { write, writeIfChanged, writeAll, writeAllIfChanged }
})
