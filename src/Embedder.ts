/**
 * Makes vectors from text. The service knows nothing of entities or queues: it takes texts that fit the model's
 * window and gives back unit vectors, and it says how to cut what does not fit. That cutting lives here, and not
 * with the callers, because only the model's own tokenizer knows where the window ends, and the tokenizer lives
 * where the model lives (in a child process). A text that is too long is refused, never cut off silently.
 *
 * @example
 * import { Embedder } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const similarity = (one: string, other: string) =>
 *   Effect.gen(function* () {
 *     const embedder = yield* Embedder.Embedder
 *     const [a = new Float32Array(), b = a] = yield* embedder.generateEmbeddings([one, other])
 *     return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0) // the cosine: both have length 1
 *   })
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Passage, Piece } from "./Domain/Chunk.js"
import type { EmbeddingError } from "./Domain/Errors.js"
import type { Fingerprint } from "./Domain/Fingerprint.js"

/** Whatever makes vectors from text. */
export class Embedder extends Context.Tag("embedbox/Embedder")<
  Embedder,
  {
    /** The identity of the vector space. Known before any model is loaded. */
    readonly fingerprint: Fingerprint

    /** Length of every vector. */
    readonly dimensions: number

    /** How many requests it works on at the same time; 1 when absent. A worker has one more in hand, to keep it full. */
    readonly parallelism?: number

    /**
     * Makes ready what the first text would have to wait for: a model that is still to be downloaded or loaded. Costs
     * nothing once that is done. A worker waits for it before the time of an attempt begins, since no text is to blame
     * for a slow start; an embedder without it has none.
     */
    readonly prepare?: Effect.Effect<void, EmbeddingError>

    /** One unit vector for one text within the window. Longer texts are an `item` fault. */
    readonly generateEmbedding: (text: string) => Effect.Effect<Float32Array, EmbeddingError>

    /** One unit vector per text, in order. Fails whole; an `item` fault does not say which text. */
    readonly generateEmbeddings: (
      texts: ReadonlyArray<string>,
    ) => Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingError>

    /**
     * The unit vectors of those passages that fit the window whole, in order; nothing for one that does not, or that is
     * better measured first: `split` tells where to cut it. One request in the place of two, for an embedder that lives
     * in another process; one that has nothing to gain has none.
     */
    readonly embedWhole?: (
      passages: ReadonlyArray<Passage>,
    ) => Effect.Effect<ReadonlyArray<Float32Array | undefined>, EmbeddingError>

    /**
     * The unit vector of a question, with the model's query prefix where it has one, ahead of bulk work.
     * A question longer than the window is cut into windows whose vectors are averaged.
     */
    readonly embedQuery: (text: string) => Effect.Effect<Float32Array, EmbeddingError>

    /**
     * Cuts each text along its structure into pieces that fit the model, each together with the heading that is put in
     * front of it when it is embedded. In order, and nothing is lost: the pieces cover the text, and may overlap a
     * little. A text that fits is its own only piece.
     */
    readonly split: (
      passages: ReadonlyArray<Passage>,
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Piece>>, EmbeddingError>
  }
>() {}
