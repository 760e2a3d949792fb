import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Messages from "../../src/Embedder/Messages.js"
import * as Protocol from "../../src/Embedder/Protocol.js"

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((all, one) => all + one, 0)

describe("Messages", () => {
  it.effect.prop(
    "every text is in one message, the longest are sent first, and no message is too much",
    {
      lengths: FastCheck.array(
        FastCheck.oneof(FastCheck.integer({ min: 0, max: 1_500 }), FastCheck.constant(100_000)),
        { maxLength: 300 },
      ),
      processes: FastCheck.integer({ min: 1, max: 8 }),
    },
    ({ lengths, processes }) =>
      Effect.sync(() => {
        const messages = Messages.share(lengths, processes)
        const sent = messages.flat()
        assert.deepStrictEqual(
          sent.toSorted((a, b) => a - b),
          [...lengths.keys()],
        )
        const inOrder = sent.map((place) => lengths[place] ?? 0)
        assert.deepStrictEqual(
          inOrder,
          inOrder.toSorted((a, b) => b - a),
        )
        for (const message of messages) {
          assert.isAtLeast(message.length, 1)
          assert.isAtMost(message.length, Protocol.maxTexts)
          // All but its last text fit.
          assert.isAtMost(sum(message.slice(0, -1).map((place) => lengths[place] ?? 0)), Protocol.maxLength)
        }
      }),
  )

  it("every process gets about as much", () => {
    const even = Messages.share(
      Array.from({ length: 32 }, () => 600),
      2,
    )
    assert.deepStrictEqual(
      even.map(({ length }) => length),
      [16, 16],
    )
    // One that is as long as all others together.
    assert.deepStrictEqual(Messages.share([100, 1_544, 700, 600], 2), [[1], [2, 3, 0]])
    assert.deepStrictEqual(Messages.share([700, 100], 2), [[0], [1]])
    assert.deepStrictEqual(Messages.share([700], 2), [[0]])
    assert.deepStrictEqual(Messages.share([], 2), [])
  })
})
