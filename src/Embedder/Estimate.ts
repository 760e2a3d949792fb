/**
 * How long a text is for a model whose tokenizer is not at hand: a token for every three bytes of UTF-8. That is careful
 * for every language that models know; a text may be cut earlier than it must, and is not cut off by the model.
 */
import * as Effect from "effect/Effect"
import type * as Windows from "./Windows.js"

const bytesPerToken = 3

/** Where the estimated tokens of a text begin. */
export const encode: Windows.Encode<never, never> = (text) =>
  Effect.sync(() => {
    const starts: Array<number> = []
    let at = 0
    let bytes = 0
    for (const character of text) {
      const code = character.codePointAt(0) ?? 0
      const before = Math.ceil(bytes / bytesPerToken)
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
      // A character of four bytes begins two tokens, at the same place.
      for (let token = before; token < Math.ceil(bytes / bytesPerToken); token++) starts.push(at)
      at += character.length
    }
    return starts
  })
