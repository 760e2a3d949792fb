/**
 * The gate for what callers say beside entities: their options, and the arguments of calls that come from outside the
 * types. Each is a Schema; the first flaw is answered with the name of its argument, and a name that is not known with
 * the one that was meant, since an option that is dropped in silence gives an answer to another question.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { InvalidEntity } from "./Errors.js"
import * as Nearest from "./Nearest.js"
import type { Scalar } from "./Search.js"

// ---- values ------------------------------------------------------------------------------------------------

const always = (message: string) => ({ message: () => ({ message, override: true }) })

/** A value of which nothing but this test is asked. */
export const that = <A>(is: (value: unknown) => value is A, message: string): Schema.Schema<A> =>
  Schema.declare(is, always(message))

/** Any text. */
export const Text = Schema.String.annotations(always("must be a text"))

/** Texts. */
export const Texts = Schema.Array(Text).annotations(always("must be a list of texts"))

/** True or false. */
export const Flag = Schema.Boolean.annotations(always("must be true or false"))

/** One of these words. */
export const oneOf = <const Words extends readonly [string, ...Array<string>]>(...words: Words) =>
  Schema.Literal(...words).annotations(always(`must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`))

const number = (fits: (value: number) => boolean, message: string) =>
  Schema.Number.annotations(always(message)).pipe(Schema.filter(fits, always(message)))

/** A whole number within bounds; those of what is counted exactly where none are given. */
export const whole = (from = Number.MIN_SAFE_INTEGER, to = Number.MAX_SAFE_INTEGER) => {
  const least = from === Number.MIN_SAFE_INTEGER ? "" : `, ${from} or more`
  const bounds = to === Number.MAX_SAFE_INTEGER ? least : ` from ${from} to ${to}`
  return number(
    (value) => Number.isSafeInteger(value) && value >= from && value <= to,
    `must be a whole number${bounds}`,
  )
}

/** A span of time. */
export const Milliseconds = number((value) => value >= 0, "must be a number of milliseconds, 0 or more")

const Moment = number(Number.isFinite, "must be a time in milliseconds since the epoch")

/** An object of these fields, all but those that are needed wrapped in `Schema.optional`. */
export const fields = <Fields extends Schema.Struct.Fields>(all: Fields) =>
  // What is wrong with a field is told by the field.
  Schema.Struct(all).annotations({ message: () => "must be an object" })

// ---- gates -------------------------------------------------------------------------------------------------

/** Known names at that path. */
const namesAt = (ast: SchemaAST.AST, path: ReadonlyArray<PropertyKey>): ReadonlyArray<string> => {
  if (SchemaAST.isUnion(ast)) return ast.types.flatMap((one) => namesAt(one, path))
  if (!SchemaAST.isTypeLiteral(ast)) return []
  const [first, ...rest] = path
  if (first === undefined) return ast.propertySignatures.map(({ name }) => String(name))
  const next = ast.propertySignatures.find(({ name }) => name === first)
  return next === undefined ? [] : namesAt(next.type, rest)
}

/** A gate that lets through what the Schema describes and nothing else. */
export const gate = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })
  return (given: unknown): Either.Either<A, InvalidEntity> =>
    Either.mapLeft(decode(given), (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      const path = issue?.path ?? []
      // Options are named as they are written, wherever they stand.
      const named = (path[0] === "options" && path.length > 1 ? path.slice(1) : path).map(String).join(".")
      const reason =
        issue?._tag === "Unexpected"
          ? Nearest.unknown(String(path.at(-1)), namesAt(schema.ast, path.slice(0, -1)))
          : (issue?.message ?? error.message)
      return new InvalidEntity({ field: named === "" ? "options" : named, reason })
    })
}

// ---- options of services -----------------------------------------------------------------------------------

const { optional } = Schema

const ofJob = {
  priority: optional(whole()),
  maxRetries: optional(whole(0)),
  batchId: optional(Text),
}

/** What may be said of the job of a write. */
export const createOptions = gate(fields(ofJob))

/** The same of many writes. */
export const upsertOptions = gate(fields({ ...ofJob, metadata: optional(oneOf("replace", "merge")) }))

/** Most entities of a page. */
export const mostListed = 1000

/** Whoever goes on with a list may give what he has of its last entity, so there may be more in it. */
const Place = Schema.Struct(
  { entityType: Text, entityId: Text },
  Schema.Record({ key: Schema.String, value: Schema.Unknown }),
).annotations({ message: () => "must be an object" })

/** Which entities are listed. */
export const listOptions = gate(
  fields({
    entityTypes: optional(Texts),
    after: optional(Place),
    limit: optional(whole(1, mostListed)),
  }),
)

const isScalar = (value: unknown): value is Scalar =>
  value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean"

const Range = fields({ from: optional(Moment), before: optional(Moment) })

const filter = {
  entityTypes: optional(Texts),
  excludedTypes: optional(Texts),
  metadata: optional(
    Schema.Record({
      key: Schema.String,
      value: that(isScalar, "can only be compared with a text, a number, true, false or null"),
    }).annotations({ message: () => "must be an object" }),
  ),
  created: optional(Range),
  updated: optional(Range),
}

const limit = optional(whole(1, 100))

/** How a question is asked. */
export const searchOptions = gate(
  fields({
    ...filter,
    mode: optional(oneOf("hybrid", "semantic", "lexical")),
    limit,
    offset: optional(whole(0, 1000)),
    explain: optional(Flag),
  }),
)

/** What is wanted of the neighbours of an entity. */
export const relatedOptions = gate(fields({ ...filter, entityType: optional(Text), limit }))
