/**
 * Vectors as an index keeps them: one byte a dimension instead of four, and beside each how far it is at most from what
 * it stands for. That makes an answer from here a bound and not a guess: the true cosine lies within `error` of it, so
 * whoever looks at the stored vectors of all that may be among the nearest has exactly the nearest.
 */
import * as Kernel from "./Kernel.js"

/** A query in the form in which it is compared. */
export interface Query {
  /** One number a dimension, padded. */
  readonly levels: Int16Array
  readonly step: number
  /** How far the levels are from the query itself. */
  readonly error: number
}

/** A dimension of the query is a whole number up to this: no sum of products overflows 31 bits then. */
const queryLevels = 2047

/** The same of a stored vector: what a byte holds. */
const vectorLevels = 127

/** What 32-bit arithmetic may add to an error. */
const arithmetic = 1e-5

/** The kernel takes 16 dimensions at a time. */
const widthOf = (dimensions: number) => Math.ceil(dimensions / 16) * 16

/** As many vectors as one segment takes. */
export const capacity = 65_536

/** How many are compared at once: a millisecond of work. */
const slice = 8_192

const pageBytes = 65_536

/** Bytes that a vector takes: itself, its scale, its row's number and its error. */
export const bytesPerVector = (dimensions: number): number => widthOf(dimensions) + 4 + 8 + 4

export const queryOf = (vector: Float32Array): Query => {
  const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const step = largest === 0 ? 1 : largest / queryLevels
  const levels = new Int16Array(widthOf(vector.length))
  let squares = 0
  for (const [at, value] of vector.entries()) {
    const level = Math.round(value / step)
    levels[at] = level
    squares += (value - level * step) ** 2
  }
  return { levels, step, error: Math.sqrt(squares) }
}

/** A segment without vectors yet. */
export const make = (dimensions: number) => {
  const width = widthOf(dimensions)
  const { dots, memory } = Kernel.make()
  const rows: Array<number> = []
  const errors: Array<number> = []
  // Query and results first, then the vectors; the scales stand outside, and are copied in for each slice.
  const queryAt = 0
  const scalesAt = queryAt + width * 2
  const outAt = scalesAt + slice * 4
  const vectorsAt = Math.ceil((outAt + slice * 4) / 16) * 16
  const scales = new Float32Array(capacity)

  /** Views do not survive the growing of their memory. */
  const reserve = (count: number) => {
    const missing = vectorsAt + count * width - memory.buffer.byteLength
    if (missing <= 0) return
    // In steps of an eighth, so that adding one by one is not one growth each.
    const wanted = Math.max(missing, memory.buffer.byteLength >>> 3)
    memory.grow(
      Math.ceil(Math.min(wanted, vectorsAt + capacity * width - memory.buffer.byteLength) / pageBytes),
    )
  }

  return {
    dimensions,
    size: () => rows.length,
    isFull: () => rows.length === capacity,
    rowAt: (at: number): number => rows[at] ?? 0,

    /** Adds a vector. False for one that is none: of another length, or with a number that is no number. */
    add: (row: number, vector: Float32Array): boolean => {
      if (vector.length !== dimensions) return false
      let largest = 0
      for (let i = 0; i < dimensions; i++) {
        const size = Math.abs(vector[i] ?? 0)
        if (!(size <= Number.MAX_VALUE)) return false
        if (size > largest) largest = size
      }
      const at = rows.length
      reserve(at + 1)
      const levels = new Int8Array(memory.buffer, vectorsAt + at * width, width)
      const step = largest === 0 ? 1 : largest / vectorLevels
      let squares = 0
      for (let i = 0; i < dimensions; i++) {
        const value = vector[i] ?? 0
        const level = Math.round(value / step)
        levels[i] = level
        const rest = value - level * step
        squares += rest * rest
      }
      rows.push(row)
      errors.push(Math.sqrt(squares))
      scales[at] = step
      return true
    },

    /** The vector is gone from the store: it is never near anything again. */
    drop: (at: number): void => {
      errors[at] = Number.NEGATIVE_INFINITY
    },

    /** Writes the highest cosine that each vector from `from` on may have, and says how many it wrote. */
    compare: (query: Query, from: number, out: Float32Array, outFrom: number, until: number): number => {
      const count = Math.min(slice, until - from)
      new Int16Array(memory.buffer, queryAt, width).set(query.levels)
      new Float32Array(memory.buffer, scalesAt, count).set(scales.subarray(from, from + count))
      dots(queryAt, vectorsAt + from * width, scalesAt, count, width, outAt)
      const found = new Float32Array(memory.buffer, outAt, count)
      for (let i = 0; i < count; i++) {
        const error = errors[from + i] ?? 0
        out[outFrom + i] = (found[i] ?? 0) * query.step + error + query.error * (1 + error) + arithmetic
      }
      return count
    },

    /** Adds the vectors of another segment that are to be kept. */
    copy: (other: Parts, at: number): void => {
      const to = rows.length
      reserve(to + 1)
      new Int8Array(memory.buffer, vectorsAt + to * width, width).set(other.levelsAt(at))
      rows.push(other.row(at))
      errors.push(other.error(at))
      scales[to] = other.scale(at)
    },

    parts: {
      row: (at: number) => rows[at] ?? 0,
      error: (at: number) => errors[at] ?? 0,
      scale: (at: number) => scales[at] ?? 0,
      levelsAt: (at: number) => new Int8Array(memory.buffer, vectorsAt + at * width, width),
    },
  }
}

interface Parts {
  readonly row: (at: number) => number
  readonly error: (at: number) => number
  readonly scale: (at: number) => number
  readonly levelsAt: (at: number) => Int8Array
}

export type Segment = ReturnType<typeof make>
