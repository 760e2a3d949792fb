/**
 * Which types of entities there are. An open registry, which a shell has when its host says nothing, takes entities of
 * any type and knows the rules of those that were registered; a closed one takes no others. The rules are asked in the
 * transaction that writes, where an update is one whole entity for the first time, and so without an effect.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type { EntityType } from "./Domain/Entity.js"
import type { AnyAdapter, Parts } from "./Domain/EntityAdapter.js"
import { InvalidAdapter, InvalidEntity } from "./Domain/Errors.js"

/** The types of entities that are known. */
export class EntityRegistry extends Context.Tag("embedbox/EntityRegistry")<
  EntityRegistry,
  {
    /** From now on there are entities of this type, also while the shell runs. One that is there already is not replaced. */
    readonly register: (adapter: AnyAdapter) => Effect.Effect<void, InvalidAdapter>
    /** The names of the registered types, in the order of the alphabet. */
    readonly types: Effect.Effect<ReadonlyArray<string>>
    /** Why this is no entity of this type: it is unknown, or the fields are not what its Schema says. */
    readonly flawOf: (entityType: EntityType, entity: Parts) => InvalidEntity | undefined
    /** Whether a model is to see entities of this type; nothing where it is not registered. */
    readonly isEmbeddable: (entityType: EntityType) => boolean | undefined
  }
>() {}

const isAdapter = (value: unknown): value is AnyAdapter =>
  Predicate.hasProperty(value, "entityType") &&
  Predicate.hasProperty(value, "flaw") &&
  Predicate.isFunction(value.flaw) &&
  Predicate.hasProperty(value, "flawOf") &&
  Predicate.isFunction(value.flawOf)

const noAdapter = new InvalidAdapter({
  entityType: "",
  reason: "is none: make it with EntityAdapter.make, or with defineEntityType where promises are spoken",
})

const make = (adapters: ReadonlyArray<AnyAdapter>, isOpen: boolean) =>
  Effect.gen(function* () {
    const known = new Map<string, AnyAdapter>()
    const names = () => [...known.keys()].toSorted()

    const register = (adapter: AnyAdapter) =>
      Effect.suspend(() => {
        // Hosts in JavaScript register what they like.
        if (!isAdapter(adapter)) return Effect.fail(noAdapter)
        const { entityType } = adapter
        const reason = known.has(entityType)
          ? "is not taken: this type is registered already, and stays as it is"
          : adapter.flaw()
        if (reason !== undefined) return Effect.fail(new InvalidAdapter({ entityType, reason }))
        known.set(entityType, adapter)
        return Effect.void
      })

    yield* Effect.forEach(adapters, register, { discard: true })

    return EntityRegistry.of({
      register,
      types: Effect.sync(names),
      flawOf: (entityType, entity) => {
        const adapter = known.get(entityType)
        if (adapter !== undefined) return adapter.flawOf(entity)
        if (isOpen) return undefined
        const there = known.size === 0 ? "no type is" : `known are ${names().join(", ")}`
        return new InvalidEntity({
          field: "entityType",
          reason: `"${entityType}" is not known here: ${there}`,
        })
      },
      isEmbeddable: (entityType) => known.get(entityType)?.isEmbeddable,
    })
  })

/**
 * Only these types, and what is registered later.
 *
 * @example
 * import { EntityAdapter, EntityRegistry, Shell } from "embedbox"
 * import * as Schema from "effect/Schema"
 *
 * const Person = EntityAdapter.make({
 *   entityType: "person",
 *   schema: Schema.Struct({ id: Schema.String, name: Schema.String, content: Schema.String }),
 * })
 *
 * export const MyShell = Shell.layerFrom({ registry: EntityRegistry.layer([Person]) })
 */
export const layer = (adapters: ReadonlyArray<AnyAdapter>): Layer.Layer<EntityRegistry, InvalidAdapter> =>
  Layer.effect(EntityRegistry, make(adapters, false))

/** Any type; those that are registered have their rules. */
export const layerOpen: Layer.Layer<EntityRegistry> = Layer.orDie(
  Layer.effect(EntityRegistry, make([], true)),
)
