/**
 * A type of entity that is the host's own. Its Schema says which fields it has: `id` and `content` are the entity's, all
 * others are its metadata, and what it is found by is its content. So everything that a worker, a doctor or another
 * process needs is in the entity itself, and none of them has to know the host's types.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { EntityId, type EntityInput, isJsonObject, type JsonObject } from "./Entity.js"
import * as Input from "./EntityInput.js"
import { InvalidEntity } from "./Errors.js"
import * as FrontMatter from "./FrontMatter.js"
import { canonicalJson, contentHash } from "./Hash.js"

/** What a host says of a type. */
export interface Definition<A, I> {
  /** Its name: see `EntityType`. */
  readonly entityType: string
  /** Its fields, as JSON on the encoded side. `id`, if there, is the id of the entity, and `content` its text. */
  readonly schema: Schema.Schema<A, I>
  /** The text that an entity is found by. By default its `content`; a type without that field must say. */
  readonly text?: ((value: A) => string) | undefined
  /** False: it is stored at once and found by words only; no model ever sees it. Default true. */
  readonly isEmbeddable?: boolean | undefined
  /** Taken through every step when the type is registered, so that what does not work is known before the first write. */
  readonly example?: A | undefined
}

/** The parts of an entity that a value is made from. */
export interface Parts {
  readonly id: string
  readonly content: string
  readonly metadata: { readonly [key: string]: unknown }
}

/** A type of entity, ready to be registered. */
export interface EntityAdapter<A> {
  readonly entityType: string
  readonly isEmbeddable: boolean
  /** What `createEntity` and `upsertEntity` take for this value. */
  readonly toInput: (value: A) => Either.Either<EntityInput, InvalidEntity>
  /** The value that an entity was made from. */
  readonly fromEntity: (entity: Parts) => Either.Either<A, InvalidEntity>
  /** The value as a markdown file: its fields as front matter above its text. The id is the file's name. */
  readonly toMarkdown: (value: A) => Either.Either<string, InvalidEntity>
  /** The value in such a file. */
  readonly fromMarkdown: (text: string, id?: string) => Either.Either<A, InvalidEntity>
}

/** A type of which only its rules are of interest, whatever its values are. */
export interface AnyAdapter {
  readonly entityType: string
  readonly isEmbeddable: boolean
  /** Why it does not work, if it does not. */
  readonly flaw: () => string | undefined
  /** Why these are no fields of such an entity, if they are not. */
  readonly flawOf: (entity: Parts) => InvalidEntity | undefined
}

const own = new Set(["id", "content"])

/** Where in an entity a field of the value is. */
const fieldOf = (path: ReadonlyArray<PropertyKey>) => {
  const name = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("")
  const plain = name.replace(/^\./, "")
  return plain === "" ? "entity" : own.has(plain) ? plain : `metadata.${plain}`
}

const because = (error: ParseResult.ParseError) => {
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  return new InvalidEntity({ field: fieldOf(issue?.path ?? []), reason: issue?.message ?? error.message })
}

const textIn = (value: unknown) => (typeof value === "string" ? value : undefined)

/**
 * A type of entity by its definition. Whether it works is looked at when it is registered.
 *
 * @example
 * import { EntityAdapter } from "embedbox"
 * import { Schema } from "effect"
 *
 * const Person = EntityAdapter.make({
 *   entityType: "person",
 *   schema: Schema.Struct({ id: Schema.String, name: Schema.String, born: Schema.DateFromString }),
 *   text: ({ name, born }) => `${name}, born in ${born.getFullYear()}`,
 * })
 */
