/**
 * Which text of an entity is embedded, in what pieces, and the whole way from there to checked vectors. It is a
 * service of its own because three parties must agree on it to the letter: the worker that embeds, the inline create
 * that does the same, and the write that decides by the hash of this text whether a new embedding is needed at all.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Chunk, chunkOf, type EmbeddedChunk, embeddedText } from "./Domain/Chunk.js"
import type { Entity } from "./Domain/Entity.js"
import { EmbeddingError } from "./Domain/Errors.js"
import { sha256 } from "./Domain/Hash.js"
import { headingOf } from "./Domain/Text.js"
import * as Vector from "./Domain/Vector.js"
import { Embedder } from "./Embedder.js"

export class Chunker extends Context.Tag("embedbox/Chunker")<
  Chunker,
  {
    /** Hash of the whole text to embed: the same hash, the same vectors. */
    readonly inputHash: (entity: Pick<Entity, "content">) => string
    /** The chunks of each entity, in order; at least one each. */
    readonly chunk: (
      entities: ReadonlyArray<Entity>,
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Chunk>>, EmbeddingError>
    /** The same with their vectors. A vector that is none is an `item` fault, never an answer. */
    readonly embed: (
      entities: ReadonlyArray<Entity>,
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<EmbeddedChunk>>, EmbeddingError>
  }
>() {}

/** A longer heading is cut: it must leave the window to the text. In UTF-16 units. */
const maxHeading = 120

/** The note's first heading, so that a piece from its middle is found as a part of it; "" where there is none. */
const headingFor = (entity: Pick<Entity, "content">): string => {
  const heading = headingOf(entity.content) ?? ""
  return heading.length <= maxHeading ? heading : heading.slice(0, maxHeading).toWellFormed()
}

export const make = Effect.gen(function* () {
  const embedder = yield* Embedder

  const chunk = (entities: ReadonlyArray<Entity>) =>
    Effect.gen(function* () {
      const headings = entities.map(headingFor)
      const windows = yield* embedder.split(
        entities.map(({ content }, at) => ({ heading: headings[at] ?? "", text: content })),
      )
      return windows.map((texts, at) => texts.map((text) => chunkOf({ heading: headings[at] ?? "", text })))
    })

  const embed = (entities: ReadonlyArray<Entity>) =>
    Effect.gen(function* () {
      const chunks = yield* chunk(entities)
      const all = chunks.flat()
      const vectors = yield* embedder.generateEmbeddings(all.map(embeddedText))
      const flaw = Vector.flawOf(vectors, all.length, embedder.dimensions)
      if (flaw !== undefined) return yield* new EmbeddingError({ fault: "item", reason: flaw })
      const inOrder = vectors.values()
      return chunks.map((list) =>
        list.flatMap((piece): ReadonlyArray<EmbeddedChunk> => {
          const next = inOrder.next()
          return next.done === true ? [] : [{ ...piece, vector: next.value }]
        }),
      )
    })

  return Chunker.of({
    // The heading is part of the content: the same content, the same chunks.
    inputHash: (entity) => sha256(entity.content),
    chunk,
    embed,
  })
})

export const layer: Layer.Layer<Chunker, never, Embedder> = Layer.effect(Chunker, make)
