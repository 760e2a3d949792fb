/**
 * Which text of an entity is embedded, in what pieces, and the whole way from there to checked vectors. It is a
 * service of its own because three parties must agree on it to the letter: the worker that embeds, the inline create
 * that does the same, and the write that decides by the hash of this text whether a new embedding is needed at all.
 * What is stored already is not computed again: of an entity whose text was changed in one place, only the chunks of
 * another hash are embedded.
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Chunk,
  chunkOf,
  type EmbeddedChunk,
  embeddedText,
  passageHash,
  passageOf,
  wholePiece,
} from "./Domain/Chunk.js"
import { type Entity, keyOf } from "./Domain/Entity.js"
import { EmbeddingError, type StorageError } from "./Domain/Errors.js"
import * as Vector from "./Domain/Vector.js"
import type { Embedder } from "./Embedder.js"
import { EntityRepository } from "./EntityRepository.js"
import { Models } from "./Models.js"

/** Cuts entities into chunks, and embeds those. */
export class Chunker extends Context.Tag("embedbox/Chunker")<
  Chunker,
  {
    /** Hash of the whole text to embed: the same hash, the same vectors. */
    readonly inputHash: (entity: Pick<Entity, "content" | "metadata">) => string
    /** The chunks of each entity, in order; at least one each. */
    readonly chunk: (
      entities: ReadonlyArray<Entity>,
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Chunk>>, EmbeddingError>
    /**
     * The same with their vectors, by the model whose vectors are searched if no other is named. A vector that is none is
     * an `item` fault, never an answer.
     */
    readonly embed: (
      entities: ReadonlyArray<Entity>,
      by?: typeof Embedder.Service,
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<EmbeddedChunk>>, EmbeddingError>
    /** Makes the model ready (see `Embedder.prepare`) by which `embed` would go, and answers it. */
    readonly prepare: Effect.Effect<typeof Embedder.Service, EmbeddingError>
  }
>() {}

/** Why stored vectors could not be looked up: nobody's fault but the host's, and tried again as such. */
const hostFault = ({ reason }: StorageError) => new EmbeddingError({ fault: "host", reason })

/** The service, made of what it needs. */
export const make = Effect.gen(function* () {
  const models = yield* Models
  const repository = yield* EntityRepository

  const active = Effect.catchTag(models.active, "StorageError", (error) => Effect.fail(hostFault(error)))

  const cut = (embedder: typeof Embedder.Service, entities: ReadonlyArray<Entity>) =>
    Effect.map(embedder.split(entities.map(passageOf)), (pieces) =>
      pieces.map((list, at) => {
        const content = entities[at]?.content ?? ""
        return list.map(({ end, heading, path, start }) =>
          chunkOf({ heading, path, start, text: content.slice(start, end) }),
        )
      }),
    )

  /** The vectors of these texts, each computed once. */
  const vectorsOf = Effect.fnUntraced(function* (
    embedder: typeof Embedder.Service,
    texts: ReadonlyArray<string>,
  ) {
    const vectors = yield* embedder.generateEmbeddings(texts)
    const flaw = Vector.flawOf(vectors, texts.length, embedder.dimensions)
    if (flaw !== undefined) return yield* new EmbeddingError({ fault: "item", reason: flaw })
    return vectors
  })

  /** The chunk and the vector of each entity that fits whole, where the embedder has one request for that. */
  const wholes = Effect.fnUntraced(function* (
    embedder: typeof Embedder.Service,
    entities: ReadonlyArray<Entity>,
  ) {
    const found = new Map<Entity, EmbeddedChunk>()
    const { embedWhole, fingerprint } = embedder
    if (embedWhole === undefined) return found
    const each = entities.map((entity) => {
      const passage = passageOf(entity)
      const { heading, path, start } = wholePiece(passage)
      return { entity, passage, chunk: chunkOf({ heading, path, start, text: passage.text }) }
    })
    const passages = new Map(each.map(({ chunk, passage }) => [chunk.inputHash, passage]))
    const answers = yield* embedWhole([...passages.values()])
    const flaw = Vector.flawOfSome(answers, passages.size, embedder.dimensions)
    if (flaw !== undefined) return yield* new EmbeddingError({ fault: "item", reason: flaw })
    const vectors = new Map(Arr.zip(passages.keys(), answers))
    for (const { chunk, entity } of each) {
      const vector = vectors.get(chunk.inputHash)
      if (vector !== undefined) found.set(entity, { ...chunk, fingerprint, vector })
    }
    return found
  })

  /** The chunks of entities that have several, and of all where the embedder must be told what to cut. */
  const cutAndEmbed = Effect.fnUntraced(function* (
    embedder: typeof Embedder.Service,
    entities: ReadonlyArray<Entity>,
  ) {
    const chunks = yield* cut(embedder, entities)
    // A single chunk that was stored before would not have come to be embedded again.
    const long = entities.filter((_, at) => (chunks[at]?.length ?? 0) > 1).map(keyOf)
    const vectors = new Map(
      long.length === 0
        ? []
        : yield* Effect.mapError(repository.knownVectors(long, embedder.fingerprint), hostFault),
    )
    const missing = new Map(
      chunks.flat().flatMap((one) => (vectors.has(one.inputHash) ? [] : [[one.inputHash, one] as const])),
    )
    const made = yield* vectorsOf(embedder, [...missing.values()].map(embeddedText))
    for (const [at, hash] of [...missing.keys()].entries()) {
      const vector = made[at]
      if (vector !== undefined) vectors.set(hash, vector)
    }
    return chunks.map((list) =>
      list.flatMap((piece): ReadonlyArray<EmbeddedChunk> => {
        const vector = vectors.get(piece.inputHash)
        return vector === undefined ? [] : [{ ...piece, fingerprint: embedder.fingerprint, vector }]
      }),
    )
  })

  const embed = Effect.fnUntraced(function* (entities: ReadonlyArray<Entity>, by?: typeof Embedder.Service) {
    const embedder = by ?? (yield* active)
    const whole = yield* wholes(embedder, entities)
    const others = entities.filter((entity) => !whole.has(entity))
    const chunks = new Map(others.length === 0 ? [] : Arr.zip(others, yield* cutAndEmbed(embedder, others)))
    return entities.map((entity) => {
      const chunk = whole.get(entity)
      return chunk === undefined ? (chunks.get(entity) ?? []) : [chunk]
    })
  })

  return Chunker.of({
    inputHash: (entity) => passageHash(passageOf(entity)),
    chunk: (entities) => Effect.flatMap(active, (embedder) => cut(embedder, entities)),
    embed,
    prepare: Effect.tap(active, (embedder) => embedder.prepare ?? Effect.void),
  })
})

/**
 * The service as a Layer.
 *
 * @example
 * import { Chunker } from "embedbox"
 * import { Effect } from "effect"
 *
 * // Whether a change of an entity would cost an inference.
 * export const isSameText = (before: { content: string }, after: { content: string }) =>
 *   Effect.map(
 *     Chunker.Chunker,
 *     ({ inputHash }) =>
 *       inputHash({ ...before, metadata: {} }) === inputHash({ ...after, metadata: {} }),
 *   )
 */
export const layer: Layer.Layer<Chunker, never, Models | EntityRepository> = Layer.effect(Chunker, make)
