/**
 * A loaded model inside its process: fastembed over onnxruntime, made to do what its public face does not. Padding is
 * turned off, for it is most of the work; truncation is turned off, for it loses text in silence, and every text is
 * counted first instead; threads are set while the session is created. The first two need a field of fastembed that is
 * private in TypeScript: should it be gone, the model still runs, padded, beside a tokenizer of our own. fastembed is
 * imported when the first model is loaded, so that hosts without it meet an error that names the mend.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { createRequire } from "node:module"
import { join } from "node:path"
import { EmbeddingError } from "../Domain/Errors.js"
import { RetrieveError } from "./Download.js"
import type { Passage, Piece } from "../Domain/Chunk.js"
import type { Lane } from "./Lanes.js"
import type { Model } from "./models.js"
import { mean } from "./Vectors.js"
import * as Pieces from "./Pieces.js"
import * as Windows from "./Windows.js"

/** A loaded model. Every call takes its turns in the lane it is given, one bounded piece of work at a time. */
export interface Session {
  /** The unit vector of a text within the window; a longer one is an `item` fault. */
  readonly embed: (text: string, lane: Lane) => Effect.Effect<Float32Array, EmbeddingError>
  /** The unit vector of a question, with the model's prefix. One that is too long is embedded window by window. */
  readonly embedQuery: (text: string, lane: Lane) => Effect.Effect<Float32Array, EmbeddingError>
  /** The places of the pieces of a passage, as `Pieces.pieces` gives them. */
  readonly split: (passage: Passage, lane: Lane) => Effect.Effect<ReadonlyArray<Piece>, EmbeddingError>
}

/** `[CLS]` before and `[SEP]` after every text. */
const specialTokens = 2

