import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Cache from "../../src/Embedder/Cache.js"
import * as Fake from "../../src/Embedder/Fake.js"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { Embedder } from "../../src/Embedder.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { startWorker, untilQuiet } from "../EmbeddingWorker/fixtures.js"
import { embeddingWhole } from "./support.js"
import { quiet, services, settle } from "../support.js"

const cached = (limit = 100) =>
  Cache.layer(limit).pipe(
    Layer.provideMerge(Fake.layerWith({})),
    Layer.provideMerge(Sqlite.layer({ filename: ":memory:" })),
  )

const embedded = Effect.flatMap(Fake.FakeControl, ({ counters }) =>
  Effect.map(counters, (counts) => counts.embedded),
)

const rows = Effect.gen(function* () {
  const { sql } = yield* Storage
  const found = yield* sql<{ readonly count: number }>`SELECT count(*) AS count FROM embedding_cache`
  return found[0]?.count
})

const embed = (...texts: ReadonlyArray<string>) =>
  Effect.flatMap(Embedder, ({ generateEmbeddings }) => generateEmbeddings(texts))

const one = (text: string) => Effect.map(embed(text), ([vector = new Float32Array()]) => vector)

describe("the cache of vectors", () => {
  it.scoped("embeds a text once, however often and beside whatever it is asked for", () =>
    Effect.gen(function* () {
      yield* embed("alpha", "beta")
      const [a, b] = [yield* one("alpha"), yield* one("beta")]
      assert.deepStrictEqual(yield* embed("beta", "gamma", "beta", "alpha"), [b, yield* one("gamma"), b, a])
      assert.deepStrictEqual(yield* embedded, ["alpha", "beta", "gamma"])
      const { generateEmbedding } = yield* Embedder
      assert.deepStrictEqual(yield* generateEmbedding("alpha"), a)
      assert.strictEqual((yield* embedded).length, 3)
    }).pipe(Effect.provide(cached())),
  )

  it.scoped("waits for a text that is on its way, and embeds it itself when that fails", () =>
    Effect.gen(function* () {
      const control = yield* Fake.FakeControl
      yield* control.hold
      const first = yield* Effect.fork(embed("alpha", "beta"))
      yield* settle
      const second = yield* Effect.fork(embed("beta", "gamma"))
      yield* settle
      yield* control.release
      const [, beta] = yield* Fiber.join(first)
      assert.deepStrictEqual((yield* Fiber.join(second))[0], beta)
      assert.sameMembers([...(yield* embedded)], ["alpha", "beta", "gamma"])

      yield* control.hold
      const gone = yield* Effect.fork(embed("delta"))
      yield* settle
      const heir = yield* Effect.fork(embed("delta"))
      yield* settle
      yield* Fiber.interrupt(gone)
      yield* control.release
      assert.strictEqual((yield* Fiber.join(heir)).length, 1)

      yield* control.failNext(new EmbeddingError({ fault: "provider", reason: "down" }))
      assert.strictEqual((yield* Effect.flip(embed("epsilon"))).reason, "down")
      assert.strictEqual((yield* embed("epsilon")).length, 1)
    }).pipe(Effect.provide(cached())),
  )

  it.scoped("knows passages that were embedded whole, and asks again for those that did not fit", () =>
    Effect.gen(function* () {
      const { embedWhole, generateEmbeddings } = yield* Embedder
      assert(embedWhole !== undefined)
      const passages = [
        { title: "", text: "alpha" },
        { title: "Letters", text: "beta" },
        { title: "", text: "too long ".repeat(100) },
      ]
      const [alpha, beta, long] = yield* embedWhole(passages)
      assert.deepStrictEqual<unknown>([alpha, beta], yield* generateEmbeddings(["alpha", "Letters\n\nbeta"]))
      assert.strictEqual(long, undefined)
      assert.deepStrictEqual(yield* embedWhole(passages), [alpha, beta, undefined])
      assert.deepStrictEqual(yield* embedded, ["alpha", "Letters\n\nbeta"])
      assert.strictEqual(yield* rows, 2)

      const control = yield* Fake.FakeControl
      yield* control.misbehaveNext("not finite")
      const wrong = yield* Effect.flip(embedWhole([{ title: "", text: "gamma" }]))
      assert.strictEqual(wrong.fault, "item")
      assert.strictEqual(yield* rows, 2)
    }).pipe(
      Effect.provide(
        Cache.layer(100).pipe(
          Layer.provideMerge(embeddingWhole),
          Layer.provideMerge(Fake.layer),
          Layer.provideMerge(Sqlite.layer({ filename: ":memory:" })),
        ),
      ),
    ),
  )

  it.scoped("keeps the newest, and no more than it may", () =>
    Effect.gen(function* () {
      yield* embed(...Array.from({ length: 8 }, (_, at) => `text ${at}`))
      assert.strictEqual(yield* rows, 5)
      yield* embed("text 7", "text 0")
      assert.deepStrictEqual((yield* embedded).slice(8), ["text 0"])
      assert.strictEqual(yield* rows, 5)
    }).pipe(Effect.provide(cached(5))),
  )

  it.scoped("is off where nothing may be kept", () =>
    Effect.gen(function* () {
      yield* embed("alpha")
      yield* embed("alpha")
      assert.strictEqual((yield* embedded).length, 2)
      assert.strictEqual(yield* rows, 0)
    }).pipe(Effect.provide(cached(0))),
  )

  it.scoped("makes a damaged vector anew, keeps no wrong one, and goes on when the database does not", () =>
    Effect.gen(function* () {
      const { sql } = yield* Storage
      const control = yield* Fake.FakeControl
      const right = yield* one("alpha")
      for (const damage of ["zeroblob(4)", "zeroblob(256)"]) {
        yield* sql.unsafe(`UPDATE embedding_cache SET vector = ${damage}`)
        assert.deepStrictEqual(yield* embed("alpha"), [right])
      }
      yield* control.misbehaveNext("too many")
      assert.strictEqual((yield* Effect.flip(embed("beta"))).fault, "item")
      yield* control.misbehaveNext("not finite")
      assert.strictEqual((yield* Effect.flip(embed("beta"))).fault, "item")
      assert.strictEqual(yield* rows, 1)
      yield* sql`DROP TABLE embedding_cache`
      assert.strictEqual((yield* embed("alpha")).length, 1)
    }).pipe(Effect.provide(cached())),
  )

  it.scoped("a rename, a revert and copies in several batches cost no inference", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* startWorker({ batchSize: 1, concurrency: 4 })
      for (const id of ["a", "b", "c", "d"]) yield* service.createEntity({ id, content: "the same words" })
      yield* untilQuiet
      assert.strictEqual((yield* embedded).length, 1)

      yield* service.createEntity({ id: "new name", content: "the same words" })
      yield* service.deleteEntity("a")
      yield* untilQuiet
      yield* service.updateEntity("b", { content: "other words" })
      yield* untilQuiet
      yield* service.updateEntity("b", { content: "the same words" })
      yield* untilQuiet
      assert.deepStrictEqual(yield* embedded, ["the same words", "other words"])
    }).pipe(
      Effect.scoped,
      Effect.provide(services().pipe(Layer.provideMerge(cached()))),
      Effect.provide(quiet),
    ),
  )
})
