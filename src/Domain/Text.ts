/** Pure functions on the text of notes: what to call one, which part to show. */
import type { Entity } from "./Entity.js"

/** A closing run of `#` belongs to the mark only behind white space: the title of `# C#` is `C#`. */
const heading = /^[ \t]{0,3}#{1,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$/m

/** Where a title is looked for: a heading far down names a section, not the note. */
const headLength = 4096

/** The first markdown heading near the top of a text. */
export const headingOf = (content: string): string | undefined => {
  const found = heading.exec(content.slice(0, pairStart(content, headLength)))?.[1]?.trim()
  return found === "" ? undefined : found
}

/** `metadata.title`, else the first markdown heading, else the id. */
export const titleOf = (entity: Pick<Entity, "content" | "metadata"> & { readonly id: string }): string => {
  const given = entity.metadata["title"]
  if (typeof given === "string" && given.trim() !== "") return given.trim()
  return headingOf(entity.content) ?? entity.id
}

/** The same, with the first line of the text where it would be the id, which may say nothing to anybody. */
export const labelOf = (entity: Pick<Entity, "content" | "metadata"> & { readonly id: string }): string => {
  const title = titleOf(entity)
  return title === entity.id ? (firstLineOf(entity.content) ?? title) : title
}

/** Fields at the head of a text, between two lines of `---`: what stands there is data, not what somebody reads. */
const frontMatter = /(?<![^])\uFEFF?---[ \t]*\r?\n(?=[\w"'-]+[ \t]*:)[^]*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/mu

/** The text below its front matter; the whole where there is nothing below. */
const bodyOf = (text: string): string => {
  const body = text.replace(frontMatter, "")
  return body.trim() === "" ? text : body
}

/** The first line that has something in it. */
const firstLineOf = (content: string): string | undefined =>
  bodyOf(content)
    .slice(0, headLength)
    .split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "")

/** The text, well-formed and at most `most` UTF-16 code units long; what was cut ends in "…". */
export const clipped = (text: string, most: number): string => {
  const head = text.slice(0, most + 1).toWellFormed()
  return head.length <= most ? head : `${head.slice(0, pairStart(head, most - 1))}…`
}

/** Longest excerpt, in UTF-16 code units. */
export const excerptLength = 280

/** How far apart two looks at the text are when the best excerpt is sought. */
const stride = 80

/**
 * The stretch of `text` that has most of the wanted words, cut at white space, with line breaks folded. Rarer
 * words tell more, so each word counts once per stretch, weighted by its length. Front matter is left out.
 */
export const excerptOf = (text: string, wanted: ReadonlyArray<string>): string => {
  const folded = bodyOf(text)
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
  if (folded.length <= excerptLength) return folded
  // Two letters say little, two characters of Chinese a lot.
  const words = [...new Set(wanted)].filter((word) => word.length > 2 || /[\u0e00-\uffff]/.test(word))
  const cut = (start: number): readonly [from: number, until: number] => {
    const from = start === 0 ? 0 : wordStart(folded, start)
    const end = from + excerptLength
    return [from, end >= folded.length ? folded.length : wordEnd(folded, end)]
  }
  // What counts is what would be shown: a word at the edge may be cut away.
  const scoreAt = (start: number) => {
    const part = folded.slice(...cut(start)).toLowerCase()
    return words.reduce((sum, word) => (part.includes(word) ? sum + word.length : sum), 0)
  }
  let [first, last, bestScore] = [0, 0, scoreAt(0)]
  for (let start = stride; start < folded.length - stride; start += stride) {
    const score = scoreAt(start)
    if (score > bestScore) [first, last, bestScore] = [start, start, score]
    else if (score === bestScore && bestScore > 0 && start === last + stride) last = start
  }
  // Of neighbours that are as good, the middle one: there the words have company on both sides.
  const [from, until] = cut(first + Math.ceil((last - first) / stride / 2) * stride)
  return `${from > 0 ? "… " : ""}${folded.slice(from, until)}${until < folded.length ? " …" : ""}`
}

// Both look no farther than they may go: a text of megabytes may have no white space at all.
const wordStart = (text: string, at: number): number => {
  const space = text.slice(at - 1, at + stride).indexOf(" ")
  return space < 0 ? pairStart(text, at) : at + space
}

const wordEnd = (text: string, at: number): number => {
  const space = text.slice(at - stride, at + 1).lastIndexOf(" ")
  return space < 0 ? pairStart(text, at) : at - stride + space
}

/** The place itself, or the one before it where it lies between the halves of a surrogate pair. */
const pairStart = (text: string, at: number): number =>
  (text.codePointAt(at - 1) ?? 0) > 0xffff ? at - 1 : at
