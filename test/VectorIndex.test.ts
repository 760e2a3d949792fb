import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { EntityId, EntityType } from "../src/Domain/Entity.js"
import { Fingerprint } from "../src/Domain/Fingerprint.js"
import { JobId } from "../src/Domain/Job.js"
import { dot } from "../src/Domain/Vector.js"
import { EntityRepository } from "../src/EntityRepository.js"
import { Storage } from "../src/Storage.js"
import type { EntityFilter } from "../src/Domain/Search.js"
import * as Index from "../src/VectorIndex.js"
import { VectorIndex } from "../src/VectorIndex.js"
import { system } from "./support.js"
import * as Random from "./support/Random.js"
import { plainChunk } from "./support/chunks.js"

const dimensions = 6
const wanted = Fingerprint.make("wanted")
const other = Fingerprint.make("other")
const types = ["a", "b", "c"].map((type) => EntityType.make(type))

const makeUnit = ({ next: random }: Random.Random) => {
  // Coarse, so that there are ties.
  const values = Array.from({ length: dimensions }, () => Math.round(random() * 6 - 3) || 1)
  const length = Math.hypot(...values)
  return Float32Array.from(values, (value) => value / length)
}

it.effect.prop(
  "the nearest are those that a look at every vector finds, each entity once, by its best chunk",
  {
    seed: FastCheck.integer(),
    entities: FastCheck.integer({ min: 100, max: 250 }),
    limit: FastCheck.constantFrom(1, 2, 5, 30, 1000),
    chosen: FastCheck.subarray(types),
  },
  ({ chosen, entities, limit, seed }) =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      const index = yield* VectorIndex
      const storage = yield* Storage
      const random = Random.make(seed)
      const query = makeUnit(random)
      const best = new Map<string, number>()
      const fill = Effect.forEach(
        Array.from({ length: entities }, (_, i) => i),
        (i) => {
          // Ids that collide between types, and a few chunks each.
          const entityType = types[random.below(types.length)] ?? types[0]!
          const entityId = EntityId.make(`n${i % (entities - 20)}`)
          const fingerprint = random.next() < 0.1 ? other : wanted
          const chunks = Array.from({ length: 1 + random.below(4) }, (_, chunk) => ({
            ...plainChunk(`${chunk}`),
            fingerprint: wanted,
            vector: makeUnit(random),
          }))
          const key = `${entityType}/${entityId}`
          best.delete(key)
          if (fingerprint === wanted && (chosen.length === 0 || chosen.includes(entityType))) {
            best.set(key, Math.max(...chunks.map(({ vector }) => dot(query, vector))))
          }
          const stored = repository.store({
            entity: {
              entityType,
              id: entityId,
              content: "x",
              metadata: {},
              contentHash: "",
              created: 0,
              updated: 0,
            },
            generation: i + 1,
            jobId: JobId.make(`job-${i}`),
            inputHash: "",
            chunks,
          })
          // As a change of model would have it, some have vectors of the other one alone.
          return Effect.zipRight(
            stored,
            storage.sql`UPDATE entity_vectors SET fingerprint = ${fingerprint}
              WHERE entity_type = ${entityType} AND entity_id = ${entityId}`,
          )
        },
        { discard: true },
      )
      yield* storage.write(fill)

      const found = yield* index.nearest(query, {
        fingerprint: wanted,
        limit,
        filter: { entityTypes: chosen },
      })
      const similarities = found.map(({ similarity }) => similarity)
      // Where several are equally near, any of them may stand at the end of the list.
      expect(similarities).toEqual([...best.values()].toSorted((a, b) => b - a).slice(0, limit))
      const keys = found.map(({ entityId, entityType }) => `${entityType}/${entityId}`)
      expect(new Set(keys).size).toBe(keys.length)
      expect(keys.map((key) => best.get(key))).toEqual(similarities)
      // The chunk that is named is the one that is near.
      const numbers = yield* repository.rowsAfter({ fingerprint: wanted, row: 0, limit: 10_000 })
      const rows = yield* repository.vectorsAt(numbers, {})
      for (const neighbour of found) {
        const row = rows.find(
          ({ chunk, entityId, entityType }) =>
            chunk === neighbour.chunk &&
            entityId === neighbour.entityId &&
            entityType === neighbour.entityType,
        )
        expect(row && dot(query, row.vector)).toBe(neighbour.similarity)
      }
    }).pipe(Effect.provide(system())),
  { fastCheck: { numRuns: 12 } },
)