export const make = <A, I>(definition: Definition<A, I>): EntityAdapter<A> & AnyAdapter => {
  const { entityType, isEmbeddable = true, schema, text } = definition
  // A field that the Schema does not know would be lost.
  const encode = Schema.encodeEither(schema, { onExcessProperty: "error" })
  const decode = Schema.decodeUnknownEither(schema)

  const toInput = (value: A): Either.Either<EntityInput, InvalidEntity> =>
    Either.gen(function* () {
      const encoded: unknown = yield* Either.mapLeft(encode(value), because)
      if (!Predicate.isRecord(encoded))
        return yield* Either.left(new InvalidEntity({ field: "entity", reason: "must be an object" }))
      const { content, id, ...metadata } = encoded
      // Whoever can be undefined in the value is absent in the entity: JSON has no such thing.
      const given = Object.fromEntries(Object.entries(metadata).filter(([, one]) => one !== undefined))
      const found = text?.(value) ?? textIn(content)
      if (found === undefined)
        return yield* Either.left(new InvalidEntity({ field: "content", reason: "must be a string" }))
      return { entityType, id: textIn(id), content: found, metadata: given }
    })

  /** Front matter that only repeats the metadata, as in a file that was imported, is no part of the value's text. */
  const contentOf = ({ content, metadata }: Parts) => {
    const fields = Either.getOrElse(FrontMatter.fieldsOf(content), (): JsonObject => ({}))
    const known = isJsonObject(metadata) ? metadata : {}
    const repeats = Object.entries(fields).every(
      ([name, value]) =>
        Object.hasOwn(known, name) && canonicalJson(known[name] ?? null) === canonicalJson(value),
    )
    return repeats ? FrontMatter.bodyOf(content) : content
  }

  const fromEntity = (entity: Parts): Either.Either<A, InvalidEntity> =>
    Either.mapLeft(decode({ ...entity.metadata, id: entity.id, content: contentOf(entity) }), because)

  const toMarkdown = (value: A) =>
    Either.map(toInput(value), ({ content, metadata }) =>
      FrontMatter.withFields(content, isJsonObject(metadata) ? metadata : {}),
    )

  const fromMarkdown = (file: string, id?: string) =>
    Either.gen(function* () {
      const metadata = yield* Either.mapLeft(
        FrontMatter.fieldsOf(file),
        (reason) => new InvalidEntity({ field: "content", reason }),
      )
      const content = FrontMatter.bodyOf(file)
      return yield* Either.mapLeft(decode({ id, ...metadata, content }), because)
    })

  /** The example, there and back again: what comes out must be what went in. */
  const flawOfExample = (example: A): Either.Either<void, string> => {
    const says = (error: InvalidEntity) => `does not take its own example: ${error.message}`
    const written = (value: A) => Either.mapLeft(Either.flatMap(toInput(value), Input.check), says)
    return Either.gen(function* () {
      const first = yield* written(example)
      const same = (step: string, value: Either.Either<A, InvalidEntity>) =>
        Either.flatMap(Either.flatMap(Either.mapLeft(value, says), written), (again) =>
          again.id === first.id &&
          contentHash(again.content, again.metadata) === contentHash(first.content, first.metadata)
            ? Either.void
            : Either.left(`loses something of its own example ${step}`),
        )
      const id = first.id ?? EntityId.make("example")
      yield* same("in an entity", fromEntity({ ...first, id }))
      const file = yield* Either.mapLeft(toMarkdown(example), says)
      yield* same("in markdown", fromMarkdown(file, first.id))
    })
  }

  const flaw = () => {
    const named = Input.entityType(entityType)
    if (Either.isLeft(named)) return named.left.reason
    const names = SchemaAST.getPropertySignatures(SchemaAST.encodedAST(schema.ast)).map(({ name }) => name)
    if (names.length === 0) return "has a schema that is not of an object with fields"
    if (text === undefined && !names.includes("content"))
      return "has no field `content`, and no `text` that says what it is found by"
    return definition.example === undefined
      ? undefined
      : Either.match(flawOfExample(definition.example), {
          onLeft: (reason) => reason,
          onRight: () => undefined,
        })
  }

  return {
    entityType,
    isEmbeddable,
    toInput,
    fromEntity,
    toMarkdown,
    fromMarkdown,
    flaw,
    flawOf: (entity) =>
      Either.match(fromEntity(entity), { onLeft: (error) => error, onRight: () => undefined }),
  }
}
