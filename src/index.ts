/**
 * What a host imports. Every module is a namespace of its own name, as in Effect: a service's tag bears the name of
 * its module (`EntityService.EntityService`), its layers and options stand beside it.
 *
 * @example
 * import { EntityService, Shell } from "embedbox"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const entities = yield* EntityService.EntityService
 *   const { jobId } = yield* entities.createEntity({ content: "# Bread\nFlour, water, salt." })
 *   yield* entities.awaitJob(jobId)
 *   return yield* entities.search("how do I bake")
 * }).pipe(Effect.provide(Shell.layer))
 */

/** The whole, composed from settings. Start here. */
export * as Shell from "./Shell.js"
/** The settings (`EMBEDBOX_*`) that a shell is composed from. */
export * as Config from "./Shell/Config.js"
/** Structured logs on standard error. */
export * as Logging from "./Shell/Logging.js"

/** Create, read, change, delete and find entities. */
export * as EntityService from "./EntityService.js"
/** Which types of entities there are. */
export * as EntityRegistry from "./EntityRegistry.js"
/** A host's own type of entity. */
export * as EntityAdapter from "./Domain/EntityAdapter.js"
/** Hybrid search. */
export * as Search from "./Search.js"
/** Which model is searched. */
export * as Models from "./Models.js"
/** A change of model. */
export * as Reembedding from "./Reembedding.js"
/** Brings an existing table in. */
export * as Adopting from "./Adopting.js"
/** Imports of folders. */
export * as DirectorySync from "./DirectorySync.js"
/** Follows jobs to their end. */
export * as JobProgress from "./JobProgress.js"

/** The chat bot, as a Layer over the services. */
export * as Matrix from "./Matrix.js"
/** How interfaces such as the chat bot stand. */
export * as InterfaceBoard from "./InterfaceBoard.js"

/** The durable queue. */
export * as EmbeddingQueue from "./EmbeddingQueue.js"
/** What empties it. */
export * as EmbeddingWorker from "./EmbeddingWorker.js"
/** What keeps it tidy. */
export * as Maintenance from "./Maintenance.js"

/** Checks every promise on a live database, and mends what is safe to mend. */
export * as Doctor from "./Doctor.js"
/** A consistent copy while workers run. */
export * as Backup from "./Backup.js"

/** The tag that any embedder serves. */
export * as Embedder from "./Embedder.js"
/** Real models in child processes. */
export * as FastEmbed from "./Embedder/FastEmbed.js"
/** Vectors from a server of the OpenAI kind; needs an `HttpClient`. */
export * as HttpEmbedder from "./Embedder/Http.js"
/** A host's own functions, which return promises, as an embedder. */
export * as PromiseEmbedder from "./Embedder/Functions.js"
/** Puts a cache of vectors in the database in front of an embedder; a shell has it already. */
export * as EmbedderCache from "./Embedder/Cache.js"
/** An embedder for tests: deterministic, instant, and able to fail on demand. */
export * as FakeEmbedder from "./Embedder/Fake.js"

/** The tag that any database serves. */
export * as Storage from "./Storage.js"
/** SQLite. */
export * as Sqlite from "./Storage/Sqlite.js"
/** Stored entities, vectors and full-text. */
export * as EntityRepository from "./EntityRepository.js"
/** Reading while boxed. */
export * as EntityOverlay from "./EntityOverlay.js"
/** Nearest neighbours. */
export * as VectorIndex from "./VectorIndex.js"
/** How text is cut. */
export * as Chunker from "./Chunker.js"

/** Schemas of entities. */
export * as Entity from "./Domain/Entity.js"
/** Schemas of jobs. */
export * as Job from "./Domain/Job.js"
/** Schemas of what workers tell of themselves. */
export * as Worker from "./Domain/Worker.js"
/** Every typed error. */
export * as Errors from "./Domain/Errors.js"
