/**
 * An embedder over a host's own functions, which return promises. The host brings a name, a length and a way from texts to
 * vectors; what else an embedder owes (cutting by the model's window, the direction in the middle of a long question's
 * parts, unit length) is made here, as it is for servers. Whoever throws may say whose fault it is. When nothing is
 * said it is the provider's: a text that waits is a smaller harm than a text that pays for an outage.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { EmbeddingError, Fault } from "../Domain/Errors.js"
import { fromVectorSpace } from "../Domain/Fingerprint.js"
import { Embedder } from "../Embedder.js"
import { encode } from "./Estimate.js"
import { chunker } from "./models.js"
import * as Pieces from "./Pieces.js"
import { mean, normalise } from "./Vectors.js"
import * as Windows from "./Windows.js"

/** What a function of the host's is told besides its texts. */
export interface EmbeddingCall {
  /** Aborted when nobody waits for the answer any more: at a deadline, at a shutdown, by the caller. */
  readonly signal: AbortSignal
}

/**
 * A host's own embedder. Its functions reject with any error; one with a `fault` ("item", "provider" or "host") says who
 * pays, and one with `retryAfterMs` when to ask again.
 */
export interface EmbeddingService {
  /** Names the vectors together with `dimensions`: another name whenever the same text would get another vector. */
  readonly model: string
  /** Length of every vector. */
  readonly dimensions: number
  /** Tokens of text that the model takes, by an estimate of 3 bytes a token; longer text is cut. Default 512. */
  readonly window?: number | undefined
  /** How many calls it works on at the same time. Default 1. */
  readonly parallelism?: number | undefined
  /** One vector for each text, in order. They are brought to unit length. */
  readonly generateEmbeddings: (
    texts: ReadonlyArray<string>,
    call: EmbeddingCall,
  ) => Promise<ReadonlyArray<ArrayLike<number>>>
  /** The same for one; made of `generateEmbeddings` when absent. */
  readonly generateEmbedding?: ((text: string, call: EmbeddingCall) => Promise<ArrayLike<number>>) | undefined
  /** The vector of a question, for models that treat questions otherwise; made of `generateEmbedding` when absent. */
  readonly embedQuery?: ((text: string, call: EmbeddingCall) => Promise<ArrayLike<number>>) | undefined
}

const defaultWindow = 512

const faultOf = Schema.decodeUnknownOption(Schema.Struct({ fault: Fault }))
const retryAfterOf = Schema.decodeUnknownOption(Schema.Struct({ retryAfterMs: Schema.NonNegative }))

