/**
 * What counts as a word in full-text, on both sides: in what is indexed and in what is asked. SQLite's tokenizer takes a
 * run of letters as one word, which is right for most writing and wrong for Chinese, Japanese, Korean and Thai, where a
 * sentence is such a run: those go in as overlapping pairs of characters. Names in code go in whole and in parts. Accents
 * and endings are left to SQLite. Words that only hold an English question together are not looked for: every note has
 * them.
 */
import { stemmer } from "stemmer"

/** Scripts that put no space between words, or hang endings on them that pairs do better at. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]+/gu

/** Whether there may be something of the kind: most text has nothing above Latin, and need not be looked at twice. */
const beyondLatin = /[\u0e00-\uffff]/

/** Where a word begins within a name such as `getEntity` or `HTTPServer`. */
const hump = /\p{Ll}\p{Lu}|\p{Lu}\p{Lu}\p{Ll}/u

/** What is longer is no name, but somebody's data. */
const longestName = 80

/** The words that a name is made of; none where it is a word itself. */
const partsOf = (name: string): ReadonlyArray<string> =>
  name.length > longestName || !hump.test(name)
    ? []
    : (name.match(/\p{Lu}+(?=\p{Lu}\p{Ll})|\p{Lu}?[^\p{Lu}\p{N}]+|\p{Lu}+|\p{N}+/gu) ?? [])

/** Overlapping pairs; a character alone stands for itself. */
const pairs = (run: string): ReadonlyArray<string> => {
  const characters = Array.from(run)
  return characters.length < 2
    ? characters
    : characters.slice(1).map((character, at) => `${characters[at] ?? ""}${character}`)
}

/**
 * Where there may be capital and small letters beyond ASCII. Dashes, quotation marks, arrows, emoji and scripts without
 * capitals are left out: where nothing else is beyond ASCII, the search for humps takes a fiftieth of the time.
 */
const casedBeyondAscii =
  /[\u00aa-\u1fff\u2071-\u218f\u2c00-\u2dff\ua640-\uabff\ufb00-\ufb17\uff21-\uff5a\ud801-\ud83a]/
const asciiHumps = /[a-z][A-Z]|[A-Z]{2}[a-z]/g
const humps = new RegExp(hump, "gu")

const nameFromHere = /[\p{L}\p{M}\p{N}]*/uy
const endsName = /[\p{L}\p{M}\p{N}]$/u

const isAsciiNamed = (code: number) =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39)

/** Whether a name goes on over the character before `at`, and how many units that has. */
const nameBefore = (text: string, from: number, at: number): number => {
  const code = text.charCodeAt(at - 1)
  if (code < 0x80) return isAsciiNamed(code) ? 1 : 0
  const units = at - from > 1 && (text.codePointAt(at - 2) ?? 0) > 0xffff ? 2 : 1
  return endsName.test(text.slice(at - units, at)) ? units : 0
}

/** Where the name around a place begins, looked for back to `from`, and no further than a name may be long. */
const beginOfName = (text: string, from: number, at: number) => {
  let begin = at
  while (begin > from && at - begin <= longestName) {
    const units = nameBefore(text, from, begin)
    if (units === 0) break
    begin -= units
  }
  return begin
}

/** The text with the parts of each name behind it. */
const withParts = (text: string): string => {
  const next = casedBeyondAscii.test(text) ? humps : asciiHumps
  let written = ""
  let from = 0
  next.lastIndex = 0
  for (let found = next.exec(text); found !== null; found = next.exec(text)) {
    const begin = beginOfName(text, from, found.index)
    nameFromHere.lastIndex = found.index
    nameFromHere.test(text)
    const end = nameFromHere.lastIndex
    const parts = partsOf(text.slice(begin, end))
    if (parts.length > 0) {
      written += `${text.slice(from, end)} ${parts.join(" ")}`
      from = end
    }
    next.lastIndex = end
  }
  return written + text.slice(from)
}

