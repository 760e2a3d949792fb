/** A model for tests: its vectors know which words a text has, and nothing of their meaning. */
import type { Model } from "./legacy.js"

const dimensions = 64

/** Which direction a word is. */
const placeOf = (word: string) =>
  [...word].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % dimensions, 7)

export const words: Model = {
  dimensions,
  embed: async (texts) =>
    texts.map((text) => {
      const vector = Array.from({ length: dimensions }, () => 0.001)
      for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) {
        const place = placeOf(word)
        vector[place] = (vector[place] ?? 0) + 1
      }
      return vector
    }),
}
