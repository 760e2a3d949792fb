/**
 * Brings a file to the tables this program knows, forwards only. The stock migrator decides what is missing outside
 * any lock and its losing process goes on before the tables are there; so it runs inside one transaction that holds
 * the write lock, and what it did is looked at before the commit. A file that is up to date is only read. A file that
 * a newer version wrote is left alone: an older program would write rows the newer one cannot trust.
 */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { StorageError } from "../Domain/Errors.js"
import type { LowLevelError } from "../Storage.js"
import initial from "./migrations/0001_initial.js"
import faults from "./migrations/0002_faults.js"
import embeddingCache from "./migrations/0003_embedding_cache.js"
import search from "./migrations/0004_search.js"
import matrix from "./migrations/0005_matrix.js"
import directory from "./migrations/0006_directory.js"
import adopting from "./migrations/0007_adopting.js"
import adopted from "./migrations/0008_adopted.js"
import type { Replay } from "./Replay.js"

/** Migrations by name: four digits, an underscore, and what they do. */
export type Migrations = Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>>

/** What this program knows. Only ever add to it. */
export const known: Migrations = {
  "0001_initial": initial,
  "0002_faults": faults,
  "0003_embedding_cache": embeddingCache,
  "0004_search": search,
  "0005_matrix": matrix,
  "0006_directory": directory,
  "0007_adopting": adopting,
  "0008_adopted": adopted,
}

/** The table in which the file says what was applied to it; a host's own migrations have another. */
export const table = "embedbox_migrations"

/** The highest id in a set of migrations; 0 when it is empty. */
export const latest = (migrations: Migrations): number =>
  Math.max(0, ...Object.keys(migrations).map((name) => Number.parseInt(name, 10)))

/** The highest id that was applied to the file; 0 when there was none. */
const applied = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ${table}`
  if (tables.length === 0) return 0
  const rows = yield* sql<{ readonly id: number | null }>`SELECT max(migration_id) AS id FROM ${sql(table)}`
  return rows[0]?.id ?? 0
})

const isUpToDate = (migrations: Migrations, file: string) =>
  Effect.flatMap(applied, (version) => {
    const newest = latest(migrations)
    return version > newest
      ? Effect.fail(
          new StorageError({
            trouble: "NewerVersion",
            reason: `${file} was written by a newer Embedbox (its tables have version ${version}, this program knows ${newest}): update this program, or choose another file`,
          }),
        )
      : Effect.succeed(version === newest)
  })

/** A migration that fails is a defect of the stock migrator, with the real error as its cause. */
const failureOf = (file: string, defect: unknown): LowLevelError | StorageError => {
  const cause = defect instanceof Migrator.MigrationError ? defect.cause : defect
  if (cause instanceof SqlError) return cause
  return new StorageError({
    trouble: "Other",
    reason: `${file} could not be migrated: ${String(cause)}`,
    cause,
  })
}

const migrate = (migrations: Migrations, file: string) =>
  Effect.gen(function* () {
    if (yield* isUpToDate(migrations, file)) return
    yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table }).pipe(
      Effect.catchTag("MigrationError", (error) =>
        Effect.fail(
          new StorageError({
            trouble: "Other",
            reason: `${file} could not be migrated: ${error.message}`,
            cause: error,
          }),
        ),
      ),
      Effect.catchAllDefect((defect) => Effect.fail(failureOf(file, defect))),
    )
    // The migrator takes any error of its first write for "somebody else is at it" and returns as if all was well.
    if (yield* isUpToDate(migrations, file)) return
    yield* new StorageError({
      trouble: "Busy",
      reason: `${file} is being migrated by another process: try again`,
    })
  })

/** Makes sure that the tables are there, waiting for other processes as `replay` does. `file` is named in errors. */
export const run = (options: {
  readonly migrations: Migrations
  readonly file: string
  readonly replay: Replay
}): Effect.Effect<void, StorageError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { file, migrations, replay } = options
    if (yield* replay(isUpToDate(migrations, file))) return
    yield* replay(sql.withTransaction(migrate(migrations, file)))
  })