/** A text as it goes into full-text. */
export const searchable = (text: string): string => {
  const named = withParts(text)
  if (!beyondLatin.test(named)) return named
  // The last character stands once more by itself, so that each begins a word.
  return named
    .normalize("NFKC")
    .replace(unspaced, (run) => ` ${pairs(run).join(" ")} ${Array.from(run).at(-1) ?? ""} `)
}

/** What an English question is held together by. Contractions count by their halves ("don't" is "don" and "t"). */
const functionWords: ReadonlySet<string> = new Set(
  `i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
  herself it its itself they them their theirs themselves this that these those who whom whose which what when where
  why how a an the and or nor but if then else because as until while of at by for with about into through to from in
  on off out over under up down than so too very not no am is are was were be been being have has had having do does
  did doing done can could will would shall should may might must s t d ll m re ve don doesn didn isn aren wasn weren
  won wouldn couldn shouldn haven hasn hadn`.split(/\s+/),
)

/** A word that is looked for. */
export interface Term {
  readonly word: string
  /** Words that begin so are meant as well: a single character of a script without spaces. */
  readonly begins: boolean
}

/** More different words than that make no better question, only a slower one. */
const maxTerms = 64

const plain = (word: string): Term => ({ word, begins: false })

/** The words to look for, each once. Words that hold a question together are left out where there are others. */
export const termsOf = (question: string): ReadonlyArray<Term> => {
  const found = new Map<string, Term>()
  for (const [word] of question.normalize("NFKC").matchAll(/[\p{L}\p{M}\p{N}_]+/gu)) {
    const runs = word.match(unspaced) ?? []
    for (const run of runs) {
      for (const pair of pairs(run)) found.set(pair, { word: pair, begins: Array.from(pair).length === 1 })
    }
    for (const rest of word.split(unspaced)) {
      if (rest === "") continue
      for (const part of [rest, ...partsOf(rest)]) found.set(part.toLowerCase(), plain(part.toLowerCase()))
    }
  }
  const all = [...found.values()]
  const telling = all.filter(({ word }) => !functionWords.has(word))
  return (telling.length === 0 ? all : telling).slice(0, maxTerms)
}

/**
 * An FTS5 expression for a word. It is quoted, and so never syntax; a NUL would end the expression within its quotes,
 * and is no part of a word.
 */
export const matchOf = ({ begins, word }: Term): string =>
  `"${word.replaceAll('"', '""').replaceAll("\u0000", " ")}"${begins ? " *" : ""}`

/** An FTS5 expression that finds any of these words, nothing where there are none. */
export const matchAny = (terms: ReadonlyArray<Term>): string =>
  terms.length === 0 ? '""' : terms.map(matchOf).join(" OR ")

/** A word without accents and ending, as full-text compares it. */
const stemOf = (word: string): string =>
  stemmer(
    word
      .normalize("NFD")
      .replace(/\p{M}+/gu, "")
      .toLowerCase(),
  )

/** Where a text has the words, in UTF-16 units, in rising order; stretches that touch are one. */
export const marksIn = (
  text: string,
  terms: ReadonlyArray<Term>,
): ReadonlyArray<readonly [from: number, to: number]> => {
  const stems = new Set(terms.map(({ word }) => stemOf(word)))
  const dense = terms.map(({ word }) => word).filter((word) => word.search(unspaced) === 0)
  const marks: Array<readonly [number, number]> = []
  for (const { 0: word, index } of text.matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
    if (stems.has(stemOf(word)) || partsOf(word).some((part) => stems.has(stemOf(part)))) {
      marks.push([index, index + word.length])
      continue
    }
    for (const one of dense) {
      for (let at = word.indexOf(one); at >= 0; at = word.indexOf(one, at + 1)) {
        marks.push([index + at, index + at + one.length])
      }
    }
  }
  const merged: Array<[number, number]> = []
  for (const [from, to] of marks.toSorted(([a], [b]) => a - b)) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}
