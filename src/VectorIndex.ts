/**
 * Nearest neighbours by exact cosine. A mirror of the vectors in memory, a byte a dimension, tells within bounds how near
 * each is; the stored vectors of those that may be among the nearest then decide. So the answer is that of a look at
 * every stored vector, at a tenth of its price; what was committed is found at once, and what is gone never; the
 * event loop turns after every millisecond of work. It stands behind its own tag so that another index can take its
 * place when there are too many vectors for that.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type EntityKey, keyText } from "./Domain/Entity.js"
import type { StorageError } from "./Domain/Errors.js"
import type { Fingerprint } from "./Domain/Fingerprint.js"
import type { EntityFilter } from "./Domain/Search.js"
import { dot } from "./Domain/Vector.js"
import { EntityRepository, type FoundChunk, type StoredVector } from "./EntityRepository.js"
import * as Mirror from "./VectorIndex/Mirror.js"

/** The chunk of an entity that is nearest. */
export interface Neighbour extends FoundChunk {
  /** Cosine, -1 to 1. */
  readonly similarity: number
}

/** Which vectors are compared, and how many are wanted. */
export interface NeighbourOptions {
  readonly fingerprint: Fingerprint
  readonly limit: number
  /** Only entities whose stored version passes. */
  readonly filter: EntityFilter
}

/** Nearest neighbours among the stored vectors. */
export class VectorIndex extends Context.Tag("embedbox/VectorIndex")<
  VectorIndex,
  {
    /** The entities nearest to a unit vector, nearest first, each once. Only vectors of the fingerprint count. */
    readonly nearest: (
      query: Float32Array,
      options: NeighbourOptions,
    ) => Effect.Effect<ReadonlyArray<Neighbour>, StorageError>
    /** How near these entities are, each by its nearest chunk, in no particular order; those without vectors are left out. */
    readonly similarities: (
      query: Float32Array,
      keys: ReadonlyArray<EntityKey>,
      fingerprint: Fingerprint,
    ) => Effect.Effect<ReadonlyArray<Neighbour>, StorageError>
  }
>() {}

/** How the index is kept. */
export interface Options {
  /** Memory for vectors, in bytes; those beyond are read from the database for every query. */
  readonly maxBytes: number
}

/** Room for 1.3 million vectors of 384 dimensions. */
export const defaults: Options = { maxBytes: 512 * 1024 * 1024 }

/** Stored vectors looked at in one statement: few at first, since a few often decide. */
const pageSizes = { first: 32, later: 128 }

/** Entities whose vectors are read in one statement. */
const keysAtOnce = 10

/** Vectors that are put in order at first; four times as many whenever those were not enough. */
const firstLook = 1_024

/** The nearest chunk of each entity, of those that are offered. */
const makeShortlist = (query: Float32Array) => {
  const best = new Map<string, Neighbour>()
  return {
    offer: ({ chunk, entityId, entityType, fingerprint, inputHash, vector }: StoredVector) => {
      const similarity = vector.length === query.length ? dot(query, vector) : Number.NaN
      const name = keyText({ entityType, entityId })
      // One number that is none would spoil the order of all.
      if (similarity > (best.get(name)?.similarity ?? Number.NEGATIVE_INFINITY)) {
        best.set(name, { entityType, entityId, chunk, fingerprint, inputHash, similarity })
      }
    },
    all: () => [...best.values()],
  }
}

const nearestFirst = (a: Neighbour, b: Neighbour) => b.similarity - a.similarity

/** The places of the `count` highest bounds, highest first. */
const highest = (bounds: Mirror.Bounds, count: number): ReadonlyArray<number> => {
  const descending = (list: Array<number>) => list.sort((a, b) => bounds.bound(b) - bounds.bound(a))
  let best: Array<number> = []
  let threshold = Number.NEGATIVE_INFINITY
  for (let at = 0; at < bounds.size; at++) {
    if (!(bounds.bound(at) > threshold)) continue
    best.push(at)
    // Sorting now and then instead of at each find keeps this linear.
    if (best.length < count * 2) continue
    best = descending(best).slice(0, count)
    threshold = bounds.bound(best.at(-1) ?? 0)
  }
  return descending(best).slice(0, count)
}

/** The service, made of what it needs. */
export const make = (options: Options = defaults) =>
  Effect.gen(function* () {
    const repository = yield* EntityRepository
    let mirror: Mirror.Mirror | undefined
    let reported = 0

    const mirrorOf = (fingerprint: Fingerprint, dimensions: number) => {
      if (mirror?.fingerprint !== fingerprint || mirror.dimensions !== dimensions) {
        mirror = Mirror.make(repository, { fingerprint, dimensions, maxBytes: options.maxBytes })
      }
      return mirror
    }

    const nearest = (query: Float32Array, { filter, fingerprint, limit }: NeighbourOptions) =>
      Effect.gen(function* () {
        const mirror = mirrorOf(fingerprint, query.length)
        const bounds = yield* mirror.compare(query)
        const damaged = mirror.damaged()
        if (damaged > reported) {
          reported = damaged
          yield* Effect.logWarning(`passed over damaged vectors: ${damaged}; ask the doctor`)
        }
        const shortlist = makeShortlist(query)
        const ranked = () => shortlist.all().toSorted(nearestFirst).slice(0, limit)

        /** Looks at the stored vectors of these places. */
        const look = (places: ReadonlyArray<number>) =>
          Effect.gen(function* () {
            const stored = yield* repository.vectorsAt(places.map(bounds.row), filter)
            const there = new Set(stored.map(({ row }) => row))
            for (const at of places) if (!there.has(bounds.row(at))) bounds.gone(at)
            for (const { passes, ...found } of stored) if (passes) shortlist.offer(found)
          })

        let looked = 0
        for (let count = firstLook; looked < bounds.size; count *= 4) {
          const places = highest(bounds, count)
          while (looked < places.length) {
            const [last] = ranked().slice(limit - 1)
            // Nothing that is left can be nearer than the last of those that are wanted.
            if (last !== undefined && bounds.bound(places[looked] ?? 0) <= last.similarity) return ranked()
            const more = looked === 0 ? Math.max(pageSizes.first, limit) : pageSizes.later
            yield* look(places.slice(looked, looked + more))
            looked += more
          }
          looked = Math.min(looked, places.length)
          if (places.length < count) break
        }
        return ranked()
      }).pipe(Effect.withSpan("VectorIndex.nearest"))

    /** A few entities in one statement: each may have hundreds of chunks, and the event loop must turn. */
    const similarities = (query: Float32Array, keys: ReadonlyArray<EntityKey>, fingerprint: Fingerprint) =>
      Effect.gen(function* () {
        const shortlist = makeShortlist(query)
        for (let from = 0; from < keys.length; from += keysAtOnce) {
          const stored = yield* repository.vectorsOf(keys.slice(from, from + keysAtOnce), fingerprint)
          for (const one of stored) shortlist.offer(one)
        }
        return shortlist.all()
      })

    return VectorIndex.of({ nearest, similarities })
  })

/** The service as a Layer. */
export const layerWith = (options: Partial<Options>): Layer.Layer<VectorIndex, never, EntityRepository> =>
  Layer.effect(VectorIndex, make({ ...defaults, ...options }))

/**
 * The same with `defaults`.
 *
 * @example
 * import { VectorIndex } from "embedbox"
 *
 * // A quarter of a gigabyte at most; what does not fit is read from the database by every question.
 * export const small = VectorIndex.layerWith({ maxBytes: 256 * 1024 * 1024 })
 */
export const layer: Layer.Layer<VectorIndex, never, EntityRepository> = layerWith({})
