/**
 * A row of somebody else's as an entity, or why it is none. What SQLite has in a column is not bound by its type, so
 * nothing is taken for granted, and nothing is made to fit in silence: a text that is no valid UTF-8, a number that is
 * beyond what JSON can hold, a time that cannot be read are reasons to leave the row out and say so.
 */
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type EntityId, type EntityInput, maxContentBytes, maxMetadataBytes } from "../Domain/Entity.js"
import * as Input from "../Domain/EntityInput.js"

/** What SQLite answers. */
export type Value = string | number | bigint | Uint8Array | null

/** A value with what SQLite says of its size; a text that is too large is not even fetched. */
export interface Cell {
  readonly value: Value
  /** In bytes; nothing for NULL. */
  readonly bytes: number | undefined
}

/** The cells of one row. */
export interface Cells {
  readonly id: Cell
  readonly content: Cell
  readonly type: Cell | undefined
  readonly metadata: ReadonlyArray<readonly [name: string, cell: Cell]>
  readonly metadataJson: Cell | undefined
  readonly created: Cell | undefined
  readonly updated: Cell | undefined
}

/** What a row becomes: an input that has been checked, with its id. */
export interface Made extends Input.CheckedInput {
  readonly id: EntityId
}

type Result<A> = Either.Either<A, string>

/** A text as it is, in a database of UTF-8: what was no valid text has been replaced, which its size gives away. */
const text = (name: string, { bytes, value }: Cell, most: number): Result<string | undefined> => {
  if (bytes !== undefined && bytes > most)
    return Either.left(`${name}: has ${bytes} bytes, at most ${most} are taken`)
  if (value === null) return Either.right(undefined)
  if (value instanceof Uint8Array) return Either.left(`${name}: is a blob, not text`)
  if (typeof value !== "string") return Either.right(String(value))
  return value.includes("\uFFFD") && bytes !== undefined && Buffer.byteLength(value) !== bytes
    ? Either.left(`${name}: is not valid UTF-8`)
    : Either.right(value)
}

/** A value as metadata has it; NULL is none. */
const scalar = (name: string, cell: Cell): Result<string | number | undefined> => {
  if (typeof cell.value === "bigint") {
    return Number.isSafeInteger(Number(cell.value))
      ? Either.right(Number(cell.value))
      : Either.right(String(cell.value))
  }
  if (typeof cell.value === "number") {
    return Number.isFinite(cell.value) ? Either.right(cell.value) : Either.left(`${name}: is ${cell.value}`)
  }
  return text(name, cell, maxMetadataBytes)
}

const JsonFields = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
const decodeFields = Schema.decodeEither(JsonFields)

const fields = (cell: Cell): Result<{ readonly [key: string]: unknown }> =>
  Either.flatMap(text("metadata", cell, maxMetadataBytes), (given) =>
    given === undefined || given.trim() === ""
      ? Either.right({})
      : Either.mapLeft(decodeFields(given), () => "metadata: is no JSON object"),
  )

/** Until here a number counts seconds: in milliseconds it would be in 1973. */
const lastSecond = 100_000_000_000

/** A time as ISO 8601. Without a zone it is UTC, as SQLite has it. */
const time = (name: string, cell: Cell): Result<string | undefined> =>
  Either.flatMap(scalar(name, cell), (given) => {
    if (given === undefined || given === "") return Either.right(undefined)
    const number = typeof given === "number" ? given : /^\d{9,14}$/.test(given) ? Number(given) : undefined
    const made =
      number !== undefined
        ? DateTime.make(Math.abs(number) < lastSecond ? number * 1000 : number)
        : DateTime.make(
            /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/.test(String(given))
              ? `${String(given).replace(" ", "T")}Z`
              : given,
          )
    return Option.match(made, {
      onNone: () => Either.left(`${name}: ${JSON.stringify(given)} is no time that could be read`),
      onSome: (at) => Either.right(DateTime.formatIso(at)),
    })
  })

const present = (entries: ReadonlyArray<readonly [string, unknown]>) =>
  Object.fromEntries(entries.filter(([, value]) => value !== undefined))

/** The entity of a row, checked; `type` is that of all rows where they have none of their own. */
export const inputOf = (cells: Cells, type: string | undefined): Result<Made> =>
  Either.gen(function* () {
    const id = yield* text("id", cells.id, 4 * 1024)
    if (id === undefined) return yield* Either.left("id: is NULL")
    const content = yield* text("content", cells.content, maxContentBytes)
    if (content === undefined) return yield* Either.left("content: is NULL")
    const ownType = cells.type === undefined ? type : yield* text("type", cells.type, 1024)
    if (cells.type !== undefined && ownType === undefined) return yield* Either.left("type: is NULL")
    const metadata: Array<readonly [string, unknown]> = []
    for (const [name, cell] of cells.metadata) metadata.push([name, yield* scalar(`metadata.${name}`, cell)])
    const input: EntityInput = {
      id,
      content,
      entityType: ownType,
      metadata: {
        ...(cells.metadataJson === undefined ? {} : yield* fields(cells.metadataJson)),
        ...present([
          ["created", cells.created && (yield* time("created", cells.created))],
          ["updated", cells.updated && (yield* time("updated", cells.updated))],
          ...metadata,
        ]),
      },
    }
    const checked = yield* Either.mapLeft(Input.check(input), ({ message }) => message)
    return { ...checked, id: yield* Either.mapLeft(Input.entityId(id), ({ message }) => message) }
  })