it.effect("a vector of another length under the same fingerprint is passed over", () =>
  Effect.gen(function* () {
    const repository = yield* EntityRepository
    const index = yield* VectorIndex
    const put = (id: string, generation: number, vector: Float32Array) =>
      repository.store({
        entity: {
          entityType: EntityType.make("a"),
          id: EntityId.make(id),
          content: "x",
          metadata: {},
          contentHash: "",
          created: 0,
          updated: 0,
        },
        generation,
        jobId: JobId.make(`job-${generation}`),
        inputHash: "",
        chunks: [{ ...plainChunk("x"), fingerprint: wanted, vector }],
      })
    yield* put("short", 1, Float32Array.of(1))
    yield* put("right", 2, Float32Array.of(0, 1))
    yield* put("long", 3, Float32Array.of(1, 0, 0))
    const options = { fingerprint: wanted, limit: 10, filter: {} }
    const found = yield* index.nearest(Float32Array.of(1, 0), options)
    expect(found).toMatchObject([{ entityType: "a", entityId: "right", chunk: 0, similarity: 0 }])
    expect(yield* index.nearest(Float32Array.of(1, 0), { ...options, fingerprint: other })).toEqual([])
  }).pipe(Effect.provide(system())),
)

/** So many entities of one chunk each, `n0` nearest to the first direction. */
const fan = (count: number, from = 0) =>
  Effect.gen(function* () {
    const repository = yield* EntityRepository
    for (let i = from; i < from + count; i++) {
      const angle = (i + 1) / 1000
      yield* repository.store({
        entity: {
          entityType: EntityType.make(i % 2 === 0 ? "even" : "odd"),
          id: EntityId.make(`n${i}`),
          content: "x",
          metadata: { place: i },
          contentHash: "",
          created: i,
          updated: i,
        },
        generation: i + 1,
        jobId: JobId.make(`job-${i}`),
        inputHash: "",
        chunks: [
          {
            ...plainChunk("x"),
            fingerprint: wanted,
            vector: Float32Array.of(Math.cos(angle), Math.sin(angle)),
          },
        ],
      })
    }
  })

const nearestIds = (limit: number, filter: EntityFilter = {}) =>
  Effect.flatMap(VectorIndex, (index) =>
    Effect.map(index.nearest(Float32Array.of(1, 0), { fingerprint: wanted, limit, filter }), (found) =>
      found.map(({ entityId }): string => entityId),
    ),
  )

it.effect("what is stored, replaced and deleted between two queries is seen by the second", () =>
  Effect.gen(function* () {
    const repository = yield* EntityRepository
    yield* fan(4, 2)
    expect(yield* nearestIds(2)).toEqual(["n2", "n3"])
    yield* fan(2)
    expect(yield* nearestIds(2)).toEqual(["n0", "n1"])
    yield* repository.remove({ entityType: EntityType.make("even"), entityId: EntityId.make("n0") })
    expect(yield* nearestIds(2)).toEqual(["n1", "n2"])
    // A row's number is not given again: the one after the last that was deleted is seen as well.
    yield* repository.remove({ entityType: EntityType.make("odd"), entityId: EntityId.make("n1") })
    yield* fan(1)
    expect(yield* nearestIds(2)).toEqual(["n0", "n2"])
  }).pipe(Effect.provide(system())),
)

it.effect("the filter holds for each that is found, however far one has to look for them", () =>
  Effect.gen(function* () {
    yield* Effect.flatMap(Storage, ({ write }) => write(fan(1_500)))
    expect(yield* nearestIds(2, { entityTypes: ["odd"] })).toEqual(["n1", "n3"])
    expect(yield* nearestIds(2, { excludedTypes: ["even"] })).toEqual(["n1", "n3"])
    expect(yield* nearestIds(5, { metadata: { place: 1_400 } })).toEqual(["n1400"])
    expect(yield* nearestIds(2, { metadata: { place: "7" } })).toEqual([])
    expect(yield* nearestIds(2, { created: { from: 1_200 } })).toEqual(["n1200", "n1201"])
    expect(yield* nearestIds(9, { updated: { from: 5, before: 7 } })).toEqual(["n5", "n6"])
  }).pipe(Effect.provide(system())),
)

it.effect("what has no room in memory is found as well, and replaced ones do not pile up there", () =>
  Effect.gen(function* () {
    const small = yield* Index.make({ maxBytes: 40 * 32 })
    const large = yield* Index.make({ maxBytes: 1 << 20 })
    yield* fan(100)
    const ask = (index: typeof VectorIndex.Service, query: Float32Array) =>
      Effect.map(index.nearest(query, { fingerprint: wanted, limit: 7, filter: {} }), (found) =>
        found.map(({ entityId }): string => entityId),
      )
    for (const query of [Float32Array.of(1, 0), Float32Array.of(0, 1)]) {
      expect(yield* ask(small, query)).toEqual(yield* ask(large, query))
    }
    expect(yield* ask(small, Float32Array.of(0, 1))).toContain("n99")
  }).pipe(Effect.provide(system())),
)
