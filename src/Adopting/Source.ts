/**
 * Somebody else's database, opened to be read and no more, and its rows page by page. Each page is a statement of its own,
 * from the key behind which it begins: no lock is held between two, so its owner goes on writing, and a row's size is asked
 * before the row is. A page is bounded by rows and by text, for as long as it is read the event loop stands still.
 */
import { realpathSync } from "node:fs"
import Database from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { maxContentBytes, maxMetadataBytes } from "../Domain/Entity.js"
import { reasonOf } from "../Domain/FileTrouble.js"
import { AdoptionRefused, type Mapping } from "./Mapping.js"
import * as Row from "./Row.js"
import * as Table from "./Table.js"

/** A value of a key, so that it comes out of JSON as it went in. */
const KeyValue = Schema.Union(
  Schema.String,
  Schema.Number,
  Schema.Struct({ int: Schema.BigInt }),
  Schema.Struct({ hex: Schema.Uint8ArrayFromHex }),
)

/** The key of a row. */
export const Position = Schema.parseJson(Schema.NonEmptyArray(KeyValue))
export type Position = typeof Position.Type

/** A row, and its entity or why it is none. */
export interface Taken {
  readonly position: Position
  /** The key for people. */
  readonly key: string
  readonly input: Either.Either<Row.Made, string>
}

export interface Source {
  /** The file, without links. */
  readonly file: string
  readonly table: Table.Table
  /** At most so many rows behind a key, in the order of keys; fewer where they hold much text. */
  readonly page: (
    after: Position | undefined,
    most: number,
  ) => Effect.Effect<ReadonlyArray<Taken>, AdoptionRefused>
  /** The rows of these keys, in their order and as far as the text of one page goes; nothing for one that is gone. */
  readonly rows: (
    positions: ReadonlyArray<Position>,
  ) => Effect.Effect<ReadonlyArray<Taken | undefined>, AdoptionRefused>
}

/** Text of one page, in UTF-16 units. */
const mostText = 512 * 1024

/** Ids that are there twice and are kept in mind. */
const mostDuplicates = 100_000

/** How long a database that its owner has locked is asked again. */
const patience = Schedule.spaced("50 millis").pipe(
  Schedule.intersect(Schedule.recurUpTo(Duration.seconds(30))),
)

const isBusy = (cause: unknown) =>
  Predicate.hasProperty(cause, "code") && /^SQLITE_(?:BUSY|LOCKED)/.test(String(cause.code))

/** What SQLite is asked; asked again while it is locked. */
const asked = <A>(file: string, ask: () => A): Effect.Effect<A, AdoptionRefused> =>
  Effect.try({ try: ask, catch: (cause) => ({ cause }) }).pipe(
    Effect.retry({ schedule: patience, while: ({ cause }) => isBusy(cause) }),
    Effect.mapError(
      ({ cause }) => new AdoptionRefused({ reason: `${file} cannot be read: ${reasonOf(cause)}` }),
    ),
  )

const bound = (position: Position): ReadonlyArray<Row.Value> =>
  position.map((value) =>
    typeof value === "object" ? ("int" in value ? value.int : Buffer.from(value.hex)) : value,
  )

const keyValue = (value: Row.Value): Position[number] => {
  if (typeof value === "bigint") return { int: value }
  if (value instanceof Uint8Array) return { hex: value }
  return value ?? ""
}

