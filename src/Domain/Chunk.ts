/** The pieces in which a text is embedded. Each knows the heading under which it was: a hash covers both. */
import { sha256 } from "./Hash.js"

/** A text to be cut, and what goes in front of each of its windows ("" for nothing). A line or so, not more. */
export interface Passage {
  readonly heading: string
  readonly text: string
}

/** A piece of an entity's text that fits the model's window together with its heading. */
export interface Chunk extends Passage {
  /** SHA-256 of exactly what is embedded. */
  readonly inputHash: string
}

/** A chunk and its vector. */
export interface EmbeddedChunk extends Chunk {
  readonly vector: Float32Array
}

/** What is embedded for a passage. */
export const embeddedText = ({ heading, text }: Passage): string =>
  heading === "" ? text : `${heading}\n\n${text}`

export const chunkOf = (passage: Passage): Chunk => ({ ...passage, inputHash: sha256(embeddedText(passage)) })
