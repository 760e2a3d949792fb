/**
 * Decoding of what is nearly always right already: rows and boxes that Embedbox itself wrote. A Schema's parser makes an
 * Either of every field of every row, which costs as much as SQLite takes to give the row; so a plain check of the same
 * Schema goes first, made once from its syntax tree, and only what does not pass, or a Schema that changes what it reads,
 * is left to the parser, which also says what is wrong. It answers what the parser would, so there is no second rule.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"

type Check = (value: unknown) => boolean

/** Every one of them, or nothing where one of them cannot be made. */
const all = (asts: ReadonlyArray<SchemaAST.AST>): ReadonlyArray<Check> | undefined => {
  const checks = asts.flatMap((ast) => checkOf(ast) ?? [])
  return checks.length === asts.length ? checks : undefined
}

const checkOfFields = (ast: SchemaAST.TypeLiteral): Check | undefined => {
  const fields = ast.propertySignatures
  const checks = all(fields.map(({ type }) => type))
  const isPlain = ast.indexSignatures.length === 0 && fields.every(({ isOptional }) => !isOptional)
  if (checks === undefined || !isPlain) return undefined
  const named = fields.map(({ name }, at) => [name, checks[at] ?? (() => false)] as const)
  return (value) => {
    // What has more than these fields would be decoded without them.
    if (!Predicate.isRecord(value) || Object.keys(value).length !== named.length) return false
    for (const [name, check] of named) if (!check(value[name])) return false
    return true
  }
}

/** What passes is what the parser would answer; nothing where the Schema has parts that are not known here. */
const checkOf = (ast: SchemaAST.AST): Check | undefined => {
  switch (ast._tag) {
    case "StringKeyword":
      return Predicate.isString
    case "NumberKeyword":
      return Predicate.isNumber
    case "Literal":
      return (value) => value === ast.literal
    case "Union": {
      const checks = all(ast.types)
      return checks && ((value) => checks.some((check) => check(value)))
    }
    case "Refinement": {
      const from = checkOf(ast.from)
      return from && ((value) => from(value) && Option.isNone(ast.filter(value, options, ast)))
    }
    case "Declaration":
      return ast.typeParameters.length > 0 ? undefined : Schema.is(Schema.make<unknown>(ast))
    case "TypeLiteral":
      return checkOfFields(ast)
    default:
      return undefined
  }
}

const options: SchemaAST.ParseOptions = {}

const guardOf = <A, I>(schema: Schema.Schema<A, I>): ((value: unknown) => value is A) => {
  const check = checkOf(schema.ast) ?? (() => false)
  return (value): value is A => check(value)
}

/** Decodes lists, such as the rows of a statement. */
export const list = <A, I>(
  schema: Schema.Schema<A, I>,
): ((values: ReadonlyArray<unknown>) => Either.Either<ReadonlyArray<A>, ParseError>) => {
  const isDone = guardOf(schema)
  const decode = Schema.decodeUnknownEither(Schema.Array(schema))
  return (values) => (values.every(isDone) ? Either.right(values) : decode(values))
}

/** Decodes the first of a list that has one. */
export const first = <A, I>(
  schema: Schema.Schema<A, I>,
): ((values: ReadonlyArray<unknown>) => Either.Either<A, ParseError>) => {
  const isDone = guardOf(schema)
  const decode = Schema.decodeUnknownEither(Schema.NonEmptyArray(schema))
  return (values) => {
    const [value] = values
    return isDone(value) ? Either.right(value) : Either.map(decode(values.slice(0, 1)), ([one]) => one)
  }
}

/** Decodes JSON. */
export const json = <A, I>(schema: Schema.Schema<A, I>): ((text: string) => Either.Either<A, ParseError>) => {
  const isDone = guardOf(schema)
  const decode = Schema.decodeEither(Schema.parseJson(schema))
  const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))
  return (text) => {
    const value = parse(text)
    return Option.isSome(value) && isDone(value.value) ? Either.right(value.value) : decode(text)
  }
}
