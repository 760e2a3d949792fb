import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { describe } from "vitest"
import * as EntityAdapter from "../src/Domain/EntityAdapter.js"
import * as Doctor from "../src/Doctor.js"
import { FakeControl } from "../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../src/EmbeddingQueue.js"
import * as EntityRegistry from "../src/EntityRegistry.js"
import { EntityService } from "../src/EntityService.js"
import { Reembedding } from "../src/Reembedding.js"
import { embedAll, key } from "./EntityService/fixtures.js"
import { system, temporaryDatabase } from "./support.js"

const Person = EntityAdapter.make({
  entityType: "person",
  schema: Schema.Struct({ name: Schema.NonEmptyString, age: Schema.Number }),
  text: ({ name }) => `${name} is a person`,
})

const Log = EntityAdapter.make({
  entityType: "log",
  schema: Schema.Struct({ content: Schema.String }),
  isEmbeddable: false,
})

const closed = system({ registry: Layer.orDie(EntityRegistry.layer([Person, Log])) })

describe("a shell with types of its own", () => {
  it.effect("refuses what is of no known type, and names those that are", () =>
    Effect.gen(function* () {
      const entities = yield* EntityService
      const refused = yield* Effect.flip(entities.createEntity({ entityType: "place", content: "Rome" }))
      expect(refused).toMatchObject({
        _tag: "InvalidEntity",
        field: "entityType",
        reason: '"place" is not known here: known are log, person',
      })
      expect(yield* entities.listEntities()).toEqual([])
    }).pipe(Effect.provide(closed)),
  )

  it.effect("refuses fields that are not what the type has, in every way of writing", () =>
    Effect.gen(function* () {
      const entities = yield* EntityService
      const good = yield* Person.toInput({ name: "Ada", age: 36 })
      const { entityId } = yield* entities.createEntity({ ...good, id: "ada" })
      const bad = { entityType: "person", content: "x", metadata: { name: "Bob", age: "old" } }
      const refusal = { _tag: "InvalidEntity", field: "metadata.age" }
      expect(yield* Effect.flip(entities.createEntity(bad))).toMatchObject(refusal)
      expect(yield* Effect.flip(entities.createEntitySync(bad))).toMatchObject(refusal)
      expect(yield* Effect.flip(entities.upsertEntity({ ...bad, id: "ada" }))).toMatchObject(refusal)
      // Only the whole that an update makes can be looked at.
      expect(yield* Effect.flip(entities.updateEntity(entityId, { metadata: { age: 37 } }))).toMatchObject({
        _tag: "InvalidEntity",
        field: "metadata.name",
      })
      const [first, second] = yield* entities.createEntities([bad, { ...good, id: "eve" }])
      expect(first).toMatchObject({ left: refusal })
      expect(second).toMatchObject({ right: { entityId: "eve" } })
      yield* entities.createEntity({ entityType: "log", id: "line", content: "a line" })
      const moved = yield* Effect.flip(entities.moveEntity(key("line", "log"), key("line", "person")))
      expect(moved).toMatchObject({ _tag: "InvalidEntity", field: "metadata.name" })
      expect((yield* entities.getEntity("ada")).metadata).toEqual({ name: "Ada", age: 36 })
      expect(yield* Person.fromEntity(yield* entities.getEntity("ada"))).toEqual({ name: "Ada", age: 36 })
    }).pipe(Effect.provide(closed)),
  )

  it.effect("learns types while it runs, each once", () =>
    Effect.gen(function* () {
      const entities = yield* EntityService
      const registry = yield* EntityRegistry.EntityRegistry
      const Place = EntityAdapter.make({
        entityType: "place",
        schema: Schema.Struct({ content: Schema.String }),
      })
      yield* registry.register(Place)
      yield* entities.createEntity({ entityType: "place", content: "Rome" })
      expect(yield* registry.types).toEqual(["log", "person", "place"])
      expect(yield* Effect.flip(registry.register(Place))).toMatchObject({
        _tag: "InvalidAdapter",
        message:
          'the adapter for entities of type "place" is not taken: this type is registered already, and stays as it is',
      })
    }).pipe(Effect.provide(closed)),
  )

  it.effect("does not start with a type that does not work", () =>
    Effect.gen(function* () {
      const broken = EntityAdapter.make({
        entityType: "person",
        schema: Schema.Struct({ name: Schema.String }),
      })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(EntityRegistry.layer([broken]))))
      expect(error).toMatchObject({ _tag: "InvalidAdapter", entityType: "person" })
    }),
  )
})

