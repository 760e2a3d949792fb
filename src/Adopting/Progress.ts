/** How far an adoption is, and which rows it could not bring: see the migrations. */
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
  /** Changed or deleted here since they were brought, and left so. */
  kept: Schema.optionalWith(Schema.Int, { default: () => 0 }),
  skipped: Schema.Int,
})
export type Counts = typeof Counts.Type

export const noCounts: Counts = { created: 0, updated: 0, unchanged: 0, kept: 0, skipped: 0 }

const Row = Schema.Struct({
  position: Schema.NullOr(Position),
  counts: Schema.parseJson(Counts),
})

export type Progress = typeof Row.Type

const decode = Schema.decodeUnknown(Schema.Array(Row))
const encode = Schema.encode(Row)
const decodeLeftOut = Schema.decodeUnknown(Schema.Array(Schema.Struct({ position: Position })))
const encodePosition = Schema.encode(Position)

/** What a page has come to: its rows, and how far the walk is behind them. */
export interface Step extends Progress {
  /** Rows that could not be brought, and those of before that no longer have to be thought of. */
  readonly leftOut: ReadonlyArray<Position>
  readonly settled: ReadonlyArray<Position>
  /** The first of a walk from the first row: what was left out before is walked again. */
  readonly isFirst: boolean
}

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

  /** The next of the rows that were left out, behind one of them. */
  const leftOut = (after: Position | undefined, most: number) =>
    Effect.gen(function* () {
      const begin = after === undefined ? "" : yield* encodePosition(after)
      const rows = yield* statement`SELECT position FROM adoption_left_out
        WHERE source = ${source} AND mapping = ${mapping} AND position > ${begin} ORDER BY position LIMIT ${most}`
      return (yield* decodeLeftOut(rows)).map(({ position }) => position)
    }).pipe(storage.read)

  /** Within the transaction that makes it true. */
  const save = (step: Step) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { counts, position } = yield* encode(step)
      yield* sql`INSERT INTO adoptions (source, mapping, position, counts, began_at, updated_at, ended_at)
        VALUES (${source}, ${mapping}, ${position}, ${counts}, ${now}, ${now}, NULL)
        ON CONFLICT (source, mapping) DO UPDATE SET
          position = excluded.position, counts = excluded.counts, updated_at = excluded.updated_at, ended_at = NULL`
      const leftOut = JSON.stringify(yield* Effect.forEach(step.leftOut, (one) => encodePosition(one)))
      const settled = JSON.stringify(yield* Effect.forEach(step.settled, (one) => encodePosition(one)))
      yield* sql`DELETE FROM adoption_left_out WHERE source = ${source} AND mapping = ${mapping}
        AND (${step.isFirst ? 1 : 0} = 1 OR position IN (SELECT value FROM json_each(${settled})))`
      yield* sql`INSERT OR IGNORE INTO adoption_left_out (source, mapping, position)
        SELECT ${source}, ${mapping}, value FROM json_each(${leftOut})`
    })

  /** All rows that there are have been done. */
  const end: Effect.Effect<void, StorageError> = Effect.flatMap(
    Clock.currentTimeMillis,
    (now) => sql`UPDATE adoptions SET ended_at = ${now} WHERE source = ${source} AND mapping = ${mapping}`,
  ).pipe(storage.write, Effect.asVoid)

  return { load, leftOut, save, end }
}
