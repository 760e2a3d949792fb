/**
 * Where the operations happen: one database, one embedder that refuses one text, and processes that come and go. In
 * memory they share the connection; on a file each opens it for itself.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Chunker from "../../src/Chunker.js"
import type { Entity } from "../../src/Domain/Entity.js"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import type { Claim } from "../../src/Domain/Job.js"
import { Embedder } from "../../src/Embedder.js"
import * as Fake from "../../src/Embedder/Fake.js"
import * as EmbeddingQueue from "../../src/EmbeddingQueue.js"
import * as EntityOverlay from "../../src/EntityOverlay.js"
import * as EntityRegistry from "../../src/EntityRegistry.js"
import * as EntityRepository from "../../src/EntityRepository.js"
import * as EntityService from "../../src/EntityService.js"
import * as Models from "../../src/Models.js"
import * as Search from "../../src/Search.js"
import type { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import * as VectorIndex from "../../src/VectorIndex.js"
import { plainBackoff } from "../support/backoff.js"
import { leaseMillis, poison } from "./Model.js"

/** The window is short, so that one of the texts has several vectors. */
export const fakeOptions: Fake.Options = { windowLength: 8, dimensions: 8 }

const services = EntityService.layer.pipe(
  Layer.provide(EntityRegistry.layerOpen),
  Layer.provideMerge(Search.layer),
  Layer.provideMerge(Layer.merge(EntityOverlay.layer, VectorIndex.layer)),
  Layer.provideMerge(
    Layer.provideMerge(
      Layer.provideMerge(Chunker.layer, Models.layer),
      Layer.merge(EmbeddingQueue.layerWith({ backoff: plainBackoff, leaseMillis }), EntityRepository.layer),
    ),
  ),
)

export type Services = Layer.Layer.Success<typeof services> | Embedder | Fake.FakeControl | Storage

/** One of those who share the database. */
export interface Process {
  readonly context: Context.Context<Services>
  readonly scope: Scope.CloseableScope
  /** How the model calls it; another after each restart. */
  readonly owner: string
  /** Newest first. Also claims that are lost, since it does not know that. */
  readonly hand: Array<Claim<Entity>>
}

export interface World {
  /** Makes the embedder fail the next time. */
  readonly hinder: (fault: EmbeddingError["fault"]) => Effect.Effect<void>
  /** Starts a process; it ends when its scope is closed, or with the world. */
  readonly start: Effect.Effect<Process>
}

/** `filename`: nothing for a database in memory. */
export const make = (filename: string | undefined): Effect.Effect<World, never, Scope.Scope> =>
  Effect.gen(function* () {
    const embedding = yield* Layer.build(Fake.layerWith(fakeOptions))
    const control = Context.get(embedding, Fake.FakeControl)
    yield* control.failWhen(
      (text) => text === poison,
      new EmbeddingError({ fault: "item", reason: "poison" }),
    )
    const fake = Context.get(embedding, Embedder)
    // Vectors that are stored already are not computed again. The model does not know which those are: a fault strikes
    // also where nothing is left to embed.
    const striking = Embedder.of({
      ...fake,
      generateEmbeddings: (texts) =>
        texts.length === 0
          ? Effect.as(fake.generateEmbedding("nothing"), [])
          : fake.generateEmbeddings(texts),
    })
    const embedder = Layer.succeedContext(Context.add(embedding, Embedder, striking))
    const storage: Layer.Layer<Storage> = Layer.orDie(
      filename === undefined
        ? Layer.succeedContext(yield* Effect.orDie(Layer.build(Sqlite.layer({ filename: ":memory:" }))))
        : Sqlite.layer({ filename }),
    )
    const life = yield* Effect.scope
    let started = 0
    const start = Effect.gen(function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (own) => Scope.close(own, Exit.void))
      const context = yield* Layer.buildWithScope(
        services.pipe(Layer.provideMerge(Layer.merge(storage, embedder))),
        scope,
      )
      return { context, scope, owner: `process ${++started}`, hand: [] } satisfies Process
    })
    return {
      hinder: (fault) => control.failNext(new EmbeddingError({ fault, reason: fault })),
      start: Scope.extend(start, life),
    }
  })
