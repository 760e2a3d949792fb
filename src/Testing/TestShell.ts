/**
 * A whole shell for the tests of a host that uses Effect: the real services and the real worker, over a database in memory
 * and the fake embedder. Nothing is mocked but the model and, by Effect's own `TestClock`, time; so what a host's test
 * sees is what its users will see, down to backoffs and outages. The environment has no say in it.
 *
 * @example
 * import { FakeEmbedder, Faults, TestShell } from "embedbox/testing"
 * import { EntityService } from "embedbox"
 * import * as Effect from "effect/Effect"
 * import * as TestContext from "effect/TestContext"
 *
 * const test = Effect.gen(function* () {
 *   const entities = yield* EntityService.EntityService
 *   const fake = yield* FakeEmbedder.FakeControl
 *   yield* fake.failNext(Faults.provider())
 *   yield* entities.createEntity({ id: "bread", content: "flour, water, salt" })
 *   yield* TestShell.drain()
 *   return yield* entities.getEntity("bread") // ready, without having slept
 * })
 *
 * await Effect.runPromise(test.pipe(Effect.provide(TestShell.layer), Effect.provide(TestContext.TestContext)))
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { AnyAdapter } from "../Domain/EntityAdapter.js"
import type { InvalidAdapter, StorageError } from "../Domain/Errors.js"
import type { Job } from "../Domain/Job.js"
import * as Fake from "../Embedder/Fake.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import * as EntityRegistry from "../EntityRegistry.js"
import * as Shell from "../Shell.js"
import * as Config from "../Shell/Config.js"
import * as Logging from "../Shell/Logging.js"

export { advance, drain, settle } from "./Draining.js"

/** What a test may want otherwise. */
export interface Options {
  /** Default `:memory:`. A file outlives its shell: for tests of what happens at a restart. */
  readonly database?: string | undefined
  /** How the fake embedder is made. */
  readonly fake?: Fake.Options | undefined
  /** The types of entities there are, as `EntityRegistry.layer` takes them; any by default. */
  readonly entityTypes?: ReadonlyArray<AnyAdapter> | undefined
  /** Other settings, as they would be written into their variables. */
  readonly settings?: Config.Fallbacks | undefined
}

/**
 * The settings of a test's shell. The vectors are not cached, so that the fake tells of every text; and there are no
 * other processes to look for ten times a second, in hours that pass in a moment.
 */
export const settingsOf = ({
  database = ":memory:",
  settings = {},
}: Options): Effect.Effect<Config.Settings, Config.InvalidSettings> =>
  Effect.withConfigProvider(
    Config.load({ logLevel: "none", vectorCache: "0", pollInterval: "10s", ...settings, database }),
    ConfigProvider.fromMap(new Map()),
  )

/** These types of entities, or any. */
const registryOf = (
  entityTypes: ReadonlyArray<AnyAdapter> | undefined,
): Layer.Layer<EntityRegistry.EntityRegistry, InvalidAdapter> | undefined =>
  entityTypes === undefined ? undefined : EntityRegistry.layer(entityTypes)

const partsOf = (options: Options) =>
  Effect.map(settingsOf(options), (settings) => {
    const storage = Shell.storage(settings)
    const embedder = Fake.layerWith(options.fake ?? {})
    return {
      parts: { settings, storage, embedder, registry: registryOf(options.entityTypes) },
      embedder,
      // Faults on demand are no news to the test.
      logging: Logging.layer(settings),
    }
  })

/** Why there may be none. `InvalidAdapter`: one of `entityTypes` does not work. */
export type Failure = InvalidAdapter | StorageError | Config.InvalidSettings

/** What a test's shell serves without its worker. */
export type WithoutWorker = Shell.Foundation | Shell.Services | Fake.FakeControl | SqlClient.SqlClient

/** Every service and the worker, with options. */
export const layerWith = (
  options: Options,
): Layer.Layer<Shell.Shell | Fake.FakeControl | SqlClient.SqlClient, Failure> =>
  Layer.unwrapEffect(
    Effect.map(partsOf(options), ({ embedder, logging, parts }) =>
      Layer.provide(Layer.merge(Shell.layerFrom(parts), embedder), logging),
    ),
  )

/** Every service and the worker. */
export const layer: Layer.Layer<Shell.Shell | Fake.FakeControl | SqlClient.SqlClient, Failure> = layerWith({})

/** Every service, and nobody who embeds, with options: what is saved stays pending. */
export const layerWithoutWorkerWith = (options: Options): Layer.Layer<WithoutWorker, Failure> =>
  Layer.unwrapEffect(
    Effect.map(partsOf(options), ({ embedder, logging, parts }) =>
      Layer.provide(Layer.merge(Shell.layerWithoutWorkerFrom(parts), embedder), logging),
    ),
  )

/** Every service, and nobody who embeds. */
export const layerWithoutWorker: Layer.Layer<WithoutWorker, Failure> = layerWithoutWorkerWith({})

/**
 * Takes up to `n` jobs in hand as a worker that is killed does: nobody works on them, and when their lease has lapsed they
 * are taken back, with a crash counted. Answers them.
 */
export const abandon = (n = 1): Effect.Effect<ReadonlyArray<Job>, StorageError, EmbeddingQueue> =>
  Effect.flatMap(EmbeddingQueue, (queue) =>
    Effect.map(queue.dequeueBatch(n), (claims) => claims.map(({ job }) => job)),
  )
