/** Databases of a host's own, to be brought in. */
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Adopting from "../../src/Adopting.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { type Options, plainBackoff, system, temporaryFolder } from "../support.js"

/** A file with these statements in it, and what changes it later. */
export const host = (...statements: ReadonlyArray<string>) =>
  Effect.map(temporaryFolder, (folder) => {
    const file = join(folder, "host.sqlite")
    const change = (...more: ReadonlyArray<string>) =>
      Effect.sync(() => {
        const db = new Database(file)
        for (const statement of more) db.exec(statement)
        db.close()
      })
    const db = new Database(file)
    for (const statement of statements) db.exec(statement)
    db.close()
    return { folder, file, change }
  })

/** A table of that many notes. */
export const numbered = (count: number, table = "notes (id INTEGER PRIMARY KEY, body TEXT)") => [
  `CREATE TABLE ${table}`,
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO notes SELECT i, 'Note ' || i FROM n`,
]

/** What `numbered` is mapped by. */
export const byNumber = { table: "notes", id: "id", content: "body" }

/** The whole system with an adopter. */
export const withAdopter = (options: Options = {}) =>
  Layer.provideMerge(Adopting.layer, system({ queue: { backoff: plainBackoff }, ...options }))

/** What became of each row. */
export const adopt = (file: string, mapping: Adopting.Mapping, options?: Adopting.Options) =>
  Effect.flatMap(Adopting.Adopting, (adopting) =>
    Effect.map(Stream.runCollect(adopting.adopt(file, mapping, options)), (outcomes) => [...outcomes]),
  )

/** Keys and reasons of the rows that were left out. */
export const leftOut = (outcomes: ReadonlyArray<Adopting.RowOutcome | Adopting.RowCheck>) =>
  outcomes.flatMap((outcome) => (outcome._tag === "Skipped" ? [`${outcome.key} ${outcome.reason}`] : []))

/** All entities that are here. */
export const entities = Effect.flatMap(EntityService, (service) => service.listEntities({ limit: 1000 }))

/** How many jobs there are, of any state. */
export const jobs = Effect.map(
  Effect.flatMap(EmbeddingQueue, (queue) => queue.getStats),
  ({ completed, failed, pending, processing }) => completed + failed + pending + processing,
)
