/**
 * Cuts long text into windows that fit the model, given nothing but a way to encode. A text of megabytes is encoded in
 * blocks, because the offsets of all its tokens at once would take a hundred times its size. A cut goes behind white
 * space where there is any in the window's second half. What a piece encodes to can depend on where it was cut (half of
 * a word is other tokens), so every window is encoded once more by itself and shortened until it fits.
 */
import * as Effect from "effect/Effect"

/**
 * Where each token of a text begins, in UTF-16 units, in rising order, without the special tokens. Their number is what
 * the model counts.
 */
export type Encode<E, R> = (text: string) => Effect.Effect<ReadonlyArray<number>, E, R>

/** How much text is encoded at once: some ten windows. */
export const blockLength = 16_384

const isLowSurrogate = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff
const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff

/** The place itself, or the one before it when it lies inside a surrogate pair. */
const outsidePair = (text: string, place: number): number =>
  place > 0 &&
  place < text.length &&
  isLowSurrogate(text.charCodeAt(place)) &&
  isHighSurrogate(text.charCodeAt(place - 1))
    ? place - 1
    : place

/** The end of the character that begins at a place. */
const characterEnd = (text: string, place: number): number =>
  Math.min(text.length, place + ((text.codePointAt(place) ?? 0) > 0xffff ? 2 : 1))

const space = /\s/

/** The last place behind white space in the second half of a window, or its very end. */
const preferSpace = (text: string, from: number, to: number): number => {
  const middle = from + Math.floor((to - from) / 2)
  for (let place = to; place > middle; place--) {
    if (space.test(text.charAt(place - 1))) return place
  }
  return to
}

/** The largest end not beyond `to` that was found to make a window that fits. At least one character long. */
const fit = <E, R>(
  text: string,
  from: number,
  to: number,
  limit: number,
  encode: Encode<E, R>,
): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    const shortest = characterEnd(text, from)
    let end = to
    while (end > shortest) {
      const { length } = yield* encode(text.slice(from, end))
      if (length <= limit) return end
      const shorter = from + Math.floor(((end - from) * limit * 0.95) / length)
      end = outsidePair(text, Math.min(end - 1, shorter))
    }
    return shortest
  })

/** Where a block that begins at `from` ends: behind white space where there is any near its end. */
export const blockEnd = (text: string, from: number, to: number): number => {
  const end = from + blockLength
  return end >= to ? to : preferSpace(text, from, outsidePair(text, end))
}

/**
 * The start of a text together with its tokens: a block, or more of the text as long as there are too few tokens in it
 * to fill a window (white space has none, and a word of a megabyte is a single one).
 */
const readBlock = <E, R>(text: string, from: number, limit: number, encode: Encode<E, R>) =>
  Effect.gen(function* () {
    for (let length = blockLength; ; length *= 2) {
      const end = outsidePair(text, Math.min(text.length, from + length))
      const block = text.slice(from, end)
      const starts = yield* encode(block)
      if (starts.length > limit || end === text.length) return { block, starts, isRest: end === text.length }
    }
  })

/**
 * Counts a text's tokens, but not on and on: the number is exact when it is within the limit, and "at least" when it is
 * above.
 */
export const count = <E, R>(text: string, limit: number, encode: Encode<E, R>): Effect.Effect<number, E, R> =>
  Effect.map(readBlock(text, 0, limit, encode), ({ starts }) => starts.length)

/**
 * The ends of a text's windows, each of at most `limit` tokens; the last one is the text's length. A text that fits is
 * one window. Encodes and forgets block by block.
 */
export const ends = <E, R>(
  text: string,
  limit: number,
  encode: Encode<E, R>,
): Effect.Effect<ReadonlyArray<number>, E, R> =>
  Effect.gen(function* () {
    const found: Array<number> = []
    let begin = 0
    while (begin < text.length || found.length === 0) {
      const { block, isRest, starts } = yield* readBlock(text, begin, limit, encode)
      if (isRest && starts.length <= limit) {
        found.push(text.length)
        break
      }
      // Cut as long as more than a window is left; what remains of this block is read again with the next one.
      let from = 0
      let token = 0
      while (starts.length - token > limit) {
        const full = outsidePair(block, starts[token + limit] ?? block.length)
        const to = Math.max(preferSpace(block, from, full), characterEnd(block, from))
        from = yield* fit(block, from, to, limit, encode)
        found.push(begin + from)
        while (token < starts.length && (starts[token] ?? 0) < from) token++
      }
      begin += from
    }
    return found
  })
