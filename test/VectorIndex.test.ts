import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { EntityId, EntityType } from "../src/Domain/Entity.js"
import { Fingerprint } from "../src/Domain/Fingerprint.js"
import { JobId } from "../src/Domain/Job.js"
import { dot } from "../src/Domain/Vector.js"
import { EntityRepository } from "../src/EntityRepository.js"
import { Storage } from "../src/Storage.js"
import { VectorIndex } from "../src/VectorIndex.js"
import { system } from "./support.js"
import { plainChunk } from "./support/chunks.js"

const dimensions = 6
const wanted = Fingerprint.make("wanted")
const other = Fingerprint.make("other")
const types = ["a", "b", "c"].map((type) => EntityType.make(type))

/** mulberry32: hundreds of vectors from one number that can be told when a run fails. */
const makeRandom = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const makeUnit = (random: () => number) => {
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
      const random = makeRandom(seed)
      const query = makeUnit(random)
      const best = new Map<string, number>()
      const fill = Effect.forEach(
        Array.from({ length: entities }, (_, i) => i),
        (i) => {
          // Ids that collide between types, and a few chunks each.
          const entityType = types[Math.floor(random() * types.length)] ?? types[0]!
          const entityId = EntityId.make(`n${i % (entities - 20)}`)
          const fingerprint = random() < 0.1 ? other : wanted
          const chunks = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, chunk) => ({
            ...plainChunk(`${chunk}`),
            fingerprint,
            vector: makeUnit(random),
          }))
          const key = `${entityType}/${entityId}`
          best.delete(key)
          if (fingerprint === wanted && (chosen.length === 0 || chosen.includes(entityType))) {
            best.set(key, Math.max(...chunks.map(({ vector }) => dot(query, vector))))
          }
          return repository.store({
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
