/**
 * The pieces in which a text is embedded. Each knows what goes in front of it (title and headings), and a hash covers
 * both, so that it can always be told which text a vector is of.
 */
import type { Entity } from "./Entity.js"
import type { Fingerprint } from "./Fingerprint.js"
import { sha256 } from "./Hash.js"

/** A text to be cut, and what it is called ("" where only its own headings tell). */
export interface Passage {
  readonly title: string
  readonly text: string
}

/** A part of a passage's text, in UTF-16 units, that fits the model's window together with its heading. */
export interface Piece {
  /** What goes in front of it when it is embedded; "" for nothing. */
  readonly heading: string
  /** Title and headings under which it stands, outermost first. */
  readonly path: ReadonlyArray<string>
  readonly start: number
  readonly end: number
}

/** A piece of an entity's text, and its text. */
export interface Chunk {
  readonly heading: string
  readonly path: ReadonlyArray<string>
  /** Where its text begins in that of the entity, in UTF-16 units. */
  readonly start: number
  readonly text: string
  /** SHA-256 of exactly what is embedded. */
  readonly inputHash: string
}

/** A chunk and its vector, and in which space that is. */
export interface EmbeddedChunk extends Chunk {
  readonly fingerprint: Fingerprint
  readonly vector: Float32Array
}

/** What is embedded for a chunk. */
export const embeddedText = ({ heading, text }: Pick<Chunk, "heading" | "text">): string =>
  heading === "" ? text : `${heading}\n\n${text}`

/** Headings as one line of text. */
export const headingText = (path: ReadonlyArray<string>): string => path.join(" > ")

export const chunkOf = (chunk: Omit<Chunk, "inputHash">): Chunk => ({
  ...chunk,
  inputHash: sha256(embeddedText(chunk)),
})

/** A longer title is cut: it must leave the window to the text. In UTF-16 units. */
const maxTitle = 120

/** What of an entity is embedded: its text, and the title in its metadata. */
export const passageOf = ({ content, metadata }: Pick<Entity, "content" | "metadata">): Passage => {
  const given = metadata["title"]
  const title = typeof given === "string" ? given.replace(/\s+/g, " ").trim() : ""
  return { title: title.length <= maxTitle ? title : title.slice(0, maxTitle).toWellFormed(), text: content }
}

/** A passage that fits, as its only piece. */
export const wholePiece = ({ text, title }: Passage): Piece => ({
  heading: title,
  path: title === "" ? [] : [title],
  start: 0,
  end: text.length,
})

/** What is embedded for a passage that fits. */
export const wholeText = ({ text, title }: Passage): string => embeddedText({ heading: title, text })

/** Hash of the whole passage: the same hash, the same chunks. */
export const passageHash = (passage: Passage): string => sha256(wholeText(passage))

/** Stands in the place of that hash where nothing is to be embedded: such an entity is found by words only. */
export const notEmbedded = ""

/**
 * Whether these chunks, in their order, are the text: each is the part of it that begins where it says, and no part is
 * missing. What two share counts once.
 */
export const covers = (chunks: ReadonlyArray<Pick<Chunk, "start" | "text">>, content: string): boolean => {
  let end = 0
  for (const { start, text } of chunks) {
    if (start > end || !content.startsWith(text, start)) return false
    end = Math.max(end, start + text.length)
  }
  return chunks.length > 0 && end === content.length
}
