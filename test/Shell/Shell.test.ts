import { assert, describe, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fake from "../../src/Embedder/Fake.js"
import { Embedder } from "../../src/Embedder.js"
import { EntityService } from "../../src/EntityService.js"
import * as Shell from "../../src/Shell.js"
import * as Config from "../../src/Shell/Config.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { quiet } from "../support.js"

const withVariables = (variables: Record<string, string>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const savedAndFound = Effect.gen(function* () {
  const service = yield* EntityService
  const { jobId } = yield* service.createEntity({ id: "bread", content: "flour, water, salt" })
  const { outcome } = yield* service.awaitJob(jobId, { pollEvery: "20 millis" })
  const { results } = yield* service.search("water", { mode: "semantic" })
  return { outcome, found: results.map(({ entityId }) => String(entityId)) }
})

describe("Shell", () => {
  it.live("is everything, from the environment's settings", () =>
    Effect.gen(function* () {
      const variables = { EMBEDBOX_MODEL: "fake", EMBEDBOX_DATABASE: ":memory:" }
      const result = yield* savedAndFound.pipe(
        Effect.provide(Layer.provide(Shell.layer, Layer.merge(withVariables(variables), quiet))),
      )
      assert.deepStrictEqual(result, { outcome: "stored", found: ["bread"] })
    }),
  )

  it.live("takes a host's own database and embedder", () =>
    Effect.gen(function* () {
      const parts = {
        storage: Sqlite.layer({ filename: ":memory:" }),
        embedder: Fake.layerWith({ dimensions: 7 }),
      }
      const shell = Layer.provide(Shell.layerFrom(parts), withVariables({}))
      const [result, embedder] = yield* Effect.provide(Effect.all([savedAndFound, Embedder]), shell)
      assert.deepStrictEqual(result, { outcome: "stored", found: ["bread"] })
      assert.strictEqual(embedder.dimensions, 7)
    }),
  )

  it.live("serves its SqlClient beside a host's own embedder, and what the host's own database serves", () =>
    Effect.gen(function* () {
      const settings = yield* Config.load({ database: ":memory:" })
      const embedder = Fake.layerWith({ dimensions: 7 })
      const storage = Sqlite.layer({ filename: ":memory:" })
      const outbox = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const entities = yield* EntityService
        yield* sql`CREATE TABLE orders (what TEXT)`
        const create = Effect.zipRight(
          sql`INSERT INTO orders VALUES ('bread')`,
          entities.createEntity({ content: "bread" }),
        )
        yield* Effect.ignore(sql.withTransaction(Effect.zipRight(create, Effect.fail("no"))))
        yield* sql.withTransaction(create)
        return [(yield* sql`SELECT * FROM orders`).length, (yield* entities.listEntities()).length]
      })
      // That these compile is half of the test.
      for (const shell of [
        Shell.layerFrom({ settings, embedder }),
        Shell.layerFrom({ settings, embedder, storage }),
      ])
        assert.deepStrictEqual(yield* Effect.provide(outbox, Layer.provide(shell, quiet)), [1, 1])
    }).pipe(Effect.provide(withVariables({}))),
  )

  it.live("takes a database over a client of the host's own", () =>
    Effect.gen(function* () {
      const client = SqliteClient.layer({ filename: ":memory:" })
      const shell = Shell.layerFrom({
        settings: yield* Config.load({ database: "nowhere" }),
        embedder: Fake.layerWith({ dimensions: 7 }),
        storage: Layer.provideMerge(Sqlite.layerClient(), client),
      })
      const result = yield* Effect.provide(
        Effect.zip(savedAndFound, SqliteClient.SqliteClient),
        Layer.provide(shell, quiet),
      )
      assert.deepStrictEqual(result[0], { outcome: "stored", found: ["bread"] })
    }).pipe(Effect.provide(withVariables({}))),
  )

  it.live("leaves embedding to others when it has no worker", () =>
    Effect.gen(function* () {
      const settings = yield* Config.load({ database: ":memory:", model: "fake" })
      const state = yield* Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "a", content: "text" })
        return (yield* service.getEntity("a")).embedding.state
      }).pipe(Effect.provide(Layer.provide(Shell.layerWithoutWorkerWith(settings), quiet)))
      assert.strictEqual(state, "pending")
    }).pipe(Effect.provide(withVariables({}))),
  )

  it.live("is not built from a bad setting", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Layer.build(Layer.provide(Shell.layer, withVariables({ EMBEDBOX_MODEL: "none" }))),
      )
      assert.strictEqual(error._tag, "InvalidSettings")
    }).pipe(Effect.scoped),
  )
})
