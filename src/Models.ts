/**
 * Which model's vectors are searched and stored, and who can make them. It need not be the one in the settings: where
 * another is configured than the one whose vectors are there, search and new notes go on with the old one, until
 * `Reembedding` has built the vectors of the new one beside it. So a change of a setting loses nothing, and costs nothing
 * until somebody asks for it.
 *
 * @example
 * import { Models } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const isChangeOfModelDue = Effect.gen(function* () {
 *   const models = yield* Models.Models
 *   return (yield* models.searched) !== models.configured.fingerprint
 * })
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { EmbeddingError, type StorageError } from "./Domain/Errors.js"
import type { Fingerprint } from "./Domain/Fingerprint.js"
import { Embedder } from "./Embedder.js"
import { EntityRepository } from "./EntityRepository.js"

/** How an embedder is had whose fingerprint stands in the database. A host that serves its own model knows of none. */
export class FormerModels extends Context.Reference<FormerModels>()("embedbox/FormerModels", {
  defaultValue: () => ({
    find: (_fingerprint: Fingerprint): Effect.Effect<Option.Option<typeof Embedder.Service>> =>
      Effect.succeedNone,
  }),
}) {}

/** Which vectors are searched, and who makes such. */
export class Models extends Context.Tag("embedbox/Models")<
  Models,
  {
    /** The one of the settings. */
    readonly configured: typeof Embedder.Service
    /** The fingerprint that is searched; that of the settings where nothing is stored yet. */
    readonly searched: Effect.Effect<Fingerprint, StorageError>
    /** Who makes such vectors. Where this program cannot, it is a fault of the provider: nothing pays for it. */
    readonly active: Effect.Effect<typeof Embedder.Service, EmbeddingError | StorageError>
  }
>() {}

/** Makes the service. */
export const make = Effect.gen(function* () {
  const configured = yield* Embedder
  const repository = yield* EntityRepository
  const former = yield* FormerModels

  const searched = Effect.gen(function* () {
    const { active } = yield* repository.generations
    if (active === undefined || active === configured.fingerprint) return configured.fingerprint
    // Where no vector bears it any more, whoever comes first decides anew.
    const page = yield* repository.rowsAfter({ fingerprint: active, row: 0, limit: 1 })
    return page.length === 0 ? configured.fingerprint : active
  })

  const active = Effect.gen(function* () {
    const fingerprint = yield* searched
    if (fingerprint === configured.fingerprint) return configured
    return yield* Effect.flatMap(
      former.find(fingerprint),
      Option.match({
        onSome: Effect.succeed,
        onNone: () =>
          Effect.fail(
            new EmbeddingError({
              fault: "provider",
              reason: `the stored vectors are of ${fingerprint}, which this program cannot make; configured is ${configured.fingerprint}: reembed, or configure the former model again`,
            }),
          ),
      }),
    )
  })

  return Models.of({ configured, searched, active })
})

/** The service over what it stands on, as a Layer. */
export const layer: Layer.Layer<Models, never, Embedder | EntityRepository> = Layer.effect(Models, make)
