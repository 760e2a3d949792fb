/**
 * How callers save: one entity or many, new or in the place of another, and embedded while they wait. What they give is
 * checked here and becomes an intent, which `Writing` carries out; what can only go wrong with another kind of write than
 * theirs is taken out of their errors.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { notEmbedded } from "../Domain/Chunk.js"
import { EntityId, type EntityInput, type EntityKey } from "../Domain/Entity.js"
import * as Input from "../Domain/EntityInput.js"
import { EntityAlreadyExists, type InvalidEntity } from "../Domain/Errors.js"
import * as Given from "../Domain/Given.js"
import type { Receipt } from "../Domain/Job.js"
import { timeOrderedId } from "../Domain/TimeOrderedId.js"
import { Chunker } from "../Chunker.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityOverlay, type EntityView } from "../EntityOverlay.js"
import { EntityRegistry } from "../EntityRegistry.js"
import { EntityRepository } from "../EntityRepository.js"
import { Storage } from "../Storage.js"
import * as Traced from "../Storage/Traced.js"
import * as Deprecation from "./Deprecation.js"
import * as Writing from "./Writing.js"
import type { CreateOptions, Intent, WriteReceipt } from "./Writing.js"

/** What a caller may say about many writes. */
export interface UpsertOptions extends CreateOptions {
  /** What becomes of metadata that an input does not speak of. Default `replace`: it goes. */
  readonly metadata?: "replace" | "merge" | undefined
}

const keyFor = (input: Input.CheckedInput, now: number): EntityKey => ({
  entityType: input.entityType,
  entityId: input.id ?? EntityId.make(timeOrderedId(now)),
})

const receiptOf = ({ entityId, jobId }: WriteReceipt): Receipt => ({ entityId, jobId })

const unsaid: CreateOptions = {}

/** What saves, by this way of writing. */
export const make = (writing: Effect.Effect.Success<typeof Writing.make>) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const queue = yield* EmbeddingQueue
    const repository = yield* EntityRepository
    const overlay = yield* EntityOverlay
    const chunker = yield* Chunker
    const registry = yield* EntityRegistry

    const intentOf = (kind: "create" | "replace" | "merge", input: EntityInput, options: CreateOptions) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Either.map(
          Input.check(input),
          (fields): Intent => ({ kind, key: keyFor(fields, now), fields, options }),
        ),
      )

    /** The intent of one write, whose options are the caller's word: most say nothing, and those need no look. */
    const intentWith = (kind: "create" | "replace", input: EntityInput, options: CreateOptions) =>
      options === unsaid
        ? intentOf(kind, input, unsaid)
        : Effect.flatMap(Given.createOptions(options), (said) => intentOf(kind, input, said))

    const createEntityAsync = (input: EntityInput, options: CreateOptions = unsaid) =>
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
        const checked = yield* Effect.forEach(inputs, (input) =>
          Effect.either(intentOf(kind, input, options)),
        )
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

    const upsertEntity = (input: EntityInput, options: CreateOptions = unsaid) =>
      Effect.flatMap(intentWith("replace", input, options), writing.writeIfChanged).pipe(
        Effect.catchTags({ EntityNotFound: Effect.die, EntityAlreadyExists: Effect.die }),
        Traced.span("EntityService.upsertEntity"),
      )

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

    const createEntitySync = (input: EntityInput) => {
      const site = Deprecation.callSite()
      return Effect.zipRight(Deprecation.warn(Deprecation.createEntitySync, site), createInline(input))
    }

    return { createEntityAsync, createEntities, createEntitySync, upsertEntity, upsertEntities }
  })
