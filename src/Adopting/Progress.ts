/** How far an adoption is: see the migration. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { StorageError } from "../Domain/Errors.js"
import type { Storage } from "../Storage.js"
import { Position } from "./Source.js"

/** What became of rows, how many of each. */
export const Counts = Schema.Struct({
  created: Schema.Int,
  updated: Schema.Int,
  unchanged: Schema.Int,
  skipped: Schema.Int,
})
export type Counts = typeof Counts.Type

export const noCounts: Counts = { created: 0, updated: 0, unchanged: 0, skipped: 0 }

const Row = Schema.Struct({
  position: Schema.NullOr(Position),
  counts: Schema.parseJson(Counts),
})

export type Progress = typeof Row.Type

const decode = Schema.decodeUnknown(Schema.Array(Row))
const encode = Schema.encode(Row)

/** Of one source, mapped in one way. */
export const make = (storage: typeof Storage.Service, source: string, mapping: string) => {
  const { sql, statement } = storage

  const load: Effect.Effect<Progress, StorageError> = Effect.map(
    Effect.flatMap(
      statement`SELECT position, counts FROM adoptions WHERE source = ${source} AND mapping = ${mapping}`,
      decode,
    ).pipe(storage.read),
    ([row]) => row ?? { position: null, counts: noCounts },
  )

  /** Within the transaction that makes it true. */
  const save = (progress: Progress) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { counts, position } = yield* encode(progress)
      yield* sql`INSERT INTO adoptions (source, mapping, position, counts, began_at, updated_at, ended_at)
        VALUES (${source}, ${mapping}, ${position}, ${counts}, ${now}, ${now}, NULL)
        ON CONFLICT (source, mapping) DO UPDATE SET
          position = excluded.position, counts = excluded.counts, updated_at = excluded.updated_at, ended_at = NULL`
    })

  /** All rows that there are have been done. */
  const end: Effect.Effect<void, StorageError> = Effect.flatMap(
    Clock.currentTimeMillis,
    (now) => sql`UPDATE adoptions SET ended_at = ${now} WHERE source = ${source} AND mapping = ${mapping}`,
  ).pipe(storage.write, Effect.asVoid)

  return { load, save, end }
}
