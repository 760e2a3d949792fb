import { expect, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import wabt from "wabt"
import { dot } from "../../src/Domain/Vector.js"
import * as Kernel from "../../src/VectorIndex/Kernel.js"
import * as Segment from "../../src/VectorIndex/Segment.js"

it("the bytes of the kernel are what its source compiles to", async () => {
  const source = fileURLToPath(new URL("../../src/VectorIndex/dot.wat", import.meta.url))
  const compiler = await wabt()
  const compiled = compiler.parseWat("dot.wat", Fs.readFileSync(source, "utf8"), { simd: true }).toBinary({})
  expect(Buffer.from(compiled.buffer).toString("base64")).toBe(Kernel.bytes)
})

/** Deterministic numbers, and unit vectors of them. */
const sine = (at: number) => Math.sin(at * 12.9898) * 43758.5453
const unit = (dimensions: number, seed: number) => {
  const values = Float32Array.from({ length: dimensions }, (_, i) => (sine(seed * 7919 + i) % 1) - 0.1)
  const length = Math.sqrt(dot(values, values))
  return values.map((value) => value / length)
}

it.each([1, 6, 16, 100, 384, 1536])(
  "bounds are never below the cosine, and near it: %d dimensions",
  (dimensions) => {
    const segment = Segment.make(dimensions)
    const vectors = Array.from({ length: 500 }, (_, i) => unit(dimensions, i))
    // The hardest for whole numbers: all in one place, and all the same.
    const alone = new Float32Array(dimensions)
    alone[0] = 1
    vectors.push(alone, new Float32Array(dimensions).fill(1 / Math.sqrt(dimensions)))
    for (const [row, vector] of vectors.entries()) expect(segment.add(row, vector)).toBe(true)
    for (const query of [unit(dimensions, 1000), alone, vectors.at(-1) ?? alone]) {
      const bounds = new Float32Array(vectors.length)
      expect(segment.compare(Segment.queryOf(query), 0, bounds, 0, vectors.length)).toBe(vectors.length)
      for (const [at, vector] of vectors.entries()) {
        const cosine = dot(query, vector)
        expect(bounds[at]).toBeGreaterThanOrEqual(cosine)
        expect(bounds[at]).toBeLessThan(cosine + 0.05)
      }
    }
  },
)

it("takes nothing that is no vector", () => {
  const segment = Segment.make(4)
  for (const values of [
    [1, 0, 0],
    [1, 0, 0, 0, 0],
    [Number.NaN, 0, 0, 1],
    [Number.POSITIVE_INFINITY, 0, 0, 0],
  ]) {
    expect(segment.add(1, Float32Array.from(values))).toBe(false)
  }
  expect(segment.size()).toBe(0)
})
