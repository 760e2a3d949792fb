/**
 * What a user saves. The input is checked by hand-written guards inside Schemas rather than by structure alone,
 * because the errors must name the field (`metadata.tags[2]`) and hostile values (cycles, accessors, lone
 * surrogates, five megabytes) must be refused before anything walks into them.
 *
 * @example
 * import { Entity } from "embedbox"
 * import * as Schema from "effect/Schema"
 *
 * export const decode = Schema.decodeUnknown(Entity.Entity)
 * export const key = { entityType: Entity.EntityType.make("note"), entityId: Entity.EntityId.make("bread") }
 */
import * as Schema from "effect/Schema"

/** The type given when the caller names none. */
export const defaultEntityType = "base"

/** Longest id, in UTF-16 code units. */
export const maxIdLength = 512

/** Longest content, in bytes of UTF-8: what the default model embeds well within one attempt's deadline. */
export const maxContentBytes = 4 * 1024 * 1024

/** Longest metadata, in bytes of JSON. */
export const maxMetadataBytes = 256 * 1024

/** A name: a letter, then letters, digits, `_` or `-`, at most 64. */
export const EntityType = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, {
    message: () => "must be a name: a letter, then letters, digits, - or _, at most 64 characters",
  }),
  Schema.brand("EntityType"),
)
export type EntityType = typeof EntityType.Type

/** Chosen by the caller or made (time-ordered). May contain `/` (a nested path), but no control characters. */
export const EntityId = Schema.String.pipe(
  Schema.filter((id) => {
    if (id.length === 0) return "must not be empty"
    if (id.length > maxIdLength) return `must have at most ${maxIdLength} characters, has ${id.length}`
    if (!id.isWellFormed()) return "must be well-formed Unicode: it contains a lone surrogate"
    // oxlint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(id)) return "must not contain control characters"
    if (id.trim() !== id) return "must not begin or end with white space"
    return true
  }),
  Schema.brand("EntityId"),
)
export type EntityId = typeof EntityId.Type

/** Any value that JSON can hold. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** A JSON object: what metadata is. */
export type JsonObject = { readonly [key: string]: Json }

/** Where a value is not JSON, and why. */
export interface JsonFlaw {
  readonly path: string
  readonly reason: string
}

const maxJsonDepth = 64

/** The first thing in `value` that JSON cannot hold, or nothing. `path` is where in the document. */
export const findJsonFlaw = (value: unknown, path: string): JsonFlaw | undefined => {
  // A few objects that name each other more than once spell out a document without end. Each part takes a byte.
  let budget = maxMetadataBytes
  const walk = (value: unknown, path: string, depth: number): JsonFlaw | undefined => {
    if (depth > maxJsonDepth)
      return { path, reason: `is nested deeper than ${maxJsonDepth} levels, or in a circle` }
    if (budget-- <= 0) return { path, reason: `lies beyond the limit of ${maxMetadataBytes} bytes` }
    if (value === null || typeof value === "boolean") return undefined
    if (typeof value === "string") {
      return value.isWellFormed() ? undefined : { path, reason: "contains a lone surrogate" }
    }
    if (typeof value === "number") {
      return Number.isFinite(value) ? undefined : { path, reason: `is ${value}, which JSON cannot hold` }
    }
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        const flaw = walk(value[i], `${path}[${i}]`, depth + 1)
        if (flaw) return flaw
      }
      return undefined
    }
    if (typeof value === "object") {
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== null && prototype !== Object.prototype) {
        return { path, reason: "is not a plain object" }
      }
      if (Object.getOwnPropertySymbols(value).length > 0)
        return { path, reason: "has a key that is a symbol" }
      for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
        if (!key.isWellFormed()) return { path, reason: "has a key with a lone surrogate" }
        // An accessor may throw, and answer otherwise the next time.
        if (!("value" in property)) return { path: `${path}.${key}`, reason: "is an accessor, not a value" }
        const flaw = walk(property.value, `${path}.${key}`, depth + 1)
        if (flaw) return flaw
      }
      return undefined
    }
    return {
      path,
      reason: `is ${typeof value === "undefined" ? "undefined" : `a ${typeof value}`}, which JSON cannot hold`,
    }
  }
  return walk(value, path, 0)
}

/** Whether it is a JSON object, down to its leaves. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  findJsonFlaw(value, "metadata") === undefined

/** A JSON object, checked to its leaves. */
export const JsonObject = Schema.declare(isJsonObject, { identifier: "JsonObject" })

/** Milliseconds since the epoch. */
export const Millis = Schema.Int.pipe(Schema.nonNegative())

/** The complete entity, as it is boxed and as it is read. `contentHash` covers content and metadata. */
export const Entity = Schema.Struct({
  entityType: EntityType,
  id: EntityId,
  content: Schema.String,
  metadata: JsonObject,
  contentHash: Schema.String,
  created: Millis,
  updated: Millis,
})
export interface Entity extends Schema.Schema.Type<typeof Entity> {}

/** Where an entity stands: its key is (`entityType`, `id`) everywhere. */
export interface EntityKey {
  readonly entityType: EntityType
  readonly entityId: EntityId
}

/** What a caller gives: everything but the content may be left out. */
export interface EntityInput {
  readonly id?: string | undefined
  readonly entityType?: string | undefined
  readonly content: string
  readonly metadata?: { readonly [key: string]: unknown } | undefined
}

/** The fields of an existing entity that an update may change. */
export interface EntityPatch {
  readonly content?: string | undefined
  readonly metadata?: { readonly [key: string]: unknown } | undefined
}

/** The key of an entity. */
export const keyOf = (entity: Entity): EntityKey => ({ entityType: entity.entityType, entityId: entity.id })

/** A key as one text that no other key has: for maps. */
export const keyText = ({ entityId, entityType }: EntityKey): string => `${entityType}\u0000${entityId}`

/**
 * Keys as JSON: one parameter of a statement, whatever their number. A list of parameters would be another statement for
 * each length.
 */
export const keyList = (keys: ReadonlyArray<EntityKey>): string =>
  JSON.stringify(keys.map(({ entityId, entityType }) => [entityType, entityId]))