/** Opens the file as it is asked, and finds the table in it. */
export const open = (given: string, mapping: Mapping): Effect.Effect<Source, AdoptionRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const file = yield* asked(given, () => realpathSync(given))
    const db = yield* Effect.acquireRelease(
      asked(given, () => new Database(file, { readonly: true, fileMustExist: true, timeout: 10 })),
      (db) => Effect.sync(() => db.close()),
    )
    const table = yield* Effect.flatten(asked(given, () => Table.find(db, mapping)))
    const isUtf8 = (yield* asked(given, () => db.pragma("encoding", { simple: true }))) === "UTF-8"

    const { quoted } = Table
    const from = quoted(table.name)
    const keys = table.key.map(quoted).join(", ")
    const marks = table.key.map(() => "?").join(", ")
    const typeColumn = "column" in table.type ? table.type.column : undefined
    const asText = (column: string) => `CAST(${quoted(column)} AS TEXT)`

    /** Each column as it is, if it is not too large, and its size. */
    const columns: ReadonlyArray<readonly [column: string, most: number]> = [
      [table.id, 4 * 1024],
      [table.content, maxContentBytes],
      ...[typeColumn, ...table.metadata, table.metadataJson, table.created, table.updated].flatMap(
        (column): ReadonlyArray<readonly [string, number]> =>
          column === undefined ? [] : [[column, maxMetadataBytes]],
      ),
    ]
    const selected = columns
      .map(([column, most]) => {
        const name = quoted(column)
        // What names an entity is text, as it is compared below: 1.0 is not 1.
        const isName = column === table.id || column === typeColumn
        const value = isName
          ? `CASE typeof(${name}) WHEN 'blob' THEN ${name} ELSE ${asText(column)} END`
          : name
        return `CASE WHEN octet_length(${name}) <= ${most} THEN ${value} END, octet_length(${name})`
      })
      .join(", ")
    const select = (where: string) =>
      db
        .prepare<
          Array<Row.Value>,
          ReadonlyArray<Row.Value>
        >(`SELECT ${keys}, ${selected} FROM ${from} ${where} ORDER BY ${keys} LIMIT ?`)
        .raw(true)
        .safeIntegers(true)

    const first = yield* asked(given, () => select(""))
    const next = yield* asked(given, () => select(`WHERE (${keys}) > (${marks})`))

    const one = yield* asked(given, () => select(`WHERE (${keys}) = (${marks})`))

    const identity = [asText(table.id), ...(typeColumn === undefined ? [] : [asText(typeColumn)])]
    const isStrings = Schema.is(Schema.Array(Schema.NullOr(Schema.String)))

    /** Ids that are there more than once: asked once, and of tables only that do not rule it out. */
    const duplicates = yield* Effect.cached(
      Effect.gen(function* () {
        if (table.isUnique) return new Set<string>()
        const found = yield* asked(given, () =>
          db
            .prepare(
              `SELECT ${identity.join(", ")} FROM ${from} GROUP BY ${identity.join(", ")} HAVING count(*) > 1 LIMIT ${mostDuplicates + 1}`,
            )
            .raw(true)
            .all(),
        )
        if (found.length > mostDuplicates) {
          return yield* new AdoptionRefused({
            reason: `more than ${mostDuplicates} values of ${table.id} are there more than once: it is no id`,
          })
        }
        return new Set(found.flatMap((row) => (isStrings(row) ? [JSON.stringify(row)] : [])))
      }),
    )
    const earlier = db
      .prepare<
        Array<Row.Value>,
        unknown
      >(`SELECT 1 FROM ${from} WHERE ${identity.map((one) => `${one} IS ?`).join(" AND ")} AND (${keys}) < (${marks}) LIMIT 1`)
      .raw(true)

    /** A row that bears the id of one before it would take its place. */
    const isSecond = (input: Row.Made, position: Position, twice: ReadonlySet<string>) => {
      if (twice.size === 0) return false
      const own = [input.id, ...(typeColumn === undefined ? [] : [input.entityType])]
      return twice.has(JSON.stringify(own)) && earlier.get(...own, ...bound(position)) !== undefined
    }

    const takenOf = (values: ReadonlyArray<Row.Value>, twice: ReadonlySet<string>): Taken => {
      const [head = null, ...tail] = values.slice(0, table.key.length)
      const position: Position = [keyValue(head), ...tail.map(keyValue)]
      const cells = columns.map(([, most], at): Row.Cell => {
        const [value = null, bytes] = values.slice(table.key.length + 2 * at)
        const size = typeof bytes === "bigint" ? Number(bytes) : undefined
        // In UTF-16 a size tells nothing of the text but that it is too large.
        return { value, bytes: isUtf8 || (size ?? 0) > most ? size : undefined }
      })
      const rest = cells.slice(2)
      const take = (column: string | undefined) => (column === undefined ? undefined : rest.shift())
      const none: Row.Cell = { value: null, bytes: undefined }
      const [id = none, content = none] = cells
      const type = take(typeColumn)
      const metadata = table.metadata.map((name) => [name, take(name) ?? none] as const)
      const row: Row.Cells = {
        id,
        content,
        type,
        metadata,
        metadataJson: take(table.metadataJson),
        created: take(table.created),
        updated: take(table.updated),
      }
      const input = Either.filterOrLeft(
        Row.inputOf(row, "name" in table.type ? table.type.name : undefined),
        (made) => !isSecond(made, position, twice),
        () => "id: a row before it has the same one",
      )
      const key = table.key
        .map((name, at) => {
          const value = values[at] ?? null
          return `${name}=${value instanceof Uint8Array ? `x'${Buffer.from(value).toString("hex")}'` : String(value)}`
        })
        .join(", ")
      return { position, key, input }
    }

    const sizeOf = (row: ReadonlyArray<Row.Value>) =>
      row.reduce<number>((sum, cell) => sum + (typeof cell === "string" ? cell.length : 0), 0)

    const read = (after: Position | undefined, most: number, twice: ReadonlySet<string>) => {
      const rows = after === undefined ? first.iterate(most) : next.iterate(...bound(after), most)
      const values: Array<ReadonlyArray<Row.Value>> = []
      let size = 0
      for (const row of rows) {
        values.push(row)
        size += sizeOf(row)
        if (size >= mostText) break
      }
      // Not within the iteration: a connection does one thing at a time.
      return values.map((row) => takenOf(row, twice))
    }

    const readRows = (positions: ReadonlyArray<Position>, twice: ReadonlySet<string>) => {
      const taken: Array<Taken | undefined> = []
      let size = 0
      for (const position of positions) {
        const row = one.get(...bound(position), 1)
        taken.push(row === undefined ? undefined : takenOf(row, twice))
        size += row === undefined ? 0 : sizeOf(row)
        if (size >= mostText) break
      }
      return taken
    }

    return {
      file,
      table,
      rows: (positions) =>
        Effect.flatMap(duplicates, (twice) => asked(given, () => readRows(positions, twice))),
      page: (after, most) =>
        Effect.flatMap(duplicates, (twice) => asked(given, () => read(after, most, twice))),
    }
  })
