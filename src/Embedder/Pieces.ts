/**
 * Cuts a text into the pieces that are embedded, along its structure: a section is a piece where it fits the window, so
 * that an edit changes the pieces of its own section and no others; very small ones go along with the next. A section
 * that is too long falls into pieces of about the same length, between blocks where that is possible, else between
 * items, lines and sentences, else where a window is full; a piece from the middle of one repeats the sentence before
 * it. How long a piece really is, only the model's own tokenizer can tell: each is encoded once more by itself.
 */
import * as Effect from "effect/Effect"
import { embeddedText, headingText, type Passage, type Piece, wholePiece } from "../Domain/Chunk.js"
import * as Markdown from "./Markdown.js"
import * as Windows from "./Windows.js"

/** Sections of at most this share of a window go along with the next one, and so many of them make a piece. */
const small = { alone: 1 / 8, together: 1 / 4 }

/** A repeated sentence takes at most this share of a window. */
const overlap = 1 / 8

/** Where headings take more tokens than these of a window, outer ones are left out. */
const headingRoom = (limit: number) => limit / 4

/** A text of so many UTF-16 units for each token of a window mostly fits. */
const usualUnits = 5

/** A stretch of text that is not cut, unless a window is too small for it. */
interface Unit {
  readonly from: number
  readonly to: number
  readonly prose: boolean
}

/** Blocks that make one piece, if they fit. */
interface Group {
  /** What stands above it and is not in it. */
  readonly above: ReadonlyArray<string>
  readonly path: ReadonlyArray<string>
  readonly blocks: ReadonlyArray<Markdown.Block>
}

// Built once: it loads the rules of the language.
const sentences = new Intl.Segmenter("en", { granularity: "sentence" })

/** Where the sentences of a stretch begin. */
const sentenceStarts = (text: string, from: number, to: number): ReadonlyArray<number> =>
  Array.from(sentences.segment(text.slice(from, to)), ({ index }) => from + index)

const lineStarts = (text: string, from: number, to: number): ReadonlyArray<number> => {
  const starts = [from]
  for (let at = text.indexOf("\n", from); at >= 0 && at + 1 < to; at = text.indexOf("\n", at + 1)) {
    starts.push(at + 1)
  }
  return starts
}

const between = (starts: ReadonlyArray<number>, to: number, prose: boolean): ReadonlyArray<Unit> =>
  starts.map((from, at) => ({ from, to: starts[at + 1] ?? to, prose }))

/** The first place in a rising list that is not below `value`. */
const lowerBound = (list: ReadonlyArray<number>, value: number): number => {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list[middle] ?? 0) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Where all tokens of a stretch begin; encoded in blocks that end behind white space. */
const tokenStarts = <E, R>(text: string, from: number, to: number, encode: Windows.Encode<E, R>) =>
  Effect.gen(function* () {
    const starts: Array<number> = []
    let begin = from
    while (begin < to) {
      const end = Windows.blockEnd(text, begin, to)
      for (const start of yield* encode(text.slice(begin, end))) starts.push(begin + start)
      begin = end
    }
    return starts
  })

/** Sections as pieces would have them: small ones are put to the one that follows. */
const groupsOf = (
  sections: ReadonlyArray<Markdown.Section>,
  tokens: (from: number, to: number) => number,
  limit: number,
): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  let waiting: Group | undefined
  let size = 0
  for (const { blocks, path } of sections) {
    const own = tokens(blocks[0]?.from ?? 0, blocks.at(-1)?.to ?? 0)
    const above = waiting?.above ?? (blocks[0]?.isHeading === true ? path.slice(0, -1) : path)
    const group: Group = { above, path, blocks: [...(waiting?.blocks ?? []), ...blocks] }
    size = waiting === undefined ? own : size + own
    waiting = own <= limit * small.alone && size <= limit * small.together ? group : undefined
    if (waiting === undefined) groups.push(group)
  }
  return waiting === undefined ? groups : [...groups, waiting]
}

/** The heading that goes in front, and how many tokens it takes. */
const heading = <E, R>(path: ReadonlyArray<string>, limit: number, encode: Windows.Encode<E, R>) =>
  Effect.gen(function* () {
    for (let outer = 0; outer < path.length; outer++) {
      const text = headingText(path.slice(outer))
      const { length } = yield* encode(text)
      if (length <= headingRoom(limit)) return { text, length }
    }
    return { text: "", length: 0 }
  })

const isAt = (list: ReadonlyArray<string>, title: string) =>
  list.some((one) => one.toLowerCase() === title.toLowerCase())

/** The path below the title; a first heading that says the title again is said once. */
const below = (title: string, path: ReadonlyArray<string>) =>
  title === "" || isAt(path.slice(0, 1), title) ? path : [title, ...path]

