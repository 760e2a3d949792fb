import { expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { bounded, distinctRuns } from "../../src/Domain/Runs.js"

const lists = FastCheck.array(FastCheck.integer({ min: 0, max: 5 }), { maxLength: 30 })

it.prop(
  "runs are the list, no key is twice in one, and none could be joined to the next",
  [lists],
  ([list]) => {
    const runs = distinctRuns(list, String)
    expect(runs.flat()).toEqual(list)
    for (const [at, run] of runs.entries()) {
      expect(new Set(run).size).toBe(run.length)
      const next = runs[at + 1]
      if (next !== undefined) expect(run).toContain(next[0])
    }
  },
)

it.prop(
  "pieces are the list, within the bounds where an element is, and as few as that allows",
  [lists],
  ([list]) => {
    const pieces = bounded(list, { most: 4, weight: 7 }, (n) => n)
    const weight = (piece: ReadonlyArray<number>) => piece.reduce((sum, n) => sum + n, 0)
    expect(pieces.flat()).toEqual(list)
    for (const [at, piece] of pieces.entries()) {
      expect(piece.length).toBeLessThanOrEqual(4)
      expect(weight(piece)).toBeLessThanOrEqual(7)
      const next = pieces[at + 1]
      if (next !== undefined) expect(piece.length === 4 || weight(piece) + next[0] > 7).toBe(true)
    }
  },
)

it("an element that is too heavy for any piece stands alone", () => {
  expect(bounded([1, 9, 1], { most: 4, weight: 5 }, (n) => n)).toEqual([[1], [9], [1]])
})
