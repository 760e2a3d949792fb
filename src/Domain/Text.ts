/** Pure functions on the text of notes: what to call one, which words a question has, which part to show. */
import type { Entity } from "./Entity.js"

/** A closing run of `#` belongs to the mark only behind white space: the title of `# C#` is `C#`. */
const heading = /^[ \t]{0,3}#{1,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$/m

/** Where a title is looked for: a heading far down names a section, not the note. */
const headLength = 4096

/** `metadata.title`, else the first markdown heading, else the id. */
export const titleOf = (entity: Pick<Entity, "id" | "content" | "metadata">): string => {
  const given = entity.metadata["title"]
  if (typeof given === "string" && given.trim() !== "") return given.trim()
  const found = heading.exec(entity.content.slice(0, pairStart(entity.content, headLength)))?.[1]
  return found === undefined || found.trim() === "" ? entity.id : found.trim()
}

/** The words of a text: runs of letters, marks, digits and underscores, in lower case. */
export const wordsOf = (text: string): ReadonlyArray<string> =>
  text.toLowerCase().match(/[\p{L}\p{M}\p{N}_]+/gu) ?? []

/** Longest excerpt, in UTF-16 code units. */
export const excerptLength = 280

/** How far apart two looks at the text are when the best excerpt is sought. */
const stride = 80

/**
 * The stretch of `text` that has most of the wanted words, cut at white space, with line breaks folded. Rarer
 * words tell more, so each word counts once per stretch, weighted by its length.
 */
export const excerptOf = (text: string, wanted: ReadonlyArray<string>): string => {
  const folded = text.replace(/\s+/g, " ").trim()
  if (folded.length <= excerptLength) return folded
  const lower = folded.toLowerCase()
  const words = [...new Set(wanted)].filter((word) => word.length > 2)
  const scoreAt = (start: number) => {
    const part = lower.slice(start, start + excerptLength)
    return words.reduce((sum, word) => (part.includes(word) ? sum + word.length : sum), 0)
  }
  let [first, last, bestScore] = [0, 0, scoreAt(0)]
  for (let start = stride; start < folded.length - stride; start += stride) {
    const score = scoreAt(start)
    if (score > bestScore) [first, last, bestScore] = [start, start, score]
    else if (score === bestScore && bestScore > 0 && start === last + stride) last = start
  }
  // Of neighbours that are as good, the middle one: there the words have company on both sides.
  const best = first + Math.ceil((last - first) / stride / 2) * stride
  const from = best === 0 ? 0 : wordStart(folded, best)
  const until = from + excerptLength >= folded.length ? folded.length : wordEnd(folded, from + excerptLength)
  return `${from > 0 ? "… " : ""}${folded.slice(from, until)}${until < folded.length ? " …" : ""}`
}

const wordStart = (text: string, at: number): number => {
  const space = text.indexOf(" ", at - 1)
  return space < 0 || space - at > stride ? pairStart(text, at) : space + 1
}

const wordEnd = (text: string, at: number): number => {
  const space = text.lastIndexOf(" ", at)
  return at - space > stride ? pairStart(text, at) : space
}

/** The place itself, or the one before it where it lies between the halves of a surrogate pair. */
const pairStart = (text: string, at: number): number =>
  (text.codePointAt(at - 1) ?? 0) > 0xffff ? at - 1 : at