/**
 * Whether a passage of so little text is one piece if only its tokens fit, and mostly do. Its title stands in front of
 * it then, since a token takes at least one byte.
 */
export const isShort = ({ text, title }: Passage, limit: number): boolean =>
  text.length <= usualUnits * limit && Buffer.byteLength(title) <= headingRoom(limit)

/**
 * The pieces of a passage, in order, each of at most `limit` tokens together with its heading. They cover the text;
 * where two overlap, the later one repeats a sentence. At least one, however little text there is.
 */
export const pieces = <E, R>(
  { text, title }: Passage,
  limit: number,
  encode: Windows.Encode<E, R>,
): Effect.Effect<ReadonlyArray<Piece>, E, R> =>
  Effect.gen(function* () {
    const whole = yield* heading(title === "" ? [] : [title], limit, encode)
    const together = embeddedText({ heading: whole.text, text })
    if ((yield* Windows.count(together, limit, encode)) <= limit) {
      return [{ ...wholePiece({ text, title }), heading: whole.text }]
    }
    const found: Array<Piece> = []
    // Neighbours stand under the same headings.
    const measured = new Map<string, { readonly text: string; readonly length: number }>()
    const headingOf = (path: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const name = headingText(path)
        const known = measured.get(name) ?? (yield* heading(path, limit, encode))
        measured.set(name, known)
        return known
      })
    for (const stretch of Markdown.stretchesOf(text)) {
      const starts = yield* tokenStarts(text, stretch.from, stretch.to, encode)
      const tokens = (from: number, to: number) => lowerBound(starts, to) - lowerBound(starts, from)
      for (const group of groupsOf(stretch.sections, tokens, limit)) {
        const first = yield* headingOf(below(title, group.above))
        const later = yield* headingOf(below(title, group.path))
        const room = limit - Math.max(first.length, later.length)
        for (const [at, { from, to }] of packed(text, group.blocks, room, tokens).entries()) {
          const its = at === 0 ? first : later
          let start = from
          // What was counted as part of a whole may be more by itself.
          for (const end of yield* Windows.ends(text.slice(from, to), limit - its.length, encode)) {
            found.push({ heading: its.text, path: below(title, group.path), start, end: from + end })
            start = from + end
          }
        }
      }
    }
    return found
  })

/** Cuts blocks that do not fit into units that do, as far as there is something to cut at. */
const unitsOf = (
  text: string,
  blocks: ReadonlyArray<Markdown.Block>,
  room: number,
  tokens: (from: number, to: number) => number,
): ReadonlyArray<Unit> => {
  const fits = ({ from, to }: Unit) => tokens(from, to) <= room
  return blocks.flatMap(({ cuts, from, kind, to }) => {
    const prose = kind === "prose"
    const whole: Unit = { from, to, prose }
    if (fits(whole)) return [whole]
    return between([from, ...cuts], to, prose).flatMap((part) => {
      if (fits(part)) return [part]
      const starts = prose ? sentenceStarts(text, part.from, part.to) : lineStarts(text, part.from, part.to)
      return between(starts, part.to, prose)
    })
  })
}

/** Fills pieces with units: as few as there must be, and of about the same length. */
const packed = (
  text: string,
  blocks: ReadonlyArray<Markdown.Block>,
  room: number,
  tokens: (from: number, to: number) => number,
): ReadonlyArray<{ readonly from: number; readonly to: number }> => {
  const from = blocks[0]?.from ?? 0
  const to = blocks.at(-1)?.to ?? 0
  const total = tokens(from, to)
  if (total <= room) return [{ from, to }]
  const enough = Math.ceil(total / Math.ceil(total / room))
  const pieces: Array<{ from: number; to: number }> = []
  let before: Unit | undefined
  for (const unit of unitsOf(text, blocks, room, tokens)) {
    const piece = pieces.at(-1)
    const isFull =
      piece === undefined || tokens(piece.from, piece.to) >= enough || tokens(piece.from, unit.to) > room
    if (isFull) pieces.push({ from: repeated(text, before, unit, room, tokens), to: unit.to })
    else piece.to = unit.to
    before = unit
  }
  return pieces
}

/** Where a piece that begins with `unit` begins: with the last sentence before, where it is short and there is room. */
const repeated = (
  text: string,
  before: Unit | undefined,
  unit: Unit,
  room: number,
  tokens: (from: number, to: number) => number,
): number => {
  if (before === undefined || !before.prose || !unit.prose) return unit.from
  const last = sentenceStarts(text, before.from, before.to).at(-1) ?? unit.from
  return tokens(last, unit.from) <= room * overlap && tokens(last, unit.to) <= room ? last : unit.from
}
