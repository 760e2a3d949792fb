/**
 * A host in Bun. better-sqlite3 is for Node, so the host brings the `SqlClient` over Bun's own SQLite; the bundled model
 * runs in child processes, which are Bun too. What stands on better-sqlite3 says that it cannot be there.
 */
import { Config, EntityService, Shell, Sqlite } from "embedbox"
import { createShell } from "embedbox/promise"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-bun/SqliteClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const saved = (id, content) =>
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
  const bread = yield* saved("bread", "# Bread\nFlour, water, salt.")
  const car = yield* saved("car", "I parked the car on level 3.")
  yield* Effect.forEach([bread, car], ({ jobId }) => entities.awaitJob(jobId))
  const { mode, results } = yield* entities.search("where did I leave my vehicle?", { limit: 1 })
  // The host's row goes with the note that is refused.
  const refused = yield* Effect.flip(saved("bread", "again"))
  const rows = yield* sql`SELECT entry FROM host_log`
  return { mode, found: results[0]?.entityId, refused: refused._tag, rows: rows.length }
})

const MyShell = Layer.unwrapEffect(
  Effect.map(Config.load({ logLevel: "none" }), (settings) =>
    Shell.layerFrom({ settings, storage: Sqlite.layerClient() }),
  ),
).pipe(Layer.provideMerge(SqliteClient.layer({ filename: "notes.sqlite" })))

const inPromises = Effect.promise(() =>
  createShell({ database: "other.sqlite" }).then(
    () => "it works",
    ({ code }) => code,
  ),
)

const main = Effect.gen(function* () {
  const outcome = JSON.stringify({
    ...(yield* Effect.provide(program, MyShell)),
    inPromises: yield* inPromises,
  })
  const expected = JSON.stringify({
    mode: "hybrid",
    found: "car",
    refused: "EntityAlreadyExists",
    rows: 2,
    inPromises: "STORAGE_NOT_LOADED",
  })
  if (outcome !== expected) return yield* Effect.dieMessage(`${outcome} is not ${expected}`)
  yield* Console.log(`an Effect host in Bun ${process.versions.bun} works, with the bundled model`)
})

await Effect.runPromise(main)
