/**
 * The vectors of one fingerprint in memory, as far as the memory allows, brought up to date before each look: rows are
 * numbered in the order of their commits and never change, so what is new has a higher number, and what is gone is met
 * when it is looked up. Gone rows are swept out when they may be half of all, or when they may take the room of others.
 */
import * as Effect from "effect/Effect"
import type { StorageError } from "../Domain/Errors.js"
import type { Fingerprint } from "../Domain/Fingerprint.js"
import { dot } from "../Domain/Vector.js"
import type { EntityRepository } from "../EntityRepository.js"
import * as Segment from "./Segment.js"

/** Vectors read at once: a few milliseconds of work. */
const pageSize = 512

/** Row numbers read at once. */
const sweepSize = 8_192

/** So few are not worth a sweep. */
export const fewest = 8_192

/** How near each vector may be to a query: never nearer. */
export interface Bounds {
  readonly size: number
  readonly bound: (at: number) => number
  readonly row: (at: number) => number
  /** The row is not in the store any more. */
  readonly gone: (at: number) => void
}

/** Lets the event loop turn. */
const turn = Effect.async<void>((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

export const make = (
  repository: typeof EntityRepository.Service,
  of: { readonly fingerprint: Fingerprint; readonly dimensions: number; readonly maxBytes: number },
) => {
  const { dimensions, fingerprint, maxBytes } = of
  const most = Math.floor(maxBytes / Segment.bytesPerVector(dimensions))
  let segments: ReadonlyArray<Segment.Segment> = []
  let lastRow = 0
  let size = 0
  let damaged = 0
  let sizeAfterSweep = 0
  /** Vectors without room, at the last look and at the one before the last sweep. */
  let outside = 0
  let outsideBeforeSweep = 0
  const lock = Effect.unsafeMakeSemaphore(1)

  const roomy = () => {
    const last = segments.at(-1)
    if (last !== undefined && !last.isFull()) return last
    const fresh = Segment.make(dimensions)
    segments = [...segments, fresh]
    return fresh
  }

  /** Leaves out what is not in the store any more. Whoever looks at the old segments meanwhile may go on. */
  const sweep = Effect.gen(function* () {
    const there = new Set<number>()
    let row = 0
    while (true) {
      const page: ReadonlyArray<number> = yield* repository.rowsAfter({ fingerprint, row, limit: sweepSize })
      for (const one of page) there.add(one)
      row = page.at(-1) ?? row
      if (page.length < sweepSize || row >= lastRow) break
    }
    const old = segments
    segments = []
    size = 0
    for (const segment of old) {
      for (let at = 0; at < segment.size(); at++) {
        if (!there.has(segment.rowAt(at))) continue
        roomy().copy(segment.parts, at)
        size++
      }
      yield* turn
    }
    sizeAfterSweep = size
    outsideBeforeSweep = outside
  })

  const takeIn = Effect.gen(function* () {
    while (size < most) {
      const limit = Math.min(pageSize, most - size)
      const page = yield* repository.vectorsAfter({ fingerprint, row: lastRow, limit })
      for (const { row, vector } of page) {
        if (roomy().add(row, vector)) size++
        else damaged++
      }
      lastRow = page.at(-1)?.row ?? lastRow
      if (page.length < limit) break
    }
  })

  /** Takes in what was stored since, and lets go of what is gone. */
  const refresh = Effect.gen(function* () {
    yield* takeIn
    if (sizeAfterSweep === 0) sizeAfterSweep = size
    const mayBeHalf = size > fewest && size > 2 * sizeAfterSweep
    if (mayBeHalf || outside > outsideBeforeSweep + fewest) yield* Effect.zipRight(sweep, takeIn)
  }).pipe(lock.withPermits(1))

  /** What the memory has no room for: read and compared each time, page by page. */
  const beyond = (query: Float32Array) =>
    Effect.gen(function* () {
      const rows: Array<number> = []
      const similarities: Array<number> = []
      let row = lastRow
      let isMore = size >= most
      while (isMore) {
        const page = yield* repository.vectorsAfter({ fingerprint, row, limit: pageSize })
        for (const { row, vector } of page) {
          const similarity = vector.length === dimensions ? dot(query, vector) : Number.NaN
          // One number that is none would spoil the order of all.
          if (!Number.isFinite(similarity)) continue
          rows.push(row)
          similarities.push(similarity)
        }
        row = page.at(-1)?.row ?? row
        isMore = page.length === pageSize
      }
      outside = rows.length
      return { rows, similarities }
    })

  /** Compares all vectors that are stored now with a query, giving way to others in between. */
  const compare = (query: Float32Array): Effect.Effect<Bounds, StorageError> =>
    Effect.gen(function* () {
      yield* refresh
      const { rows, similarities } = yield* beyond(query)
      const compared = segments.map((segment) => ({ segment, size: segment.size(), from: 0 }))
      const inMemory = compared.reduce((sum, part) => {
        part.from = sum
        return sum + part.size
      }, 0)
      const bounds = new Float32Array(inMemory + rows.length)
      const asked = Segment.queryOf(query)
      for (const { from, segment, size } of compared) {
        for (let at = 0; at < size; ) {
          at += segment.compare(asked, at, bounds, from + at, size)
          yield* turn
        }
      }
      bounds.set(similarities, inMemory)
      const place = (at: number) => compared.findLast((part) => part.from <= at)
      return {
        size: bounds.length,
        bound: (at) => bounds[at] ?? Number.NEGATIVE_INFINITY,
        row: (at) => {
          if (at >= inMemory) return rows[at - inMemory] ?? 0
          const part = place(at)
          return part === undefined ? 0 : part.segment.rowAt(at - part.from)
        },
        gone: (at) => {
          const part = at >= inMemory ? undefined : place(at)
          if (part !== undefined) part.segment.drop(at - part.from)
        },
      }
    })

  return { fingerprint, dimensions, compare, damaged: () => damaged }
}

export type Mirror = ReturnType<typeof make>
