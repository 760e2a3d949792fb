/**
 * Nearest neighbours by exact cosine. It reads the stored vectors page by page, so memory is bounded, what was
 * committed is found at once and no second copy can go stale; the storage layer lets the event loop breathe
 * between pages. It stands behind its own tag so that an index can take its place when there are too many
 * vectors for that.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageError } from "./Domain/Errors.js"
import type { Fingerprint } from "./Domain/Fingerprint.js"
import { dot } from "./Domain/Vector.js"
import { EntityRepository, type FoundChunk } from "./EntityRepository.js"

/** The chunk of an entity that is nearest. */
export interface Neighbour extends FoundChunk {
  /** Cosine, -1 to 1. */
  readonly similarity: number
}

export interface NeighbourOptions {
  readonly fingerprint: Fingerprint
  readonly limit: number
  /** Only these types; all when empty. */
  readonly entityTypes: ReadonlyArray<string>
}

export class VectorIndex extends Context.Tag("embedbox/VectorIndex")<
  VectorIndex,
  {
    /** The entities nearest to a unit vector, nearest first, each once. Only vectors of the fingerprint count. */
    readonly nearest: (
      query: Float32Array,
      options: NeighbourOptions,
    ) => Effect.Effect<ReadonlyArray<Neighbour>, StorageError>
  }
>() {}

/** Vectors read at once: about a millisecond of work. */
const pageSize = 256

const nearestFirst = (a: Neighbour, b: Neighbour) => b.similarity - a.similarity

/** Keeps the best chunk of each of the `limit` nearest entities. */
const makeShortlist = (limit: number) => {
  let best = new Map<string, Neighbour>()
  let threshold = Number.NEGATIVE_INFINITY
  const ranked = () => [...best.values()].toSorted(nearestFirst).slice(0, limit)
  return {
    offer: (neighbour: Neighbour) => {
      if (neighbour.similarity <= threshold) return
      const key = JSON.stringify([neighbour.entityType, neighbour.entityId])
      const known = best.get(key)
      if (known !== undefined && known.similarity >= neighbour.similarity) return
      best.set(key, neighbour)
      // Sorting now and then instead of at each offer keeps the scan linear.
      if (best.size < limit * 4) return
      const kept = ranked()
      threshold = kept.at(-1)?.similarity ?? threshold
      best = new Map(kept.map((one) => [JSON.stringify([one.entityType, one.entityId]), one]))
    },
    ranked,
  }
}

export const make = Effect.gen(function* () {
  const repository = yield* EntityRepository

  const nearest = (query: Float32Array, { entityTypes, fingerprint, limit }: NeighbourOptions) =>
    Effect.gen(function* () {
      const shortlist = makeShortlist(limit)
      let afterRow = 0
      let damaged = 0
      while (true) {
        const page = yield* repository.vectorPage({ fingerprint, entityTypes, afterRow, limit: pageSize })
        for (const { chunk, entityId, entityType, inputHash, vector } of page) {
          const similarity = vector.length === query.length ? dot(query, vector) : Number.NaN
          // One number that is none would spoil the order of all.
          if (!Number.isFinite(similarity)) damaged++
          else shortlist.offer({ entityType, entityId, chunk, fingerprint, inputHash, similarity })
        }
        const last = page.at(-1)
        if (last === undefined || page.length < pageSize) break
        afterRow = last.row
      }
      if (damaged > 0) yield* Effect.logWarning(`passed over damaged vectors: ${damaged}; ask the doctor`)
      return shortlist.ranked()
    }).pipe(Effect.withSpan("VectorIndex.nearest"))

  return VectorIndex.of({ nearest })
})

export const layer: Layer.Layer<VectorIndex, never, EntityRepository> = Layer.effect(VectorIndex, make)
