/**
 * One Layer that is the whole of Embedbox, composed from settings. It is built in three floors, and a host may
 * replace any: what everything stands on (a database, an embedder, the types of entities), the services over it, and what works in the
 * background. The background is built last and ends first, so that a worker that drains still has its database.
 * Models are imported only when a shell with one is built: who reads a status pays for no model.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Adopting from "./Adopting.js"
import * as Chunker from "./Chunker.js"
import * as DirectorySync from "./DirectorySync.js"
import type { StorageError } from "./Domain/Errors.js"
import { Embedder } from "./Embedder.js"
import * as Cache from "./Embedder/Cache.js"
import type { ModelName } from "./Embedder/models.js"
import * as EmbeddingQueue from "./EmbeddingQueue.js"
import * as EmbeddingWorker from "./EmbeddingWorker.js"
import * as EntityOverlay from "./EntityOverlay.js"
import * as EntityRegistry from "./EntityRegistry.js"
import * as EntityRepository from "./EntityRepository.js"
import * as EntityService from "./EntityService.js"
import * as InterfaceBoard from "./InterfaceBoard.js"
import * as Maintenance from "./Maintenance.js"
import * as Models from "./Models.js"
import * as Reembedding from "./Reembedding.js"
import * as Search from "./Search.js"
import * as Config from "./Shell/Config.js"
import { queue, storage } from "./Shell/Foundation.js"
import type { Storage } from "./Storage.js"
import * as VectorIndex from "./VectorIndex.js"

/** What everything stands on. */
export type Foundation = Storage | Embedder | EntityRegistry.EntityRegistry

/** The services that a shell serves to its host. */
export type Services =
  | Adopting.Adopting
  | Chunker.Chunker
  | DirectorySync.DirectorySync
  | EmbeddingQueue.EmbeddingQueue
  | EntityOverlay.EntityOverlay
  | EntityRepository.EntityRepository
  | EntityService.EntityService
  | InterfaceBoard.InterfaceBoard
  | Models.Models
  | Reembedding.Reembedding
  | Search.Search
  | VectorIndex.VectorIndex

/** Everything in a shell. */
export type Shell = Foundation | Services | EmbeddingWorker.EmbeddingWorker

// ---- the pieces --------------------------------------------------------------------------------------------

export { queue, storage } from "./Shell/Foundation.js"

const mebibyte = 1024 * 1024

/** All services; nothing runs in the background. */
export const services = (
  settings: Pick<Config.Settings, "leaseDuration" | "maxWaiting" | "indexMemory">,
): Layer.Layer<Services, never, Foundation> =>
  Layer.merge(Adopting.layer, DirectorySync.layer).pipe(
    Layer.provideMerge(EntityService.layer),
    Layer.provideMerge(Layer.merge(Search.layer, Reembedding.layer)),
    Layer.provideMerge(
      Layer.merge(VectorIndex.layerWith({ maxBytes: settings.indexMemory * mebibyte }), EntityOverlay.layer),
    ),
    Layer.provideMerge(Chunker.layer),
    Layer.provideMerge(Layer.provideMerge(Models.layer, queue(settings))),
  )

/** Worker and maintenance. */
export const background = (
  settings: Omit<Config.Settings, "database">,
): Layer.Layer<
  EmbeddingWorker.EmbeddingWorker,
  never,
  Foundation | Chunker.Chunker | EmbeddingQueue.EmbeddingQueue | EntityRepository.EntityRepository
> =>
  Layer.merge(
    EmbeddingWorker.layerWith({
      pollInterval: settings.pollInterval,
      batchSize: settings.batchSize,
      concurrency: settings.concurrency ?? "auto",
      maxProcessingTime: settings.maxProcessingTime,
      heartbeatInterval: Duration.times(settings.leaseDuration, 1 / 3),
      drainTimeout: settings.drainTimeout,
    }),
    Maintenance.layerWith({
      cleanupInterval: settings.cleanupInterval,
      cleanupAge: settings.cleanupAge,
    }),
  )

const fake = Effect.promise(() => import("./Embedder/Fake.js")).pipe(
  Effect.tap(() =>
    Effect.logWarning("EMBEDBOX_MODEL=fake: its vectors know words, not meaning; it is for tests"),
  ),
  Effect.map((module): Layer.Layer<Embedder> => module.layer),
)

/** How models are run here. */
type PoolSettings = Pick<Config.Settings, "cacheDir" | "processes" | "threads" | "modelIdleTime">

