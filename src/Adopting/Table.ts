/**
 * What SQLite says of a table: its columns, the key by which its rows are walked, and whether an id can be there twice. The
 * key must not change under the walk: a rowid that has no column of its own is numbered anew by VACUUM, so a primary key
 * goes before it.
 */
import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { AdoptionRefused, type Mapping } from "./Mapping.js"

const Column = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  notnull: Schema.Int,
  pk: Schema.Int,
})
type Column = typeof Column.Type

const decodeColumns = Schema.decodeUnknownSync(Schema.Array(Column))
const decodeTables = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String, wr: Schema.Int })),
)
const decodeIndexes = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ name: Schema.String, unique: Schema.Int, partial: Schema.Int })),
)
const decodeNames = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ name: Schema.NullOr(Schema.String) })),
)

/** A name as SQL has it. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** A table that is there, with the mapping's columns as the table spells them. */
export interface Table {
  readonly name: string
  readonly key: ReadonlyArray<string>
  readonly id: string
  readonly content: string
  /** The column of the type, or the type of all. */
  readonly type: { readonly column: string } | { readonly name: string | undefined }
  readonly metadata: ReadonlyArray<string>
  readonly metadataJson: string | undefined
  readonly created: string | undefined
  readonly updated: string | undefined
  /** No two rows have the same id. */
  readonly isUnique: boolean
}

/** How the table is read, as a text that is the same however names were typed and in whatever order. */
export const mappingText = (table: Table): string =>
  JSON.stringify([
    table.name,
    table.id,
    table.content,
    ("column" in table.type ? table.type.column : table.type.name) ?? null,
    table.metadata.toSorted(),
    table.metadataJson ?? null,
    table.created ?? null,
    table.updated ?? null,
  ])

const same = (one: string, other: string) => one.toLowerCase() === other.toLowerCase()

const rowidNames = ["rowid", "_rowid_", "oid"]

/** Columns whose values bear an order that stays; nothing where the table has none. */
const keyOf = (columns: ReadonlyArray<Column>, isWithoutRowid: boolean) => {
  const primary = columns.filter(({ pk }) => pk > 0).toSorted((one, other) => one.pk - other.pk)
  const isRowid = primary.length === 1 && same(primary[0]?.type ?? "", "INTEGER")
  if (isWithoutRowid || isRowid || (primary.length > 0 && primary.every(({ notnull }) => notnull === 1))) {
    return primary.map(({ name }) => name)
  }
  return rowidNames.filter((name) => !columns.some((column) => same(column.name, name))).slice(0, 1)
}

const isUnique = (db: Database.Database, table: string, columns: ReadonlyArray<Column>, id: string) => {
  // Without a type of its own, 1 and '1' are two values and one id.
  const type = columns.find(({ name }) => name === id)?.type ?? ""
  if (type === "" || same(type, "BLOB")) return false
  const primary = columns.filter(({ pk }) => pk > 0)
  if (primary.length === 1 && primary[0]?.name === id && (primary[0].notnull === 1 || same(type, "INTEGER")))
    return true
  return decodeIndexes(db.prepare(`PRAGMA index_list(${quoted(table)})`).all()).some(
    ({ name, partial, unique }) => {
      if (unique !== 1 || partial !== 0) return false
      const parts = decodeNames(db.prepare(`PRAGMA index_info(${quoted(name)})`).all())
      return parts.length === 1 && parts[0]?.name === id
    },
  )
}

const refuse = (reason: string) => Either.left(new AdoptionRefused({ reason }))

/** Finds the table and its columns. */
export const find = (db: Database.Database, mapping: Mapping): Either.Either<Table, AdoptionRefused> =>
  Either.gen(function* () {
    const tables = decodeTables(
      db.prepare("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' ORDER BY name").all(),
    ).filter(({ name }) => !name.startsWith("sqlite_"))
    const table = tables.find(({ name }) => same(name, mapping.table))
    if (table === undefined) {
      const names = tables.filter(({ type }) => type === "table").map(({ name }) => name)
      return yield* refuse(
        `there is no table ${mapping.table}: ${names.slice(0, 20).join(", ") || "none"} are there`,
      )
    }
    if (table.type !== "table") {
      return yield* refuse(
        `${table.name} is no plain table but a ${table.type}: copy what it shows into a table`,
      )
    }
    const columns = decodeColumns(db.prepare(`PRAGMA table_xinfo(${quoted(table.name)})`).all())
    const find = (name: string) => columns.find((column) => same(column.name, name))?.name
    const need = (name: string) => {
      const found = find(name)
      return found === undefined
        ? refuse(
            `the table ${table.name} has no column ${name}: it has ${columns.map((one) => one.name).join(", ")}`,
          )
        : Either.right(found)
    }
    const needIf = (name: string | undefined) => (name === undefined ? Either.right(undefined) : need(name))

    const key = keyOf(columns, table.wr === 1)
    if (key.length === 0) {
      return yield* refuse(
        `the rows of ${table.name} have no key that could be walked: give the table a primary key`,
      )
    }
    const id = yield* need(mapping.id)
    const type = mapping.type === undefined ? undefined : find(mapping.type)
    return {
      name: table.name,
      key,
      id,
      content: yield* need(mapping.content),
      type: type === undefined ? { name: mapping.type } : { column: type },
      metadata: yield* Either.all((mapping.metadata ?? []).map(need)),
      metadataJson: yield* needIf(mapping.metadataJson),
      created: yield* needIf(mapping.created),
      updated: yield* needIf(mapping.updated),
      isUnique: isUnique(db, table.name, columns, id),
    }
  })
