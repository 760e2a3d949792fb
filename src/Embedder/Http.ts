/**
 * The embedder that asks a server of the OpenAI kind: OpenAI itself, Ollama, TEI, LM Studio, vLLM and their like. Texts
 * go in real batches, several in flight; a batch that is too large for the provider is halved; short waits that it asks
 * for are waited here, longer ones are told to the worker, who stops asking until then. The model's tokenizer is not at
 * hand, so text is cut by an estimate.
 *
 * @example
 * import { HttpEmbedder, Shell } from "embedbox"
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import * as Layer from "effect/Layer"
 *
 * const ollama = HttpEmbedder.layer({
 *   url: "http://localhost:11434/v1",
 *   model: "nomic-embed-text",
 *   dimensions: 768,
 *   window: 2048,
 *   batchSize: 32,
 *   concurrency: 4,
 * })
 *
 * export const MyShell = Shell.layerFrom({ embedder: Layer.provide(ollama, FetchHttpClient.layer) })
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { type Passage } from "../Domain/Chunk.js"
import { EmbeddingError } from "../Domain/Errors.js"
import { fromVectorSpace } from "../Domain/Fingerprint.js"
import { sha256 } from "../Domain/Hash.js"
import { bounded } from "../Domain/Runs.js"
import { Embedder } from "../Embedder.js"
import { encode } from "./Estimate.js"
import * as Answer from "./Http/Answer.js"
import { chunker } from "./models.js"
import * as Pieces from "./Pieces.js"
import { mean } from "./Vectors.js"
import * as Windows from "./Windows.js"

/** What a provider must be told, and what it is known for. */
export interface Options {
  /** As the provider's documents give it, for instance `http://localhost:11434/v1`; `/embeddings` is added. */
  readonly url: string
  readonly model: string
  /** Sent as a bearer token; none when absent. */
  readonly key?: Redacted.Redacted | undefined
  /** Length of the model's vectors. What comes is held against it. */
  readonly dimensions: number
  /** Asks for vectors of that length, where the model can give shorter ones. Not all providers know the wish. */
  readonly shorten?: boolean | undefined
  /** How many tokens of text the model takes. */
  readonly window: number
  /** What the model's authors put before a question, and before a text that is to be found. */
  readonly queryPrefix?: string | undefined
  readonly passagePrefix?: string | undefined
  /** Texts in a request, and requests in flight. */
  readonly batchSize: number
  readonly concurrency: number
  /** How long a request may take. A minute when absent. */
  readonly timeout?: Duration.DurationInput | undefined
}

/** As much text as a request may carry, in UTF-16 units: a single longer text goes alone. */
const batchLength = 100_000

/** A wait that is not worth telling the worker of. */
const shortWait = Duration.seconds(5)
/** How often it is tried again after one. */
const retries = 2
/** Where the provider names none; doubled each time. */
const firstWait = Duration.millis(500)

/** The address of the endpoint below a base, with or without a slash at its end. */
const endpointOf = (url: string): string => {
  const base = url.replace(/\/+$/, "")
  return base.endsWith("/embeddings") ? base : `${base}/embeddings`
}