const fastEmbed = (model: ModelName, settings: PoolSettings) =>
  Effect.promise(() => import("./Embedder/FastEmbed.js")).pipe(
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
  Effect.promise(() => import("./Embedder/Http.js")).pipe(
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

/** The embedder with its cache in the database. */
const cached = <E1, R1, E2, R2>(
  settings: Pick<Config.Settings, "vectorCache">,
  database: Layer.Layer<Storage, E1, R1>,
  model: Layer.Layer<Embedder, E2, R2>,
): Layer.Layer<Embedder, E1 | E2, R1 | R2> =>
  Cache.layer(settings.vectorCache).pipe(Layer.provide(Layer.merge(database, model)))

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
            const { models } = yield* Effect.promise(() => import("./Embedder/models.js"))
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

// ---- the whole ---------------------------------------------------------------------------------------------

/** A shell with these settings. */
export const layerWith = (
  settings: Config.Settings,
): Layer.Layer<Shell | SqlClient.SqlClient, StorageError> =>
  background(settings).pipe(Layer.provideMerge(layerWithoutWorkerWith(settings)))

/** The same, but nothing runs in the background: it writes and reads, and leaves embedding to others. */
export const layerWithoutWorkerWith = (
  settings: Config.Settings,
): Layer.Layer<Foundation | Services | SqlClient.SqlClient, StorageError> =>
  Layer.suspend(() => {
    const database = storage(settings)
    return services(settings).pipe(
      Layer.provide(formerModels(settings)),
      Layer.provideMerge(
        Layer.mergeAll(database, cached(settings, database, embedder(settings)), EntityRegistry.layerOpen),
      ),
    )
  })

/** A shell with the settings of the environment (`EMBEDBOX_*`). */
export const layer: Layer.Layer<Shell | SqlClient.SqlClient, StorageError | Config.InvalidSettings> =
  Layer.unwrapEffect(Effect.map(Config.load(), layerWith))

/** The same without worker and maintenance. */
export const layerWithoutWorker: Layer.Layer<
  Foundation | Services | SqlClient.SqlClient,
  StorageError | Config.InvalidSettings
> = Layer.unwrapEffect(Effect.map(Config.load(), layerWithoutWorkerWith))

/** What a host may bring of its own; settings that it does not bring are those of the environment. */
export interface Parts<E1, R1, E2, R2, E3, R3> {
  readonly storage?: Layer.Layer<Storage, E1, R1> | undefined
  readonly embedder?: Layer.Layer<Embedder, E2, R2> | undefined
  /** The types of entities; any by default. */
  readonly registry?: Layer.Layer<EntityRegistry.EntityRegistry, E3, R3> | undefined
  readonly settings?: Config.Settings | undefined
}

/**
 * A shell in which some parts are the host's own; what it does not bring is made from the settings, and settings
 * that it does not bring are those of the environment.
 *
 * @example
 * import { FakeEmbedder, Shell } from "embedbox"
 *
 * export const MyShell = Shell.layerFrom({ embedder: FakeEmbedder.layerWith({ dimensions: 384 }) })
 */
export const layerFrom = <E1 = never, R1 = never, E2 = never, R2 = never, E3 = never, R3 = never>(
  parts: Parts<E1, R1, E2, R2, E3, R3>,
): Layer.Layer<Shell, E1 | E2 | E3 | StorageError | Config.InvalidSettings, R1 | R2 | R3> =>
  Layer.unwrapEffect(
    Effect.map(parts.settings === undefined ? Config.load() : Effect.succeed(parts.settings), (settings) =>
      Layer.provideMerge(background(settings), layerWithoutWorkerFrom({ ...parts, settings })),
    ),
  )

/** The same without worker and maintenance. */
export const layerWithoutWorkerFrom = <
  E1 = never,
  R1 = never,
  E2 = never,
  R2 = never,
  E3 = never,
  R3 = never,
>(
  parts: Parts<E1, R1, E2, R2, E3, R3>,
): Layer.Layer<Foundation | Services, E1 | E2 | E3 | StorageError | Config.InvalidSettings, R1 | R2 | R3> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const settings = parts.settings ?? (yield* Config.load())
      const database: Layer.Layer<Storage, E1 | StorageError, R1> = parts.storage ?? storage(settings)
      const model: Layer.Layer<Embedder, E2, R2> = parts.embedder ?? embedder(settings)
      const registry: Layer.Layer<EntityRegistry.EntityRegistry, E3, R3> =
        parts.registry ?? EntityRegistry.layerOpen
      return Layer.provideMerge(
        Layer.provide(services(settings), formerModels(settings)),
        Layer.mergeAll(database, cached(settings, database, model), registry),
      )
    }),
  )
