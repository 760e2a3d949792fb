/**
 * A host in Effect and TypeScript: its settings, its own embedder, its own table in the same transaction as a note, a typed
 * error, and a test of its own that does not sleep.
 */
import { EntityService, Config, FakeEmbedder, Shell } from "embedbox"
import { Faults, TestShell } from "embedbox/testing"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestContext from "effect/TestContext"

const saved = (id: string, content: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const entities = yield* EntityService.EntityService
    return yield* sql.withTransaction(
      Effect.zipRight(
        sql`INSERT INTO host_log (entry) VALUES (${id})`,
        entities.createEntity({ id, content }),
      ),
    )
  })

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const entities = yield* EntityService.EntityService
  yield* sql`CREATE TABLE IF NOT EXISTS host_log (entry TEXT NOT NULL)`
  const { jobId } = yield* saved("bread", "flour, water, salt")
  yield* entities.awaitJob(jobId)
  const { results } = yield* entities.search("water")
  // The host's row goes with the note that is refused.
  const refused = yield* Effect.flip(saved("bread", "again"))
  const rows = yield* sql`SELECT entry FROM host_log`
  return { found: results[0]?.entityId, refused: refused._tag, rows: rows.length }
})

const MyShell = Layer.unwrapEffect(
  Effect.map(Config.load({ database: "notes.sqlite", model: "fake", logLevel: "none" }), (settings) => {
    const storage = Shell.storage(settings)
    return Layer.merge(Shell.layerFrom({ settings, storage, embedder: FakeEmbedder.layer }), storage)
  }),
)

const test = Effect.gen(function* () {
  const entities = yield* EntityService.EntityService
  const fake = yield* FakeEmbedder.FakeControl
  yield* fake.failNext(Faults.provider("down", 60_000))
  yield* entities.createEntity({ id: "a", content: "text" })
  yield* TestShell.drain()
  return (yield* entities.getEntity("a")).embedding.state
}).pipe(Effect.provide(TestShell.layer), Effect.provide(TestContext.TestContext))

const main = Effect.gen(function* () {
  const outcome = JSON.stringify({ ...(yield* Effect.provide(program, MyShell)), tested: yield* test })
  const expected = JSON.stringify({
    found: "bread",
    refused: "EntityAlreadyExists",
    rows: 1,
    tested: "ready",
  })
  if (outcome !== expected) return yield* Effect.dieMessage(`${outcome} is not ${expected}`)
  yield* Console.log("an Effect host in TypeScript compiles and works")
})

await Effect.runPromise(main)
