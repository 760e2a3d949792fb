/** Chunks as tests write them down. */
import { type Chunk, chunkOf, type Piece } from "../../src/Domain/Chunk.js"

/** A chunk without headings; at the start of its text if not told otherwise. */
export const plainChunk = (text: string, start = 0): Chunk => chunkOf({ heading: "", path: [], start, text })

/** Chunks that follow each other. */
export const inARow = (texts: ReadonlyArray<string>): ReadonlyArray<Chunk> =>
  texts.map((text, at) => plainChunk(text, texts.slice(0, at).join("").length))

/** The texts of pieces. */
export const textsOf = (text: string, pieces: ReadonlyArray<Piece>): ReadonlyArray<string> =>
  pieces.map(({ end, start }) => text.slice(start, end))

/** The chunks that pieces make. */
export const chunksOf = (text: string, pieces: ReadonlyArray<Piece>): ReadonlyArray<Chunk> =>
  pieces.map(({ end, heading, path, start }) =>
    chunkOf({ heading, path, start, text: text.slice(start, end) }),
  )
