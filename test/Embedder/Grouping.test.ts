import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Grouping from "../../src/Embedder/Grouping.js"

describe("Grouping", () => {
  it.effect.prop(
    "every text is in one run, and no run has much padding or more than enough tokens",
    { lengths: FastCheck.array(FastCheck.integer({ min: 2, max: 256 }), { maxLength: 40 }) },
    ({ lengths }) =>
      Effect.sync(() => {
        const groups = Grouping.byLength(lengths)
        assert.deepStrictEqual(
          groups.flat().toSorted((a, b) => a - b),
          [...lengths.keys()],
        )
        for (const group of groups.filter(({ length }) => length > 1)) {
          const own = group.map((place) => lengths[place] ?? 0)
          const fed = own.length * Math.max(...own)
          assert.isAtMost(fed, Grouping.bounds.enough)
          assert.isAtMost(fed, own.reduce((sum, length) => sum + length, 0) / 0.9)
        }
      }),
  )

  it("short texts share a run, long ones have their own", () => {
    assert.deepStrictEqual(Grouping.byLength([10, 200, 11, 10, 200]), [[0, 3, 2], [1], [4]])
    assert.deepStrictEqual(Grouping.byLength([128, 127, 129, 128, 86, 85, 84]), [
      [6, 5],
      [4],
      [1, 0],
      [3],
      [2],
    ])
    assert.deepStrictEqual(Grouping.byLength([]), [])
  })
})
