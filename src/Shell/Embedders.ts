/**
 * The embedder that settings name: a model that is offered here, or a server's. Models are imported only when a shell with
 * one is built: who reads a status pays for no model.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Embedder } from "../Embedder.js"
import type { ModelName } from "../Embedder/models.js"
import * as Models from "../Models.js"
import type * as Config from "./Config.js"

const fake = Effect.promise(() => import("../Embedder/Fake.js")).pipe(
  Effect.tap(() =>
    Effect.logWarning("EMBEDBOX_MODEL=fake: its vectors know words, not meaning; it is for tests"),
  ),
  Effect.map((module): Layer.Layer<Embedder> => module.layer),
)

/** How models are run here. */
type PoolSettings = Pick<Config.Settings, "cacheDir" | "processes" | "threads" | "modelIdleTime">

const fastEmbed = (model: ModelName, settings: PoolSettings) =>
  Effect.promise(() => import("../Embedder/FastEmbed.js")).pipe(
    Effect.map(
      (module): Layer.Layer<Embedder> =>
        module.layer({
          model,
          cacheDir: settings.cacheDir,
          processes: settings.processes,
          threads: settings.threads,
          idleTimeToLive: settings.modelIdleTime,
        }),
    ),
  )

type EmbedderSettings = PoolSettings &
  Pick<Config.Settings, "model" | Extract<keyof Config.Settings, `embeddings${string}`>>

/** The provider at that address. */
const provider = (url: string, settings: EmbedderSettings) =>
  Effect.promise(() => import("../Embedder/Http.js")).pipe(
    Effect.map(
      (module): Layer.Layer<Embedder> =>
        module
          .layer({
            url,
            model: settings.embeddingsModel,
            key: settings.embeddingsKey,
            dimensions: settings.embeddingsDimensions ?? 0,
            shorten: settings.embeddingsShorten,
            window: settings.embeddingsWindow,
            queryPrefix: settings.embeddingsQueryPrefix,
            passagePrefix: settings.embeddingsPassagePrefix,
            batchSize: settings.embeddingsBatchSize,
            concurrency: settings.embeddingsConcurrency,
          })
          .pipe(Layer.provide(FetchHttpClient.layer)),
    ),
  )

/** A model that is offered here. */
const offered = (model: Config.Settings["model"], settings: PoolSettings): Layer.Layer<Embedder> =>
  Layer.unwrapEffect(model === "fake" ? fake : fastEmbed(model, settings))

/** The model of the settings, here or at a provider. Nothing is loaded, built, downloaded or asked before the first text. */
export const embedder = (settings: EmbedderSettings): Layer.Layer<Embedder> => {
  const { embeddingsUrl, model } = settings
  if (embeddingsUrl !== undefined) return Layer.unwrapEffect(provider(embeddingsUrl, settings))
  return offered(model, settings)
}

/** How long text was cut does not matter for comparing vectors: the space is all but that. */
const spaceOf = (fingerprint: string) => fingerprint.slice(0, fingerprint.lastIndexOf("|"))

/** Every offered model: started when vectors of it are stored and another one is configured. */
export const formerModels = (settings: PoolSettings): Layer.Layer<Models.FormerModels> =>
  Layer.scoped(
    Models.FormerModels,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const open = yield* Effect.cachedFunction((model: ModelName) =>
        Effect.map(Layer.buildWithScope(offered(model, settings), scope), Context.get(Embedder)),
      )
      return {
        find: (fingerprint) =>
          Effect.gen(function* () {
            const { models } = yield* Effect.promise(() => import("../Embedder/models.js"))
            const model = Object.values(models).find(
              (one) => spaceOf(one.fingerprint) === spaceOf(fingerprint),
            )
            return model === undefined
              ? Option.none()
              : Option.some(Embedder.of({ ...(yield* open(model.name)), fingerprint }))
          }),
      }
    }),
  )