/** What the host's error says of itself. */
const failureOf = (model: string, cause: unknown): EmbeddingError =>
  new EmbeddingError({
    fault: Option.match(faultOf(cause), { onNone: () => "provider", onSome: ({ fault }) => fault }),
    reason: `${model}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
    ...Option.match(retryAfterOf(cause), {
      onNone: () => ({}),
      onSome: ({ retryAfterMs }) => ({ retryAfterMillis: retryAfterMs }),
    }),
  })

/** A host in JavaScript may give anything. Whether the numbers are numbers is looked at with those of every embedder. */
const isNumbers = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

const isWhole = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 1

/** Why it cannot work, whatever it is asked: a line for each reason. Its jobs would wait for ever, and nobody would know. */
export const flawsOf = (service: unknown): ReadonlyArray<string> => {
  if (!Predicate.isRecord(service))
    return ["embedder must be an object with model, dimensions and generateEmbeddings"]
  const { dimensions, model, parallelism, window } = service
  const functions = ["generateEmbeddings", "generateEmbedding", "embedQuery"] as const
  // Other things of the host's may be in it; only what differs from a function's name in its capitals is a slip.
  const slips = Object.keys(service).flatMap((name) => {
    const meant = functions.find((one) => one !== name && one.toLowerCase() === name.toLowerCase())
    return meant === undefined ? [] : [`embedder.${name} is not known: did you mean ${meant}?`]
  })
  const functionFlaws = functions.flatMap((name) =>
    typeof service[name] === "function" || (name !== "generateEmbeddings" && service[name] === undefined)
      ? []
      : [`embedder.${name} must be a function`],
  )
  return [
    ...(typeof model === "string" && model.trim() !== "" ? [] : ["embedder.model must be a name"]),
    ...(isWhole(dimensions) ? [] : ["embedder.dimensions must be a whole number, 1 or more"]),
    ...(window === undefined || isWhole(window) ? [] : ["embedder.window must be a whole number, 1 or more"]),
    ...(parallelism === undefined || isWhole(parallelism)
      ? []
      : ["embedder.parallelism must be a whole number, 1 or more"]),
    ...functionFlaws,
    ...slips,
  ]
}

/** The embedder of these functions. */
export const make = (service: EmbeddingService): typeof Embedder.Service => {
  const { dimensions, model, window = defaultWindow } = service

  /** Other shapes than were promised are the model's doing, not a text's. */
  const checked = (vectors: unknown, count: number) =>
    Effect.suspend(() => {
      if (!Array.isArray(vectors) || !vectors.every(isNumbers)) {
        return Effect.fail(
          new EmbeddingError({ fault: "provider", reason: `${model} gives something else than vectors` }),
        )
      }
      const unit = Array.from(vectors, (vector) => normalise(Float32Array.from(vector)))
      const odd = unit.find((vector) => vector.length !== dimensions)
      const reason =
        unit.length !== count
          ? `${model} gave ${unit.length} vectors for ${count} texts`
          : odd === undefined
            ? undefined
            : `${model} gives vectors of ${odd.length} dimensions, and ${dimensions} are expected`
      return reason === undefined
        ? Effect.succeed(unit)
        : Effect.fail(new EmbeddingError({ fault: "provider", reason }))
    })

  const asked = <A>(ask: (call: EmbeddingCall) => Promise<A>) =>
    Effect.tryPromise({
      try: (signal) => ask({ signal }),
      catch: (cause) => failureOf(model, cause),
    })

  const generateEmbeddings = (texts: ReadonlyArray<string>) =>
    texts.length === 0
      ? Effect.succeed([])
      : Effect.flatMap(
          asked((call) => service.generateEmbeddings(texts, call)),
          (vectors) => checked(vectors, texts.length),
        )

  const alone = (ask: (call: EmbeddingCall) => Promise<ArrayLike<number>>) =>
    Effect.map(
      Effect.flatMap(asked(ask), (vector) => checked([vector], 1)),
      mean,
    )

  const generateEmbedding = (text: string) => {
    const { generateEmbedding: ask } = service
    return ask === undefined
      ? Effect.map(generateEmbeddings([text]), mean)
      : alone((call) => ask.call(service, text, call))
  }

  const embedWindow = (text: string) => {
    const { embedQuery: ask } = service
    return ask === undefined ? generateEmbedding(text) : alone((call) => ask.call(service, text, call))
  }

  return Embedder.of({
    fingerprint: fromVectorSpace({
      provider: "host",
      model,
      revision: "plain",
      dimensions,
      pooling: "none",
      normalised: true,
      chunker: `${chunker}-bytes-${window}`,
    }),
    dimensions,
    parallelism: service.parallelism ?? 1,
    generateEmbedding,
    generateEmbeddings,
    embedQuery: (text) =>
      Effect.gen(function* () {
        const ends = yield* Windows.ends(text, window, encode)
        const windows = ends.map((end, at) => text.slice(ends[at - 1] ?? 0, end))
        return mean(yield* Effect.forEach(windows, embedWindow))
      }),
    split: (passages) => Effect.forEach(passages, (passage) => Pieces.pieces(passage, window, encode)),
  })
}

/**
 * The same as a Layer.
 *
 * @example
 * import { PromiseEmbedder, Shell } from "embedbox"
 *
 * const embedder = PromiseEmbedder.layer({
 *   model: "letters-1",
 *   dimensions: 2,
 *   generateEmbeddings: async (texts) => texts.map((text) => [text.length, 1]),
 * })
 *
 * export const MyShell = Shell.layerFrom({ embedder })
 */
export const layer = (service: EmbeddingService): Layer.Layer<Embedder> =>
  Layer.sync(Embedder, () => make(service))
