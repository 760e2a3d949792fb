/** Another process of the same program: opens each file it is told to, at a word, and says what tables it found. */
import { once } from "node:events"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"

const tables = (filename: string) =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    const rows = yield* sql<{
      readonly name: string
    }>`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`
    return rows.map((row) => row.name)
  }).pipe(Effect.provide(Sqlite.layer({ filename })))

NodeRuntime.runMain(
  Effect.gen(function* () {
    process.stdout.write("ready\n")
    yield* Effect.promise(() => once(process.stdin, "data"))
    const found = yield* Effect.forEach(process.argv.slice(2), tables)
    process.stdout.write(JSON.stringify(found))
    process.stdin.destroy()
  }),
)