/** Makes the embedder. */
export const make = (
  options: Options,
): Effect.Effect<typeof Embedder.Service, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const { batchSize, concurrency, dimensions, model, passagePrefix = "", queryPrefix = "" } = options
    const endpoint = endpointOf(options.url)
    const key = options.key === undefined ? "" : Redacted.value(options.key)
    const { host } = new URL(endpoint)
    const inFlight = yield* Effect.makeSemaphore(concurrency)

    const requestOf = (input: ReadonlyArray<string>) =>
      HttpClientRequest.post(endpoint).pipe(
        key === "" ? (request) => request : HttpClientRequest.bearerToken(key),
        HttpClientRequest.bodyUnsafeJson({
          model,
          input,
          encoding_format: "base64",
          ...(options.shorten === true ? { dimensions } : {}),
        }),
      )

    /** One line of what a provider says, without the key in case it is repeated there. */
    const excerpt = (text: string) => {
      const line = text.replaceAll(/\s+/g, " ").trim().slice(0, 300)
      return key === "" ? line : line.replaceAll(key, "<key>")
    }

    const read = (response: HttpClientResponse) =>
      Effect.gen(function* () {
        if (response.status === 200) return yield* response.json
        const said = yield* Effect.orElseSucceed(response.text, () => "")
        const now = yield* Clock.currentTimeMillis
        return yield* Effect.fail(
          Answer.refusalOf({
            status: response.status,
            said: excerpt(said),
            retryAfterMillis: Answer.retryAfterMillis(response.headers["retry-after"], now),
          }),
        )
      })

    const unreachable = (reason: string): Answer.Refusal => ({
      _tag: "Wait",
      error: Answer.provider(`${host} ${reason}`),
    })

    // The error itself is not passed on: it holds the request, and that the key.
    const fromClient = (error: HttpClientError): Answer.Refusal =>
      error._tag === "ResponseError"
        ? {
            _tag: "Final",
            error: Answer.provider(`${host} does not answer as a provider of embeddings does`),
          }
        : unreachable(`could not be reached (${excerpt(error.description ?? error.reason)})`)

    const attempt = (
      input: ReadonlyArray<string>,
    ): Effect.Effect<ReadonlyArray<Float32Array>, Answer.Refusal> =>
      Effect.gen(function* () {
        const json = yield* Effect.flatMap(client.execute(requestOf(input)), read).pipe(
          Effect.scoped,
          Effect.timeoutFail({
            duration: options.timeout ?? Duration.minutes(1),
            onTimeout: () => unreachable("did not answer in time"),
          }),
          Effect.catchTags({
            RequestError: (e) => Effect.fail(fromClient(e)),
            ResponseError: (e) => Effect.fail(fromClient(e)),
          }),
        )
        const answer = yield* Effect.mapError(
          Answer.decode(json),
          (): Answer.Refusal => ({
            _tag: "Final",
            error: Answer.provider(`${host} does not answer as a provider of embeddings does`),
          }),
        )
        const vectors = Answer.vectorsOf(answer, input.length, dimensions)
        if (vectors instanceof EmbeddingError) {
          return yield* Effect.fail<Answer.Refusal>({ _tag: "Final", error: vectors })
        }
        return vectors
      })

    const request = (
      input: ReadonlyArray<string>,
      tries = 0,
    ): Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingError> =>
      Effect.catchAll(
        attempt(input),
        (refusal): Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingError> => {
          const { _tag, error } = refusal
          if (_tag === "TooLarge" && input.length > 1) {
            const [first, second] = Arr.splitAt(input, Math.ceil(input.length / 2))
            return Effect.zipWith(request(first), request(second), (a, b) => [...a, ...b])
          }
          const wait = error.retryAfterMillis ?? Duration.toMillis(firstWait) * 2 ** tries
          return _tag === "Wait" && tries < retries && wait <= Duration.toMillis(shortWait)
            ? Effect.delay(request(input, tries + 1), wait)
            : Effect.fail(error)
        },
      )

    const generateEmbeddings = (texts: ReadonlyArray<string>) =>
      Effect.forEach(
        bounded(texts, { most: batchSize, weight: batchLength }, (text) => text.length),
        (batch) => inFlight.withPermits(1)(request(batch.map((text) => passagePrefix + text))),
        { concurrency },
      ).pipe(Effect.map((vectors) => vectors.flat()))

    const split = (passage: Passage) =>
      Effect.flatMap(encode(passagePrefix), ({ length }) =>
        Pieces.pieces(passage, Math.max(options.window - length, options.window / 2), encode),
      )

    return Embedder.of({
      fingerprint: fromVectorSpace({
        provider: "openai-compatible",
        model,
        revision: passagePrefix === "" ? "plain" : sha256(passagePrefix).slice(0, 12),
        dimensions,
        pooling: "none",
        normalised: true,
        chunker: `${chunker}-bytes-${options.window}`,
      }),
      dimensions,
      parallelism: concurrency,
      generateEmbedding: Effect.fn("Embedder.generateEmbedding")(function* (text) {
        const [vector = new Float32Array()] = yield* generateEmbeddings([text])
        return vector
      }),
      generateEmbeddings: (texts) =>
        Effect.withSpan(generateEmbeddings(texts), "Embedder.generateEmbeddings", {
          attributes: { texts: texts.length },
        }),
      // Beside whatever is in flight: somebody waits for it.
      embedQuery: Effect.fn("Embedder.embedQuery")(function* (text) {
        const question = queryPrefix + text
        if ((yield* Windows.count(question, options.window, encode)) <= options.window) {
          return mean(yield* request([question]))
        }
        const ends = yield* Windows.ends(text, options.window, encode)
        return mean(yield* generateEmbeddings(ends.map((end, at) => text.slice(ends[at - 1] ?? 0, end))))
      }),
      split: (passages) => Effect.forEach(passages, split),
    })
  })

/** The embedder over a client that somebody else provides. */
export const layer = (options: Options): Layer.Layer<Embedder, never, HttpClient.HttpClient> =>
  Layer.effect(Embedder, make(options))
