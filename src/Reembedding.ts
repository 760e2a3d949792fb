/**
 * A change of model, made without anybody noticing until it is done: the vectors of the configured model are built beside
 * those that are searched, and when no entity lacks them any more, one write lets them be searched; only then the old
 * ones go. What is stored meanwhile is found by the old model and gets its new vectors in the next round. It may be
 * stopped at any moment, by a crash too: what is built stays, and whoever begins again goes on there.
 *
 * @example
 * import { Reembedding } from "embedbox"
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 *
 * export const change = Effect.gen(function* () {
 *   const { plan, run } = yield* Reembedding.Reembedding
 *   yield* Console.log(`${(yield* plan).entities} entities are embedded anew`)
 *   return yield* run(({ done, total }) => Console.log(`${done} of ${total}`))
 * })
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Chunker } from "./Chunker.js"
import { type Entity, type EntityKey, keyOf } from "./Domain/Entity.js"
import type { EmbeddingError, StorageError } from "./Domain/Errors.js"
import type { Fingerprint } from "./Domain/Fingerprint.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityRepository, type StoredEntity } from "./EntityRepository.js"
import { Models } from "./Models.js"

/** What a change of model would cost. */
export interface Plan {
  /** The fingerprint that is searched, and that of the configured model. The same: there is nothing to do. */
  readonly from: Fingerprint
  readonly to: Fingerprint
  /** Entities that lack vectors of the configured model, of all that are stored. */
  readonly entities: number
  readonly stored: number
  /** About so many chunks and tokens, by a fair sample of the entities and the length of all. */
  readonly chunks: number
  readonly tokens: number
  /** About so long, by the time that the sample took. */
  readonly millis: number
}

/** How far it is. */
export interface Progress {
  readonly done: number
  readonly failed: number
  readonly total: number
}

/** An entity that the new model refuses: as long as there is one, the old vectors stay and are searched. */
export interface Refusal {
  readonly entityType: string
  readonly entityId: string
  readonly reason: string
}

/** How it ended. */
export interface Outcome {
  readonly from: Fingerprint
  readonly to: Fingerprint
  readonly embedded: number
  readonly refused: ReadonlyArray<Refusal>
  /** The vectors of `to` are searched. */
  readonly changed: boolean
  /** Vectors of former models that went. */
  readonly dropped: number
}

/** Changes over from the vectors that are searched to those of the configured model. */
export class Reembedding extends Context.Tag("embedbox/Reembedding")<
  Reembedding,
  {
    /** Embeds a few entities to see how long it takes; stores nothing. */
    readonly plan: Effect.Effect<Plan, EmbeddingError | StorageError>
    /** Does it, and tells how far it is after every batch. Waits while the queue is paused, and lets new notes go first. */
    readonly run: (
      report?: (progress: Progress) => Effect.Effect<void>,
    ) => Effect.Effect<Outcome, EmbeddingError | StorageError>
  }
>() {}

/** Entities that are embedded and stored together. */
const batchSize = 16

/** Entities whose cost is measured. */
const sampleSize = 16

/** While notes wait in the queue it rests after a batch, so many times as long as that took: they go first. */
const politeness = 3

/** Vectors that one transaction removes. */
const dropSize = 500

/** Characters of a token, about. */
const charactersPerToken = 4

const start = ["", ""] as const

