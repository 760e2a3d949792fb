/**
 * What tests share: the whole system over a database of its own, with the fake embedder and without a worker. A
 * test that wants a worker builds it in a scope of its own, so that it can also end it.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as DirectorySync from "../src/DirectorySync.js"
import * as Chunker from "../src/Chunker.js"
import * as Fake from "../src/Embedder/Fake.js"
import * as EmbeddingQueue from "../src/EmbeddingQueue.js"
import * as EntityOverlay from "../src/EntityOverlay.js"
import * as EntityRegistry from "../src/EntityRegistry.js"
import * as EntityRepository from "../src/EntityRepository.js"
import * as EntityService from "../src/EntityService.js"
import * as Models from "../src/Models.js"
import * as Reembedding from "../src/Reembedding.js"
import * as Search from "../src/Search.js"
import type { StorageError } from "../src/Domain/Errors.js"
import type { Storage } from "../src/Storage.js"
import * as Sqlite from "../src/Storage/Sqlite.js"
import { settle } from "../src/Testing/Draining.js"
import * as VectorIndex from "../src/VectorIndex.js"

export interface Options {
  /** Default: a database in memory. */
  readonly filename?: string
  /** Default: one of its own on that file. */
  readonly storage?: Layer.Layer<Storage | SqlClient.SqlClient, StorageError>
  readonly busyBudget?: Duration.DurationInput
  readonly queue?: Partial<EmbeddingQueue.Options>
  readonly fake?: Fake.Options
  /** Default: any type of entity. */
  readonly registry?: Layer.Layer<EntityRegistry.EntityRegistry>
}

/** Every service but the worker, over a database and an embedder. */
export const services = (options: Pick<Options, "queue" | "registry"> = {}) =>
  DirectorySync.layer.pipe(
    Layer.provideMerge(EntityService.layer),
    Layer.provideMerge(options.registry ?? EntityRegistry.layerOpen),
    Layer.provideMerge(Layer.merge(Search.layer, Reembedding.layer)),
    Layer.provideMerge(Layer.mergeAll(EntityOverlay.layer, VectorIndex.layer)),
    Layer.provideMerge(
      Layer.provideMerge(
        Layer.provideMerge(Chunker.layer, Models.layer),
        Layer.merge(EmbeddingQueue.layerWith(options.queue ?? {}), EntityRepository.layer),
      ),
    ),
  )

/** Every service but the worker. */
export const system = (options: Options = {}) =>
  Layer.provideMerge(
    services(options),
    Layer.mergeAll(
      options.storage ??
        Sqlite.layer({ filename: options.filename ?? ":memory:", busyBudget: options.busyBudget }),
      Fake.layerWith(options.fake ?? {}),
    ),
  )

/** Turns of the event loop, enough for the storage layer's hand-overs to settle. */
export { settle }

/** Backoff without jitter, so that times can be named. */
export { plainBackoff } from "./support/backoff.js"

/** A folder that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "embedbox-test-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true })),
)

/** A path for a database file that goes with the scope. */
export const temporaryDatabase = Effect.map(temporaryFolder, (folder) => Path.join(folder, "embedbox.sqlite"))

/** For tests in which errors are logged on purpose. */
export const quiet = Logger.remove(Logger.defaultLogger)

/**
 * Lets time pass in small steps, with turns for everything that runs in between, until `done` holds. A step is the
 * worker's poll interval. Fails when it never does.
 */
export const passTimeUntil = <E, R>(done: Effect.Effect<boolean, E, R>, steps = 600) =>
  Effect.gen(function* () {
    for (let step = 0; step < steps; step++) {
      yield* settle
      if (yield* done) return
      yield* TestClock.adjust("100 millis")
    }
    return yield* Effect.dieMessage(`it did not come to pass within ${steps} steps`)
  })
