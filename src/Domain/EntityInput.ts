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
import type { EntityFilter, Scalar, TimeRange } from "./Search.js"

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

/** The fields of what a caller gave, each read once. */
const fieldsOf = (input: unknown): Either.Either<{ readonly [field: string]: unknown }, InvalidEntity> =>
  typeof input !== "object" || input === null
    ? invalid("entity", "must be an object")
    : Either.try({ try: () => ({ ...input }), catch: unreadable("entity") })

/** Checks a whole input. */
export const check = (input: unknown): Either.Either<CheckedInput, InvalidEntity> =>
  Either.gen(function* () {
    const given = yield* fieldsOf(input)
    return {
      id: given["id"] === undefined ? undefined : yield* entityId(given["id"]),
      entityType: yield* entityType(given["entityType"]),
      content: yield* content(given["content"]),
      metadata: yield* metadata(given["metadata"]),
    }
  })

/** Checks what an update gives. */
export const checkPatch = (patch: unknown): Either.Either<CheckedPatch, InvalidEntity> =>
  Either.gen(function* () {
    const given = yield* fieldsOf(patch)
    return {
      content: given["content"] === undefined ? undefined : yield* content(given["content"]),
      metadata: given["metadata"] === undefined ? undefined : yield* metadata(given["metadata"]),
    }
  })

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

/** How many are wanted, as a whole number within bounds, whatever was asked for. */
export const limit = (
  value: number | undefined,
  bounds: { readonly normal: number; readonly most: number },
) =>
  value === undefined || Number.isNaN(value)
    ? bounds.normal
    : Math.min(bounds.most, Math.max(1, Math.trunc(value)))

/** How many are left out, as a whole number from 0 to `most`, whatever was asked for. */
export const offset = (value: number | undefined, most: number) =>
  value === undefined || Number.isNaN(value) ? 0 : Math.min(most, Math.max(0, Math.trunc(value)))

const isScalar = (value: unknown): value is Scalar =>
  value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean"

const range = (
  field: string,
  given: TimeRange | undefined,
): Either.Either<TimeRange | undefined, InvalidEntity> => {
  for (const [name, at] of Object.entries(given ?? {})) {
    if (at !== undefined && !Number.isFinite(at)) {
      return invalid(`${field}.${name}`, "must be a time in milliseconds since the epoch")
    }
  }
  return Either.right(given)
}

/** Which entities may be found, of what options say. */
export const filter = (options: EntityFilter): Either.Either<EntityFilter, InvalidEntity> =>
  Either.gen(function* () {
    const metadata = options.metadata ?? {}
    for (const [key, value] of Object.entries(metadata)) {
      if (!isScalar(value)) {
        return yield* invalid(
          `metadata.${key}`,
          "can only be compared with a text, a number, true, false or null",
        )
      }
    }
    return {
      entityTypes: options.entityTypes ?? [],
      excludedTypes: options.excludedTypes ?? [],
      metadata,
      created: yield* range("created", options.created),
      updated: yield* range("updated", options.updated),
    }
  })