/** Makes the service. */
export const make = Effect.gen(function* () {
  const chunker = yield* Chunker
  const models = yield* Models
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const { configured } = models
  const to = configured.fingerprint

  /** What is stored of these. What cannot be read is the doctor's. */
  const readable = (keys: ReadonlyArray<EntityKey>) =>
    Effect.map(keys.length === 0 ? Effect.succeed([]) : repository.findAll(keys), (rows) =>
      rows.flatMap((row) => (Either.isRight(row) ? [row.right] : [])),
    )

  /** Entities that lack the new vectors, after a key. */
  const lacking = (after: readonly [string, string], limit: number) =>
    Effect.gen(function* () {
      const keys = yield* repository.lacking({ fingerprint: to, after, limit })
      return { rows: yield* readable(keys), last: keys.at(-1) }
    })

  const resumed = Effect.repeat(queue.workAhead, {
    while: ({ paused }) => paused,
    schedule: Schedule.spaced("1 second"),
  })

  /** Bulk work gives way to new notes, and is not held up for ever by them, nor by a queue that nobody works on. */
  const giveWay = (took: Duration.Duration) =>
    Effect.flatMap(queue.workAhead, ({ ready }) =>
      ready ? Effect.sleep(Duration.times(took, politeness)) : Effect.void,
    )

  const embed = (entities: ReadonlyArray<Entity>) => chunker.embed(entities, configured)

  const store = (
    rows: ReadonlyArray<StoredEntity>,
    chunks: Effect.Effect.Success<ReturnType<typeof embed>>,
  ) =>
    repository.storeNext(
      rows.map(({ entity, generation }, at) => ({
        key: keyOf(entity),
        generation,
        chunks: chunks[at] ?? [],
      })),
    )

  /** Embeds and stores; of a batch that is refused each by itself, so that the one at fault stands alone. */
  const advance = (
    rows: ReadonlyArray<StoredEntity>,
  ): Effect.Effect<ReadonlyArray<Refusal>, EmbeddingError | StorageError> =>
    Effect.flatMap(embed(rows.map(({ entity }) => entity)), (chunks) => store(rows, chunks)).pipe(
      Effect.as([]),
      Effect.catchIf(
        (error) => error._tag === "EmbeddingError" && error.fault === "item",
        ({ reason }) => {
          const [row, ...others] = rows
          if (row === undefined) return Effect.succeed([])
          const { entityId, entityType } = keyOf(row.entity)
          return others.length === 0
            ? Effect.succeed([{ entityType, entityId, reason }])
            : Effect.map(
                Effect.forEach(rows, (one) => advance([one])),
                (refused) => refused.flat(),
              )
        },
      ),
    )

  const dropOthers = Effect.gen(function* () {
    let dropped = 0
    while (true) {
      const gone = yield* repository.dropOthers(dropSize)
      if (gone === 0) return dropped
      dropped += gone
    }
  })

  const plan = Effect.gen(function* () {
    const { covered, entities: stored } = yield* repository.coverage(to)
    const from = yield* models.searched
    const entities = stored - covered
    const { keys, length } = yield* repository.sampleLacking({ fingerprint: to, size: sampleSize })
    const rows = yield* readable(keys)
    const none: Plan = { from, to, stored, entities, chunks: 0, tokens: 0, millis: 0 }
    if (rows.length === 0) return none
    yield* configured.prepare ?? Effect.void
    const begin = yield* Clock.currentTimeMillis
    const chunks = (yield* embed(rows.map(({ entity }) => entity))).flat()
    const millis = (yield* Clock.currentTimeMillis) - begin
    const sampled = rows.reduce((sum, { entity }) => sum + entity.content.length, 0)
    const whole = (sample: number) => Math.round((sample / Math.max(1, sampled)) * length)
    const characters = chunks.reduce((sum, { heading, text }) => sum + heading.length + text.length, 0)
    return {
      ...none,
      chunks: whole(chunks.length),
      tokens: whole(characters / charactersPerToken),
      millis: whole(millis),
    }
  }).pipe(Effect.withSpan("Reembedding.plan"))

  const run = (report: (progress: Progress) => Effect.Effect<void> = () => Effect.void) =>
    Effect.gen(function* () {
      const from = yield* models.searched
      if (from === to) {
        return { from, to, embedded: 0, refused: [], changed: false, dropped: yield* dropOthers }
      }
      yield* repository.beginNext(to)
      let embedded = 0
      while (true) {
        // A round over all that is missing; those that were written meanwhile are the next one's.
        const refused: Array<Refusal> = []
        const { covered, entities: total } = yield* repository.coverage(to)
        let done = covered
        let after: readonly [string, string] = start
        let took = Duration.zero
        while (true) {
          yield* Effect.zipRight(giveWay(took), resumed)
          const { last, rows } = yield* lacking(after, batchSize)
          if (last === undefined) break
          after = [last.entityType, last.entityId]
          const [lasted, failed] = yield* Effect.timed(advance(rows))
          took = lasted
          refused.push(...failed)
          done += rows.length - failed.length
          embedded += rows.length - failed.length
          yield* report({ done, failed: refused.length, total: Math.max(total, done + refused.length) })
        }
        if (refused.length > 0) return { from, to, embedded, refused, changed: false, dropped: 0 }
        if (yield* repository.flip(to)) {
          return { from, to, embedded, refused, changed: true, dropped: yield* dropOthers }
        }
      }
    }).pipe(Effect.withSpan("Reembedding.run"))

  return Reembedding.of({ plan, run })
})

/** The service over what it stands on, as a Layer. */
export const layer: Layer.Layer<Reembedding, never, Chunker | Models | EmbeddingQueue | EntityRepository> =
  Layer.effect(Reembedding, make)
