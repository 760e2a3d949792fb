/**
 * The embedder that runs real models: fastembed, in processes of its own, so that the event loop of whoever saves notes
 * stays free. Here the service's promises are kept: texts are handed out in bounded messages over all processes, what
 * comes back is checked before anybody sees it, and text that surely fits is not sent away to be measured.
 *
 * @example
 * import { FastEmbed, Shell } from "embedbox"
 *
 * export const MyShell = Shell.layerFrom({
 *   embedder: FastEmbed.layer({ model: "bge-small-en-v1.5", cacheDir: "/var/cache/embedbox" }),
 * })
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { EmbeddingError } from "../Domain/Errors.js"
import { type Passage, type Piece, wholePiece, wholeText } from "../Domain/Chunk.js"
import { bounded } from "../Domain/Runs.js"
import { Embedder } from "../Embedder.js"
import * as Messages from "./Messages.js"
import { type ModelName, models } from "./models.js"
import * as Pieces from "./Pieces.js"
import * as Processes from "./Processes.js"
import * as Protocol from "./Protocol.js"
import * as Vectors from "./Vectors.js"

/** What can be chosen. */
export interface Options extends Omit<Processes.Options, "entry"> {}

/** `[CLS]` and `[SEP]`. */
const specialTokens = 2

/** How much text one message may carry to be cut, in UTF-16 units, unless a single text has more. */
const splitLength = 1 << 18

/** The pieces that a child found; places that do not cover the text are not believed. */
const believed = (text: string, pieces: ReadonlyArray<Piece>) => {
  const rises = pieces.every(({ end, start }, at) => {
    const before = pieces[at - 1]
    return end >= start && (before === undefined ? start === 0 : start <= before.end && end > before.end)
  })
  return rises && pieces.at(-1)?.end === text.length
    ? Effect.succeed(pieces)
    : new EmbeddingError({ fault: "item", reason: "the text could not be cut into pieces" })
}

/** The embedder of an offered model over a pool that somebody else provides. */
export const layerProcesses = (name: ModelName): Layer.Layer<Embedder, never, Processes.Processes> =>
  Layer.effect(
    Embedder,
    Effect.map(Processes.Processes, (processes) => {
      const { dimensions, fingerprint, window } = models[name]
      const limit = window - specialTokens

      const embed = (texts: ReadonlyArray<string>) =>
        Effect.flatMap(processes.embed(texts), (block) => Vectors.unpack(block, texts.length, dimensions))

      /** Shares texts out in messages, and puts what is answered for each back in its place. */
      const shared = (
        texts: ReadonlyArray<string>,
        ask: (
          texts: ReadonlyArray<string>,
        ) => Effect.Effect<ReadonlyArray<Float32Array | undefined>, EmbeddingError>,
      ) => {
        const messages = Messages.share(
          texts.map(({ length }) => length),
          processes.size,
        )
        const found: Array<Float32Array | undefined> = texts.map(() => undefined)
        // No more messages in line than processes: a note of a megabyte must not keep small ones waiting behind it.
        return Effect.forEach(
          messages,
          (places) =>
            Effect.map(ask(places.map((at) => texts[at] ?? "")), (vectors) => {
              for (const [at, vector] of Arr.zip(places, vectors)) found[at] = vector
            }),
          { concurrency: processes.size, discard: true },
        ).pipe(Effect.as(found))
      }

      const generateEmbeddings = (texts: ReadonlyArray<string>) =>
        Effect.map(shared(texts, embed), (found) => found.filter(Predicate.isNotUndefined))

      const embedFitting = (texts: ReadonlyArray<string>) =>
        Effect.flatMap(processes.embedFitting(texts), ({ block, places }) =>
          Effect.map(Vectors.unpack(block, places.length, dimensions), (vectors) => {
            const found = new Map(Arr.zip(places, vectors))
            return texts.map((_, at) => found.get(at))
          }),
        )

      const embedWhole = (passages: ReadonlyArray<Passage>) => {
        const short = passages.filter((passage) => Pieces.isShort(passage, limit))
        return Effect.map(shared(short.map(wholeText), embedFitting), (vectors) => {
          const found = new Map(Arr.zip(short, vectors))
          return passages.map((passage) => found.get(passage))
        })
      }

      // A token takes at least one byte.
      const surelyFits = (text: string) => Buffer.byteLength(text) <= limit

      const split = (passages: ReadonlyArray<Passage>) =>
        Effect.gen(function* () {
          const found = passages.map((passage): ReadonlyArray<Piece> => [wholePiece(passage)])
          const long = passages.flatMap((passage, index) =>
            surelyFits(passage.title + passage.text) ? [] : [{ ...passage, index }],
          )
          yield* Effect.forEach(
            bounded(long, { most: Protocol.maxTexts, weight: splitLength }, ({ text }) => text.length),
            (group) =>
              Effect.gen(function* () {
                const pieces = yield* processes.split(group.map(({ text, title }) => ({ text, title })))
                for (const [place, { index, text }] of group.entries()) {
                  found[index] = yield* believed(text, pieces[place] ?? [])
                }
              }),
            { concurrency: processes.size, discard: true },
          )
          return found
        })

      return Embedder.of({
        fingerprint,
        dimensions,
        parallelism: processes.size,
        prepare: processes.prepare,
        generateEmbedding: Effect.fn("Embedder.generateEmbedding")(function* (text) {
          const [vector = new Float32Array()] = yield* embed([text])
          return vector
        }),
        generateEmbeddings: (texts) =>
          Effect.withSpan(generateEmbeddings(texts), "Embedder.generateEmbeddings", {
            attributes: { texts: texts.length },
          }),
        embedWhole: (passages) =>
          Effect.withSpan(embedWhole(passages), "Embedder.embedWhole", {
            attributes: { texts: passages.length },
          }),
        embedQuery: Effect.fn("Embedder.embedQuery")(function* (text) {
          const block = yield* processes.embedQuery(text)
          const [vector = new Float32Array()] = yield* Vectors.unpack(block, 1, dimensions)
          return vector
        }),
        split: (passages) =>
          Effect.withSpan(split(passages), "Embedder.split", { attributes: { texts: passages.length } }),
      })
    }),
  )

/**
 * The embedder of an offered model with a pool of its own. Building it costs nothing: the model's folder is made or
 * downloaded, and processes are forked, when the first text comes.
 */
export const layer = (options: Options): Layer.Layer<Embedder> =>
  Layer.provide(layerProcesses(options.model), Processes.layer(options))
