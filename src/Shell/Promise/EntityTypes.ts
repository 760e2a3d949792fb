/**
 * A host's own types of entities, for hosts that do not use Effect: `EntityAdapter` as it is, but with methods that answer
 * values and throw errors. Their rules are written as a Schema of `effect`, which is there as a peer of this package.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as EntityAdapter from "../../Domain/EntityAdapter.js"
import { InvalidAdapter } from "../../Domain/Errors.js"
import { fields, Flag, gate, Text, that } from "../../Domain/Given.js"
import * as Edge from "./Edge.js"
import type { BaseEntity, NewEntity } from "./Basics.js"

/** What a host says of a type: its name, its fields, what it is found by, whether it is embedded. */
export type EntityTypeDefinition<A, I> = EntityAdapter.Definition<A, I>

/** A type whose rules are known, whatever its values are: what a shell takes. */
export type AnyEntityType = EntityAdapter.AnyAdapter

/** A type of entity. Each method throws `InvalidEntityError`, with the field, where something does not fit. */
export interface EntityTypeOf<A> extends AnyEntityType {
  /** What `createEntity` and `upsertEntity` take for this value. */
  readonly toEntity: (value: A) => NewEntity
  /** The value that an entity was made from. */
  readonly fromEntity: (entity: Pick<BaseEntity, "id" | "content" | "metadata">) => A
  /** The value as a markdown file: its fields as front matter above its text. The id is the file's name. */
  readonly toMarkdown: (value: A) => string
  /** The value in such a file. */
  readonly fromMarkdown: (text: string, id?: string) => A
}

const noSchema = new InvalidAdapter({
  entityType: "",
  reason: "needs a `schema`, which is one of effect/Schema",
})

const check = gate(
  fields({
    entityType: Text,
    schema: Schema.Unknown,
    text: Schema.optional(that(Predicate.isFunction, "must be a function")),
    isEmbeddable: Schema.optional(Flag),
    example: Schema.optional(Schema.Unknown),
  }),
)

const adapterOf = <A, I>(definition: EntityTypeDefinition<A, I>) =>
  Predicate.isRecord(definition) && Schema.isSchema(definition.schema)
    ? Either.mapBoth(check(definition), {
        onLeft: ({ field, reason }) =>
          new InvalidAdapter({ entityType: definition.entityType, reason: `${field}: ${reason}` }),
        onRight: () => EntityAdapter.make(definition),
      })
    : Either.left(noSchema)

/**
 * A type of entity by its definition; throws `InvalidAdapterError` where that has no Schema or says what is not known. Whether it works is looked at when a shell takes it.
 *
 * @example
 * import { createShell, defineEntityType } from "embedbox/promise"
 * import { Schema } from "effect"
 *
 * const Person = defineEntityType({
 *   entityType: "person",
 *   schema: Schema.Struct({ name: Schema.NonEmptyString, born: Schema.Int }),
 *   text: ({ name, born }) => `${name}, born in ${born}`,
 * })
 *
 * await using shell = await createShell({ database: "people.sqlite", entityTypes: [Person] })
 * const { entityId } = await shell.createEntity(Person.toEntity({ name: "Ada Lovelace", born: 1815 }))
 * const { born } = Person.fromEntity(await shell.getEntity(entityId))
 * console.log(born)
 */
export const defineEntityType = <A, I>(definition: EntityTypeDefinition<A, I>): EntityTypeOf<A> => {
  const adapter = Edge.get(adapterOf(definition))
  return {
    entityType: adapter.entityType,
    isEmbeddable: adapter.isEmbeddable,
    flaw: adapter.flaw,
    flawOf: adapter.flawOf,
    toEntity: (value) => Edge.get(adapter.toInput(value)),
    fromEntity: (entity) => Edge.get(adapter.fromEntity(entity)),
    toMarkdown: (value) => Edge.get(adapter.toMarkdown(value)),
    fromMarkdown: (text, id) => Edge.get(adapter.fromMarkdown(text, id)),
  }
}
