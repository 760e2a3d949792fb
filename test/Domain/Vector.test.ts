import { expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import * as Fingerprint from "../../src/Domain/Fingerprint.js"
import * as Vector from "../../src/Domain/Vector.js"

const unit = (...values: ReadonlyArray<number>) => {
  const length = Math.hypot(...values)
  return Float32Array.from(values, (value) => value / length)
}

describe("flaws of vectors", () => {
  it("unit vectors of the right number and size have none", () => {
    expect(Vector.flawOf([unit(1, 2, 3), unit(-1, 0, 0)], 2, 3)).toBe(undefined)
    expect(Vector.flawOf([], 0, 3)).toBe(undefined)
    // As exact as 32-bit arithmetic is.
    expect(Vector.flawOf([Float32Array.of(1.0005, 0)], 1, 2)).toBe(undefined)
  })

  it.each<readonly [string, ReadonlyArray<Float32Array>, RegExp]>([
    ["too few", [unit(1, 2)], /gave 1 vectors for 2 texts/],
    ["too many", [unit(1, 2), unit(1, 2), unit(1, 2)], /gave 3 vectors for 2 texts/],
    ["too short", [unit(1, 2), unit(1)], /of 1 dimensions where 2 are due/],
    ["empty", [unit(1, 2), new Float32Array()], /of 0 dimensions where 2 are due/],
    ["not a number", [unit(1, 2), Float32Array.of(Number.NaN, 1)], /not finite/],
    ["infinite", [Float32Array.of(Infinity, 0), unit(1, 2)], /not finite/],
    ["of zeros", [unit(1, 2), Float32Array.of(0, 0)], /of length 0\.0000, not a unit vector/],
    ["not of length one", [unit(1, 2), Float32Array.of(1, 0.1)], /of length 1\.0050, not a unit vector/],
  ])("%s is refused", (_name, vectors, reason) => {
    expect(Vector.flawOf(vectors, 2, 2)).toMatch(reason)
  })
})

describe("vectors as bytes", () => {
  it.prop(
    "come back as they were, wherever the bytes lie",
    [FastCheck.float32Array(), FastCheck.nat(9)],
    ([vector, offset]) => {
      const bytes = Vector.toBytes(vector)
      // As a database driver may give them: a Buffer in the middle of a larger block, aligned or not.
      const block = Buffer.alloc(offset + bytes.length + 8, 0xaa)
      block.set(bytes, offset)
      const found = Vector.fromBytes(block.subarray(offset, offset + bytes.length))
      expect(Vector.toBytes(found)).toEqual(bytes)
    },
  )

  it("of a part are those of the part only", () => {
    const whole = Float32Array.of(1, 2, 3, 4)
    expect(Vector.fromBytes(Vector.toBytes(whole.subarray(1, 3)))).toEqual(Float32Array.of(2, 3))
  })
})

it("cosine of unit vectors", () => {
  expect(Vector.dot(unit(3, 4), unit(3, 4))).toBeCloseTo(1, 6)
  expect(Vector.dot(unit(3, 4), unit(-4, 3))).toBeCloseTo(0, 6)
  expect(Vector.dot(unit(1, 0), unit(-1, 0))).toBe(-1)
})

describe("fingerprint", () => {
  const space: Fingerprint.VectorSpace = {
    provider: "fastembed",
    model: "all-MiniLM-L6-v2",
    revision: "r1",
    dimensions: 384,
    pooling: "mean",
    normalised: true,
    chunker: "windows-1",
  }

  it("can be read by whoever finds it in a database", () => {
    expect(Fingerprint.fromVectorSpace(space)).toBe("fastembed|all-MiniLM-L6-v2|r1|384d|mean|unit|windows-1")
  })

  it("is another as soon as anything is", () => {
    const others: ReadonlyArray<Partial<Fingerprint.VectorSpace>> = [
      {},
      { provider: "http" },
      { model: "other" },
      { revision: "r2" },
      { dimensions: 383 },
      { pooling: "cls" },
      { normalised: false },
      { chunker: "windows-2" },
    ]
    const all = new Set(others.map((other) => Fingerprint.fromVectorSpace({ ...space, ...other })))
    expect(all.size).toBe(others.length)
  })
})
