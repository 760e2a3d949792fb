/**
 * The gate for what callers give. Plain JavaScript hosts and files can hold anything, whatever the types say, so
 * each field is looked at as unknown, in an order that never walks into what has not been checked, and the first
 * flaw is answered with the name of its field.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import {
  defaultEntityType,
  EntityId,
  EntityType,
  findJsonFlaw,
  isJsonObject,
  type JsonObject,
  maxContentBytes,
  maxMetadataBytes,
} from "./Entity.js"
import { InvalidEntity } from "./Errors.js"
import * as Nearest from "./Nearest.js"

const invalid = (field: string, reason: string) => Either.left(new InvalidEntity({ field, reason }))

/** The parser of a Schema is made once: making it costs more than most checks do. */
const checked = <A, I>(field: string, schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (value: unknown): Either.Either<A, InvalidEntity> =>
    Either.mapLeft(decode(value), (error) => {
      const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
      return new InvalidEntity({
        field,
        reason: typeof value === "string" ? (issue?.message ?? error.message) : "must be a string",
      })
    })
}

const namedType = checked("entityType", EntityType)
const base = EntityType.make(defaultEntityType)

/** A name: see `EntityType`. Absent means `base`. */
export const entityType = (value: unknown): Either.Either<EntityType, InvalidEntity> =>
  value === undefined ? Either.right(base) : namedType(value)

/** See `EntityId`. */
export const entityId: (value: unknown) => Either.Either<EntityId, InvalidEntity> = checked("id", EntityId)

/** Text with something in it, well-formed, within the limit. */
export const content = (value: unknown): Either.Either<string, InvalidEntity> => {
  if (typeof value !== "string") return invalid("content", "must be a string")
  if (value.trim() === "")
    return invalid("content", "must not be empty: there would be nothing to find it by")
  const bytes = Buffer.byteLength(value, "utf8")
  if (bytes > maxContentBytes) {
    return invalid(
      "content",
      `must have at most ${maxContentBytes} bytes, has ${bytes}; split it into several entities`,
    )
  }
  if (!value.isWellFormed()) {
    return invalid(
      "content",
      "must be well-formed Unicode: it contains a lone surrogate (half of a character)",
    )
  }
  return Either.right(value)
}

const unreadable = (field: string) => () =>
  new InvalidEntity({ field, reason: "cannot be read: looking at it throws" })

const copyOf = (value: object): Either.Either<JsonObject, InvalidEntity> => {
  const flaw = findJsonFlaw(value, "metadata")
  if (flaw !== undefined) return invalid(flaw.path, flaw.reason)
  const json = JSON.stringify(value)
  const copy: unknown = JSON.parse(json)
  if (!isJsonObject(copy)) return invalid("metadata", "must be a JSON object")
  const bytes = Buffer.byteLength(json, "utf8")
  return bytes > maxMetadataBytes
    ? invalid("metadata", `must have at most ${maxMetadataBytes} bytes as JSON, has ${bytes}`)
    : Either.right(copy)
}

/**
 * A JSON object, checked to its leaves. Absent means empty. The answer is a copy, so that what was checked and
 * hashed is what is stored, whatever the caller does with the original meanwhile.
 */
export const metadata = (value: unknown): Either.Either<JsonObject, InvalidEntity> => {
  if (value === undefined) return Either.right({})
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid("metadata", "must be an object")
  }
  return Either.try({ try: () => copyOf(value), catch: unreadable("metadata") }).pipe(
    Either.flatMap((copy) => copy),
  )
}

/** An input whose every field has been checked. */
export interface CheckedInput {
  readonly id: EntityId | undefined
  readonly entityType: EntityType
  readonly content: string
  readonly metadata: JsonObject
}

/** A patch whose every field has been checked; what is absent stays as it is. */
export interface CheckedPatch {
  readonly content: string | undefined
  readonly metadata: JsonObject | undefined
}

/** What an entity has when it is read. One that was read may be given back as it is: what is not the writer's is passed over. */
const asRead = ["id", "entityType", "content", "metadata", "contentHash", "created", "updated", "embedding"]

interface Fields {
  readonly [field: string]: unknown
}

/** The fields of what a caller gave, each read once. One that is not known is refused, lest it be lost in silence. */
const fieldsOf = (input: unknown, known: ReadonlyArray<string>): Either.Either<Fields, InvalidEntity> => {
  if (typeof input !== "object" || input === null) return invalid("entity", "must be an object")
  const read = Either.try({ try: (): Fields => ({ ...input }), catch: unreadable("entity") })
  return Either.flatMap(read, (given) => {
    const wasRead = Object.hasOwn(given, "contentHash")
    const stranger = Object.keys(given).find((name) => !(wasRead ? asRead : known).includes(name))
    return stranger === undefined ? Either.right(given) : invalid(stranger, Nearest.unknown(stranger, known))
  })
}

const ifGiven = <A>(
  value: unknown,
  check: (value: unknown) => Either.Either<A, InvalidEntity>,
): Either.Either<A | undefined, InvalidEntity> =>
  value === undefined ? Either.right(undefined) : check(value)

const ofPatch = ["content", "metadata"]
const ofInput = ["id", "entityType", ...ofPatch]

/** Checks a whole input. */
export const check = (input: unknown): Either.Either<CheckedInput, InvalidEntity> =>
  Either.flatMap(fieldsOf(input, ofInput), (given) =>
    Either.all({
      id: ifGiven(given["id"], entityId),
      entityType: entityType(given["entityType"]),
      content: content(given["content"]),
      metadata: metadata(given["metadata"]),
    }),
  )

/** Checks what an update gives. */
export const checkPatch = (patch: unknown): Either.Either<CheckedPatch, InvalidEntity> =>
  Either.flatMap(fieldsOf(patch, ofPatch), (given) =>
    Either.all({
      content: ifGiven(given["content"], content),
      metadata: ifGiven(given["metadata"], metadata),
    }),
  )

/** Longest question, in UTF-16 code units: a page of text. */
export const maxQuestionLength = 10_000

/** Text with something in it: what is searched for. */
export const question = (value: unknown): Either.Either<string, InvalidEntity> => {
  if (typeof value !== "string") return invalid("question", "must be a string")
  if (value.length > maxQuestionLength) {
    return invalid("question", `must have at most ${maxQuestionLength} characters, has ${value.length}`)
  }
  return value.trim() === "" ? invalid("question", "must not be empty") : Either.right(value)
}
