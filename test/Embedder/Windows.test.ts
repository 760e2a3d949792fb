import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Windows from "../../src/Embedder/Windows.js"

/** A token per word, and one per character of a word of more than five; as little regular as a real tokenizer. */
const encode: Windows.Encode<never, never> = (text) =>
  Effect.sync(() =>
    Array.from(text.matchAll(/\S+/g)).flatMap((match) =>
      match[0].length <= 5 ? [match.index] : Array.from(match[0], (_, index) => match.index + index),
    ),
  )

const cut = (text: string, limit: number, encoder = encode) =>
  Effect.map(Windows.ends(text, limit, encoder), (ends) =>
    ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end)),
  )

describe("Windows", () => {
  it.effect.prop(
    "windows joined are the text, and each fits",
    {
      text: FastCheck.array(
        FastCheck.oneof(
          FastCheck.constantFrom("a ", "b\n", "longer words ", "😀😀😀😀 "),
          FastCheck.string(),
        ),
        {
          maxLength: 200,
          size: "max",
        },
      ).map((parts) => parts.join("")),
      limit: FastCheck.integer({ min: 2, max: 20 }),
    },
    ({ limit, text }) =>
      Effect.gen(function* () {
        const windows = yield* cut(text, limit)
        assert.strictEqual(windows.join(""), text)
        for (const window of windows) {
          assert.isTrue(window.length > 0 || text.length === 0)
          assert.isAtMost((yield* encode(window)).length, limit)
        }
        if ((yield* encode(text)).length <= limit) assert.deepStrictEqual(windows, [text])
      }),
  )

  it.effect("cuts behind white space", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* cut("aa bb cc dd ee", 2), ["aa bb ", "cc dd ", "ee"])
    }),
  )

  it.effect("never cuts a pair of surrogates, and goes on where one character is too much", () =>
    Effect.gen(function* () {
      const perUnit: Windows.Encode<never, never> = (text) =>
        Effect.succeed(Array.from({ length: text.length }, (_, index) => index))
      assert.deepStrictEqual(yield* cut("😀😀😀", 3, perUnit), ["😀", "😀", "😀"])
      assert.deepStrictEqual(yield* cut("😀😀", 1, perUnit), ["😀", "😀"])
    }),
  )

  it.effect("encodes long text in blocks", () =>
    Effect.gen(function* () {
      const lengths: Array<number> = []
      const watched: Windows.Encode<never, never> = (text) => {
        lengths.push(text.length)
        return encode(text)
      }
      const text = "word ".repeat(100_000)
      const windows = yield* cut(text, 100, watched)
      assert.strictEqual(windows.join(""), text)
      assert.strictEqual(windows.length, 1_000)
      assert.isAtMost(Math.max(...lengths), Windows.blockLength)
      // Each block once, each window once, and the last window of each block again.
      assert.isBelow(
        lengths.reduce((sum, length) => sum + length, 0),
        3 * text.length,
      )
    }),
  )

  it.effect("text without tokens is one window, however long", () =>
    Effect.gen(function* () {
      const blank = " ".repeat(10 * Windows.blockLength)
      assert.deepStrictEqual(yield* cut(blank, 2), [blank])
      assert.deepStrictEqual(yield* cut("", 2), [""])
      assert.strictEqual((yield* cut(`${blank}a b c d`, 2)).join(""), `${blank}a b c d`)
    }),
  )

  it.effect("counts as far as needed", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Windows.count("a b c", 10, encode), 3)
      assert.isAbove(yield* Windows.count("a ".repeat(100_000), 10, encode), 10)
    }),
  )
})
