/** What a vector must be before it may be stored: a wrong one would be found for ever, or poison every ranking. */

/** How far from one the length of a unit vector may be: 32-bit arithmetic over some hundred dimensions. */
const tolerance = 1e-3

/** Why these are not `count` unit vectors of `dimensions`, or nothing when they are. */
export const flawOf = (
  vectors: ReadonlyArray<Float32Array>,
  count: number,
  dimensions: number,
): string | undefined => {
  if (vectors.length !== count) return `the model gave ${vectors.length} vectors for ${count} texts`
  for (const vector of vectors) {
    if (vector.length !== dimensions) {
      return `the model gave a vector of ${vector.length} dimensions where ${dimensions} are due`
    }
    let squares = 0
    // Indexed: seven times as quick as an iteration, and each vector comes by here several times.
    for (let at = 0; at < vector.length; at++) squares += (vector[at] ?? 0) ** 2
    if (!Number.isFinite(squares)) return "the model gave a vector that is not finite"
    if (Math.abs(Math.sqrt(squares) - 1) > tolerance) {
      return `the model gave a vector of length ${Math.sqrt(squares).toFixed(4)}, not a unit vector`
    }
  }
  return undefined
}

/** The same where an answer may be left out: `count` answers, and each that is there a unit vector. */
export const flawOfSome = (
  answers: ReadonlyArray<Float32Array | undefined>,
  count: number,
  dimensions: number,
): string | undefined => {
  const vectors = answers.filter((answer) => answer !== undefined)
  return flawOf(vectors, count - (answers.length - vectors.length), dimensions)
}

/** Cosine of two unit vectors of the same length. */
export const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0
  // Indexed on purpose: this loop is the whole cost of an exact search.
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}

/** The bytes of a vector as they are stored: 32-bit floats, little-endian on every machine Node runs on but s390x. */
export const toBytes = (vector: Float32Array): Uint8Array =>
  new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)

/** A vector from its stored bytes, without a copy where they are aligned. */
export const fromBytes = (bytes: Uint8Array): Float32Array =>
  bytes.byteOffset % 4 === 0
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    : // Not `slice`: that of a Buffer is a view on the same memory.
      new Float32Array(new Uint8Array(bytes).buffer)