describe("a type that is not embedded", () => {
  const healthy = Effect.gen(function* () {
    const { checks } = yield* Effect.flatMap(Doctor.Doctor, (doctor) => doctor.examine)
    expect(checks.flatMap(({ violations }) => violations)).toEqual([])
  }).pipe(Effect.provide(Doctor.layer))

  it.scoped("is stored at once, found by words, seen by no model, and missed by nobody", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      const registry = Layer.orDie(EntityRegistry.layer([Person, Log]))
      yield* Effect.gen(function* () {
        const entities = yield* EntityService
        const fake = yield* FakeControl
        const { jobId } = yield* entities.createEntity({
          entityType: "log",
          id: "a",
          content: "disk almost full",
        })
        expect((yield* entities.getEntity("a")).embedding).toEqual({ state: "ready", jobId })
        expect(yield* entities.awaitJob(jobId)).toMatchObject({ outcome: "stored" })
        expect(yield* Effect.flip(entities.awaitSearchable(jobId, "1 second"))).toMatchObject({
          _tag: "NotSearchable",
          reason: 'entities of type "log" are not embedded',
        })
        expect(yield* entities.updateEntity("a", { content: "disk full" })).toMatchObject({
          change: "updated",
        })
        const sync = yield* entities.createEntitySync({ entityType: "log", id: "b", content: "all well" })
        expect(sync.embedding.state).toBe("ready")
        expect((yield* fake.counters).calls).toBe(0)
        const { results } = yield* entities.search("disk", { mode: "lexical" })
        expect(results.map(({ entityId, excerpt }) => [entityId, excerpt])).toEqual([["a", "disk full"]])
        expect(yield* entities.indexStatus).toMatchObject({ ready: 0, pending: 0, coverage: 1 })

        yield* entities.createEntity({ ...(yield* Person.toInput({ name: "Ada", age: 36 })), id: "ada" })
        yield* embedAll
        expect(yield* entities.indexStatus).toMatchObject({ ready: 1, coverage: 1 })
        yield* healthy
      }).pipe(Effect.provide(system({ filename, registry, fake: { seed: 1 } })))

      // A process that knows nothing of the types, and has another model.
      yield* Effect.gen(function* () {
        const entities = yield* EntityService
        expect(yield* entities.updateEntity("a", { content: "disk quite full" })).toMatchObject({
          change: "updated",
        })
        expect((yield* entities.getEntity("a")).embedding.state).toBe("ready")
        const reembedding = yield* Reembedding
        expect(yield* reembedding.plan).toMatchObject({ entities: 1, stored: 1 })
        expect(yield* reembedding.run()).toMatchObject({ embedded: 1, changed: true })
        yield* healthy
      }).pipe(Effect.provide(system({ filename, fake: { seed: 2 } })))
    }),
  )

  it.effect("takes the place of a box that waits", () =>
    Effect.gen(function* () {
      const entities = yield* EntityService
      const registry = yield* EntityRegistry.EntityRegistry
      const before = yield* entities.createEntity({ entityType: "log", id: "a", content: "one" })
      yield* registry.register(Log)
      const after = yield* entities.updateEntity("a", { content: "two" })
      const queue = yield* EmbeddingQueue
      expect(yield* Effect.flatten(queue.getJob(before.jobId))).toMatchObject({
        job: { status: "completed", outcome: "superseded", successor: after.jobId },
      })
      expect(yield* entities.getEntity("a")).toMatchObject({ content: "two", embedding: { state: "ready" } })
      yield* healthy
    }).pipe(Effect.provide(system())),
  )
})