const fault = (fault: EmbeddingError["fault"], reason: string) => (cause: unknown) =>
  new EmbeddingError({
    fault,
    reason: `${reason}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  })

const importFastembed = Effect.tryPromise({
  try: () => import("fastembed"),
  catch: fault(
    "provider",
    'the package "fastembed" cannot be loaded; install it with "npm install fastembed@2.1.0"',
  ),
})

// ---- what is private or not ours in fastembed ---------------------------------------------------------------

interface Encoding {
  readonly getLength: () => number
  readonly getOffsets: () => ReadonlyArray<ReadonlyArray<number>>
}

interface Tokenizer {
  readonly disablePadding: () => void
  readonly disableTruncation: () => void
  readonly encode: (text: string) => Promise<Encoding>
}

const hasMethod = <Name extends string>(value: unknown, name: Name): value is Record<Name, Function> =>
  Predicate.hasProperty(value, name) && typeof value[name] === "function"

const isTokenizer = (value: unknown): value is Tokenizer =>
  hasMethod(value, "encode") && hasMethod(value, "disablePadding") && hasMethod(value, "disableTruncation")

/** Loads a package as fastembed itself would: with pnpm only fastembed can see its dependencies. */
const requireBeside = (name: string): unknown =>
  createRequire(createRequire(import.meta.url).resolve("fastembed"))(name)

/** The tokenizer of a model's folder, loaded beside fastembed's own. */
const loadTokenizer = (folder: string) =>
  Effect.try({
    try: (): unknown => {
      const tokenizers = requireBeside("@anush008/tokenizers")
      return Predicate.hasProperty(tokenizers, "Tokenizer") && hasMethod(tokenizers.Tokenizer, "fromFile")
        ? tokenizers.Tokenizer.fromFile(join(folder, "tokenizer.json"))
        : undefined
    },
    catch: fault("provider", "the tokenizer cannot be loaded"),
  }).pipe(
    Effect.filterOrFail(
      isTokenizer,
      () =>
        new EmbeddingError({
          fault: "provider",
          reason: "this version of @anush008/tokenizers is not known",
        }),
    ),
  )

/** fastembed's own tokenizer, or one beside it, without padding and truncation. */
const tokenizerOf = (embedding: object, folder: string) =>
  Effect.gen(function* () {
    const own: unknown = Reflect.get(embedding, "tokenizer")
    if (!isTokenizer(own)) {
      yield* Effect.logWarning(
        "fastembed has changed: its padding cannot be turned off, embedding will be slow",
      )
    }
    const tokenizer = isTokenizer(own) ? own : yield* loadTokenizer(folder)
    tokenizer.disablePadding()
    tokenizer.disableTruncation()
    return tokenizer
  })

/**
 * Runs an effect during which onnxruntime creates sessions with so many threads, which do not spin while they wait:
 * spinning takes the processor from the other children and from the host.
 */
export const withThreads =
  (threads: number): Lane =>
  (effect) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const ort = requireBeside("onnxruntime-node")
        if (!Predicate.hasProperty(ort, "InferenceSession")) return () => {}
        const session = ort.InferenceSession
        if (!hasMethod(session, "create")) return () => {}
        const create = session.create
        const settings = {
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
        }
        const wrapped = (graph: unknown, options: object): unknown =>
          Reflect.apply(create, session, [graph, { ...options, ...settings }])
        Reflect.set(session, "create", wrapped)
        return () => void Reflect.set(session, "create", create)
      }),
      () => effect,
      (restore) => Effect.sync(restore),
    )

// ---- loading ------------------------------------------------------------------------------------------------

/** Offsets are counted in code points, strings in UTF-16 units. The same numbers unless there are pairs. */
const unitOffsets = (text: string): ((codePoint: number) => number) => {
  if (!/[\ud800-\udbff]/.test(text)) return (codePoint) => codePoint
  const offsets: Array<number> = []
  let offset = 0
  for (const character of text) {
    offsets.push(offset)
    offset += character.length
  }
  return (codePoint) => offsets[codePoint] ?? offset
}

const startsOf = (text: string, encoding: Encoding): ReadonlyArray<number> => {
  const toUnits = unitOffsets(text)
  return encoding
    .getOffsets()
    .slice(1, -1)
    .map(([start = 0]) => toUnits(start))
}

/** Loads a model from its folder. */
export const load = (options: {
  readonly model: Model
  readonly folder: string
  readonly threads: number
}): Effect.Effect<Session, EmbeddingError> =>
  Effect.gen(function* () {
    const { folder, model, threads } = options
    const fastembed = yield* importFastembed
    const embedding = yield* Effect.tryPromise({
      try: () =>
        fastembed.FlagEmbedding.init({
          model: fastembed.EmbeddingModel.CUSTOM,
          modelAbsoluteDirPath: folder,
          modelName: model.graph,
          maxLength: model.window,
        }),
      catch: fault("provider", `the model ${model.name} in ${folder} cannot be loaded`),
    }).pipe(withThreads(threads))
    const tokenizer = yield* tokenizerOf(embedding, folder)

    const limit = model.window - specialTokens
    const failed = fault("item", `the model ${model.name} failed`)
    const encode =
      (lane: Lane): Windows.Encode<EmbeddingError, never> =>
      (text) =>
        lane(
          Effect.tryPromise({
            try: () => tokenizer.encode(text).then((encoding) => startsOf(text, encoding)),
            catch: fault("item", "the text cannot be tokenised"),
          }),
        )

    const infer = (text: string, lane: Lane) =>
      lane(
        // One text per call: with uint8 a text's vector would otherwise depend on its neighbours.
        Effect.tryPromise({ try: () => embedding.embed([text], 1).next(), catch: failed }),
      ).pipe(
        Effect.flatMap(({ value }) => {
          const vector = value?.[0]
          return vector === undefined ? failed("no vector came") : Effect.succeed(Float32Array.from(vector))
        }),
      )

    const tokens = (text: string, lane: Lane) => Windows.count(text, limit, encode(lane))

    const embed = (text: string, lane: Lane) =>
      Effect.gen(function* () {
        const count = yield* tokens(text, lane)
        if (count > limit) {
          const reason = `the text has ${count + specialTokens} tokens or more, and the model ${model.name} takes ${model.window}`
          return yield* new EmbeddingError({ fault: "item", reason })
        }
        return yield* infer(text, lane)
      })

    const split = (passage: Passage, lane: Lane) => Pieces.pieces(passage, limit, encode(lane))

    return {
      embed,
      split,
      embedQuery: (text, lane) =>
        Effect.gen(function* () {
          const question = model.queryPrefix + text
          if ((yield* tokens(question, lane)) <= limit) return yield* infer(question, lane)
          // So long a question is a passage itself: compared as such, it bears no prefix.
          const ends = yield* Windows.ends(text, limit, encode(lane))
          const windows = ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end))
          return mean(yield* Effect.forEach(windows, (window) => infer(window, lane)))
        }),
    }
  })

/** Has fastembed download a model below `folder` and load it from there once, which proves that it is whole. */
export const retrieve = (
  key: "BGESmallENV15" | "BGEBaseENV15" | "BGESmallZH",
  folder: string,
): Effect.Effect<void, EmbeddingError | RetrieveError> =>
  Effect.flatMap(importFastembed, (fastembed) =>
    Effect.tryPromise({
      try: () => fastembed.FlagEmbedding.init({ model: fastembed.EmbeddingModel[key], cacheDir: folder }),
      catch: (cause) => new RetrieveError({ cause }),
    }),
  ).pipe(withThreads(1), Effect.asVoid)
