/**
 * One Layer that is the whole of Embedbox, composed from settings. It is built in three floors, and a host may
 * replace any: what everything stands on (a database, an embedder, the types of entities), the services over it, and what works in the
 * background. The background is built last and ends first, so that a worker that drains still has its database.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Adopting from "./Adopting.js"
import * as Chunker from "./Chunker.js"
import * as DirectorySync from "./DirectorySync.js"
import type { StorageError } from "./Domain/Errors.js"
import type { Embedder } from "./Embedder.js"
import * as Cache from "./Embedder/Cache.js"
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
import { embedder, formerModels } from "./Shell/Embedders.js"
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

export { embedder, formerModels } from "./Shell/Embedders.js"
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

/** The embedder with its cache in the database. */
const cached = <E1, R1, E2, R2>(
  settings: Pick<Config.Settings, "vectorCache">,
  database: Layer.Layer<Storage, E1, R1>,
  model: Layer.Layer<Embedder, E2, R2>,
): Layer.Layer<Embedder, E1 | E2, R1 | R2> =>
  Cache.layer(settings.vectorCache).pipe(Layer.provide(Layer.merge(database, model)))

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

/** What a host may bring of its own beside a database; settings that it does not bring are those of the environment. */
interface PartsBeside<E2, R2, E3, R3> {
  readonly embedder?: Layer.Layer<Embedder, E2, R2> | undefined
  /** The types of entities; any by default. */
  readonly registry?: Layer.Layer<EntityRegistry.EntityRegistry, E3, R3> | undefined
  readonly settings?: Config.Settings | undefined
}

/** The same with a database of its own; what its Layer serves besides is served by the shell too. */
export interface Parts<Served, E1, R1, E2, R2, E3, R3> extends PartsBeside<E2, R2, E3, R3> {
  readonly storage: Layer.Layer<Storage | Served, E1, R1>
}

/** The same without one: it is that of the settings. */
export interface PartsOverSettings<E2, R2, E3, R3> extends PartsBeside<E2, R2, E3, R3> {
  readonly storage?: undefined
}

/** What may keep a shell from being built. */
type BuildError<E> = E | StorageError | Config.InvalidSettings

const withSettings = <A, E, R>(
  { settings }: { readonly settings?: Config.Settings | undefined },
  build: (settings: Config.Settings) => Layer.Layer<A, E, R>,
): Layer.Layer<A, E | Config.InvalidSettings, R> =>
  Layer.unwrapEffect(Effect.map(settings === undefined ? Config.load() : Effect.succeed(settings), build))

/** Services over this database. */
const over = <Served, E1, R1, E2, R2, E3, R3>(
  settings: Config.Settings,
  database: Layer.Layer<Storage | Served, E1, R1>,
  parts: PartsBeside<E2, R2, E3, R3>,
): Layer.Layer<Foundation | Services | Served, E1 | E2 | E3, R1 | R2 | R3> => {
  const model: Layer.Layer<Embedder, E2, R2> = parts.embedder ?? embedder(settings)
  const registry: Layer.Layer<EntityRegistry.EntityRegistry, E3, R3> =
    parts.registry ?? EntityRegistry.layerOpen
  return Layer.provideMerge(
    Layer.provide(services(settings), formerModels(settings)),
    Layer.mergeAll(database, cached(settings, database, model), registry),
  )
}

/** The same without worker and maintenance. */
export function layerWithoutWorkerFrom<E2 = never, R2 = never, E3 = never, R3 = never>(
  parts: PartsOverSettings<E2, R2, E3, R3>,
): Layer.Layer<Foundation | Services | SqlClient.SqlClient, BuildError<E2 | E3>, R2 | R3>
export function layerWithoutWorkerFrom<
  Served = never,
  E1 = never,
  R1 = never,
  E2 = never,
  R2 = never,
  E3 = never,
  R3 = never,
>(
  parts: Parts<Served, E1, R1, E2, R2, E3, R3>,
): Layer.Layer<Foundation | Services | Served, BuildError<E1 | E2 | E3>, R1 | R2 | R3>
export function layerWithoutWorkerFrom<Served, E1, R1, E2, R2, E3, R3>(
  parts: Parts<Served, E1, R1, E2, R2, E3, R3> | PartsOverSettings<E2, R2, E3, R3>,
): Layer.Layer<Foundation | Services, BuildError<E1 | E2 | E3>, R1 | R2 | R3> {
  const { storage: own } = parts
  // The overloads say what is needed; that of the implementation is more than any of them.
  // @effect-diagnostics-next-line missingLayerContext:off
  if (own === undefined) return withSettings(parts, (settings) => over(settings, storage(settings), parts))
  // @effect-diagnostics-next-line missingLayerContext:off
  return withSettings(parts, (settings) => over(settings, own, parts))
}

/**
 * A shell in which some parts are the host's own; what it does not bring is made from the settings, and settings
 * that it does not bring are those of the environment. Whatever the database's Layer serves, the shell serves too: its
 * `SqlClient`, where that of the settings is taken.
 *
 * @example
 * import { EntityService, FakeEmbedder, Shell } from "embedbox"
 * import * as SqlClient from "@effect/sql/SqlClient"
 * import * as Effect from "effect/Effect"
 *
 * const MyShell = Shell.layerFrom({ embedder: FakeEmbedder.layerWith({ dimensions: 384 }) })
 *
 * // A row of the host's and a note: both, or neither.
 * const order = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   const entities = yield* EntityService.EntityService
 *   return yield* sql.withTransaction(
 *     Effect.zipRight(sql`INSERT INTO orders (what) VALUES ('bread')`, entities.createEntity({ content: "bread" })),
 *   )
 * })
 *
 * export const ordered = Effect.provide(order, MyShell)
 */
export function layerFrom<E2 = never, R2 = never, E3 = never, R3 = never>(
  parts: PartsOverSettings<E2, R2, E3, R3>,
): Layer.Layer<Shell | SqlClient.SqlClient, BuildError<E2 | E3>, R2 | R3>
export function layerFrom<
  Served = never,
  E1 = never,
  R1 = never,
  E2 = never,
  R2 = never,
  E3 = never,
  R3 = never,
>(
  parts: Parts<Served, E1, R1, E2, R2, E3, R3>,
): Layer.Layer<Shell | Served, BuildError<E1 | E2 | E3>, R1 | R2 | R3>
export function layerFrom<Served, E1, R1, E2, R2, E3, R3>(
  parts: Parts<Served, E1, R1, E2, R2, E3, R3> | PartsOverSettings<E2, R2, E3, R3>,
): Layer.Layer<Shell, BuildError<E1 | E2 | E3>, R1 | R2 | R3> {
  const { storage: own } = parts
  if (own === undefined) {
    // @effect-diagnostics-next-line missingLayerContext:off
    return withSettings(parts, (settings) =>
      Layer.provideMerge(background(settings), over(settings, storage(settings), parts)),
    )
  }
  // @effect-diagnostics-next-line missingLayerContext:off
  return withSettings(parts, (settings) =>
    Layer.provideMerge(background(settings), over(settings, own, parts)),
  )
}
