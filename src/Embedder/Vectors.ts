/**
 * Vectors on their way: packed into one block for the journey, cut out of it and checked on arrival. The check is not
 * for show: a vector that is not finite or not of unit length would spoil every comparison it is in, in silence, and a
 * text that makes the model produce one is at fault itself.
 */
import * as Effect from "effect/Effect"
import { EmbeddingError } from "../Domain/Errors.js"
import * as Vector from "../Domain/Vector.js"

/** All vectors one behind the other. */
export const pack = (vectors: ReadonlyArray<Float32Array>): Float32Array => {
  const block = new Float32Array(vectors.reduce((sum, vector) => sum + vector.length, 0))
  let offset = 0
  for (const vector of vectors) {
    block.set(vector, offset)
    offset += vector.length
  }
  return block
}

const norm = (vector: Float32Array): number => {
  let squares = 0
  for (const value of vector) squares += value * value
  return Math.sqrt(squares)
}

const wrong = (reason: string) => new EmbeddingError({ fault: "item", reason })

/** Cuts a block into `count` vectors, each with memory of its own, and refuses what is no unit vector. */
export const unpack = (
  block: Float32Array,
  count: number,
  dimensions: number,
): Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingError> =>
  Effect.suspend(() => {
    if (block.length !== count * dimensions) {
      return wrong(`the model gave ${block.length} numbers for ${count} vectors of ${dimensions}`)
    }
    const vectors = Array.from({ length: count }, (_, index) =>
      block.slice(index * dimensions, (index + 1) * dimensions),
    )
    const flaw = Vector.flawOf(vectors, count, dimensions)
    if (flaw !== undefined) return wrong(flaw)
    return Effect.succeed(vectors)
  })

/** The same direction with length 1. A vector of zeros has no direction and stays what it is. */
export const normalise = (vector: Float32Array): Float32Array => {
  const length = norm(vector)
  return length === 0 ? vector : vector.map((value) => value / length)
}

/** The direction in the middle of several unit vectors. Where they cancel out, the first of them. */
export const mean = (vectors: ReadonlyArray<Float32Array>): Float32Array => {
  const [first = new Float32Array(), ...rest] = vectors
  const sum = rest.reduce((sum, vector) => sum.map((value, index) => value + (vector[index] ?? 0)), first)
  const middle = normalise(sum)
  return norm(sum) === 0 ? first : middle
}
