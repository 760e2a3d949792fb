/**
 * One loaded model in this process: texts in, unit vectors out. Tokenizer and runtime are those that fastembed brings,
 * but they are run from here, because of what fastembed would do: pad every text to the model's window, which is nearly
 * all of its work, cut what does not fit in silence, and tokenise what was measured already once more. Texts of nearly
 * the same length go through the model together where that is quicker. The runtime is found as fastembed would find it
 * and loaded when the first model is, so that hosts without it meet an error that names the mend.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Ort from "onnxruntime-common"
import { createRequire } from "node:module"
import { join } from "node:path"
import { EmbeddingError } from "../Domain/Errors.js"
import type { Passage, Piece } from "../Domain/Chunk.js"
import * as Archive from "./Archive.js"
import { host, RetrieveError } from "./Download.js"
import * as Grouping from "./Grouping.js"
import type { Lane } from "./Lanes.js"
import type { Model } from "./models.js"
import * as Pieces from "./Pieces.js"
import { maxTexts } from "./Protocol.js"
import { mean, normalise } from "./Vectors.js"
import * as Windows from "./Windows.js"

/** A loaded model. Every call takes its turns in the lane it is given, one bounded piece of work at a time. */
export interface Session {
  /** The unit vectors of texts within the window, in order; a longer one is an `item` fault. */
  readonly embed: (
    texts: ReadonlyArray<string>,
    lane: Lane,
  ) => Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingError>
  /** The places of those texts that are within the window, and their vectors. */
  readonly embedFitting: (
    texts: ReadonlyArray<string>,
    lane: Lane,
  ) => Effect.Effect<
    { readonly places: ReadonlyArray<number>; readonly vectors: ReadonlyArray<Float32Array> },
    EmbeddingError
  >
  /** The unit vector of a question, with the model's prefix. One that is too long is embedded window by window. */
  readonly embedQuery: (text: string, lane: Lane) => Effect.Effect<Float32Array, EmbeddingError>
  /** The places of the pieces of a passage, as `Pieces.pieces` gives them. */
  readonly split: (passage: Passage) => Effect.Effect<ReadonlyArray<Piece>, EmbeddingError>
}

/** `[CLS]` before and `[SEP]` after every text. */
const specialTokens = 2

/** How many texts that were measured are remembered with their tokens: those of two messages. */
const mostMeasured = 2 * maxTexts

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
  readonly getIds: () => ReadonlyArray<number>
  readonly getOffsets: () => ReadonlyArray<ReadonlyArray<number>>
}

interface Tokenizer {
  readonly disablePadding: () => void
  readonly disableTruncation: () => void
  readonly encode: (text: string) => Promise<Encoding>
  readonly encodeBatch: (texts: Array<string>) => Promise<ReadonlyArray<Encoding>>
}

type Runtime = Pick<typeof Ort, "InferenceSession" | "Tensor">

const hasMethod = <Name extends string>(value: unknown, name: Name): value is Record<Name, Function> =>
  Predicate.hasProperty(value, name) && typeof value[name] === "function"

const isTokenizer = (value: unknown): value is Tokenizer =>
  hasMethod(value, "encode") &&
  hasMethod(value, "encodeBatch") &&
  hasMethod(value, "disablePadding") &&
  hasMethod(value, "disableTruncation")

const isRuntime = (value: unknown): value is Runtime =>
  hasMethod(value, "Tensor") &&
  Predicate.hasProperty(value, "InferenceSession") &&
  hasMethod(value.InferenceSession, "create")

/** Loads a package as fastembed itself would: with pnpm only fastembed can see its dependencies. */
const requireBeside = (name: string) =>
  Effect.try({
    try: (): unknown => createRequire(createRequire(import.meta.url).resolve("fastembed"))(name),
    catch: fault(
      "provider",
      `the package "${name}" cannot be loaded; install it with "npm install fastembed@2.1.0"`,
    ),
  })

const unknownVersion = (name: string) => () =>
  new EmbeddingError({ fault: "provider", reason: `this version of ${name} is not known` })

/** The tokenizer of a model's folder, without padding and truncation. */
const loadTokenizer = (folder: string) =>
  Effect.gen(function* () {
    const tokenizers = yield* requireBeside("@anush008/tokenizers")
    const tokenizer = yield* Effect.try({
      try: (): unknown =>
        Predicate.hasProperty(tokenizers, "Tokenizer") && hasMethod(tokenizers.Tokenizer, "fromFile")
          ? tokenizers.Tokenizer.fromFile(join(folder, "tokenizer.json"))
          : undefined,
      catch: fault("provider", `the tokenizer in ${folder} cannot be loaded`),
    }).pipe(Effect.filterOrFail(isTokenizer, unknownVersion("@anush008/tokenizers")))
    tokenizer.disablePadding()
    tokenizer.disableTruncation()
    return tokenizer
  })

/** Threads that do not spin while they wait: spinning takes the processor from the other children and from the host. */
const sessionOptions = (threads: number): Ort.InferenceSession.SessionOptions => ({
  executionProviders: ["cpu"],
  graphOptimizationLevel: "all",
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
})

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

/** What the model is fed for texts of these tokens: as many rows, the shorter ones filled up and masked. */
const feedsOf = (
  { Tensor }: Runtime,
  names: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<number>>,
) => {
  const length = Math.max(...rows.map((row) => row.length))
  // The lower half of each number is written (the runtime is built for little-endian machines only): a bigint for every
  // token would be garbage at once.
  const zeros = () => new Int32Array(2 * rows.length * length)
  const [ids, mask] = [zeros(), zeros()]
  for (const [row, tokens] of rows.entries()) {
    for (let at = 0; at < tokens.length; at++) {
      const place = 2 * (row * length + at)
      ids[place] = tokens[at] ?? 0
      mask[place] = 1
    }
  }
  const inputs: Record<string, Int32Array<ArrayBuffer>> = {
    input_ids: ids,
    attention_mask: mask,
    token_type_ids: zeros(),
  }
  return Object.fromEntries(
    names.flatMap((name) => {
      const data = inputs[name]
      return data === undefined
        ? []
        : [[name, new Tensor("int64", new BigInt64Array(data.buffer), [rows.length, length])]]
    }),
  )
}

/** The output that is taken: `[texts, tokens, dimensions]`, of which position 0 is the text's vector. */
const output = "last_hidden_state"

/** Loads a model from its folder. */
export const load = (options: {
  readonly model: Model
  readonly folder: string
  readonly threads: number
}): Effect.Effect<Session, EmbeddingError> =>
  Effect.gen(function* () {
    const { folder, model, threads } = options
    const runtime = yield* Effect.filterOrFail(
      requireBeside("onnxruntime-node"),
      isRuntime,
      unknownVersion("onnxruntime-node"),
    )
    const session = yield* Effect.tryPromise({
      try: () => runtime.InferenceSession.create(join(folder, model.graph), sessionOptions(threads)),
      catch: fault("provider", `the model ${model.name} in ${folder} cannot be loaded`),
    })
    const tokenizer = yield* loadTokenizer(folder)

    const failed = fault("item", `the model ${model.name} failed`)
    const encode = (text: string) =>
      Effect.tryPromise({
        try: () => tokenizer.encode(text),
        catch: fault("item", "the text cannot be tokenised"),
      })
    // What was measured last, oldest first: who cuts a text mostly embeds it next.
    const measured = new Map<string, Encoding>()

    // Without a lane: the tokenizer works beside the model, in a thread of its own.
    const starts: Windows.Encode<EmbeddingError, never> = (text) =>
      Effect.map(encode(text), (encoding) => {
        // What is too long is not embedded as it is; what is long and yet few tokens would fill the memory.
        if (encoding.getLength() <= model.window && text.length <= Windows.blockLength) {
          measured.set(text, encoding)
          for (const oldest of measured.keys()) {
            if (measured.size <= mostMeasured) break
            measured.delete(oldest)
          }
        }
        return startsOf(text, encoding)
      })

    /** Together, which costs a quarter less than one by one. */
    const encodeAll = (texts: Array<string>) =>
      Effect.tryPromise({
        try: () => tokenizer.encodeBatch(texts),
        catch: fault("item", "a text cannot be tokenised"),
      })

    const tooLong = (tokens: number) =>
      new EmbeddingError({
        fault: "item",
        reason: `the text has ${tokens} tokens or more, and the model ${model.name} takes ${model.window}`,
      })

    /** The tokens of texts, the special ones included. Much text is not tokenised whole to learn that it is too much. */
    const tokensOf = (texts: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const encodings = texts.map((text) => measured.get(text))
        const unknown = [...texts.keys()].filter((at) => encodings[at] === undefined)
        const made =
          unknown.length === 0
            ? []
            : yield* encodeAll(unknown.map((at) => texts[at]?.slice(0, Windows.blockLength) ?? ""))
        for (const [place, at] of unknown.entries()) encodings[at] = made[place]
        const rows: Array<ReadonlyArray<number>> = []
        for (const [at, text] of texts.entries()) {
          let ids = encodings[at]?.getIds() ?? []
          // So few tokens in so much text: white space, or one very long word.
          if (ids.length <= model.window && Windows.blockLength < text.length) {
            ids = (yield* encode(text)).getIds()
          }
          if (ids.length > model.window) return yield* tooLong(ids.length)
          rows.push(ids)
        }
        return rows
      })

    const run = (rows: ReadonlyArray<ReadonlyArray<number>>, lane: Lane) =>
      lane(
        Effect.tryPromise({
          try: () => session.run(feedsOf(runtime, session.inputNames, rows), [output]),
          catch: failed,
        }),
      ).pipe(
        Effect.flatMap((results) => {
          const result = results[output]
          const [texts, positions = 0, dimensions = 0] = result?.dims ?? []
          const data = result?.data
          return texts === rows.length && data instanceof Float32Array
            ? Effect.succeed(
                rows.map((_, row) => {
                  const begin = row * positions * dimensions
                  return normalise(data.subarray(begin, begin + dimensions))
                }),
              )
            : failed("no vectors came")
        }),
      )

    const embedTokens = (rows: ReadonlyArray<ReadonlyArray<number>>, lane: Lane) =>
      Effect.gen(function* () {
        const vectors: Array<Float32Array> = []
        for (const group of Grouping.byLength(rows.map((row) => row.length))) {
          const found = yield* run(
            group.map((at) => rows[at] ?? []),
            lane,
          )
          for (const [place, at] of group.entries()) vectors[at] = found[place] ?? new Float32Array()
        }
        return vectors
      })

    const limit = model.window - specialTokens

    const split = (passage: Passage) => Pieces.pieces(passage, limit, starts)

    const embedFitting: Session["embedFitting"] = (texts, lane) =>
      Effect.gen(function* () {
        const encodings = yield* encodeAll(texts.map((text) => text.slice(0, Windows.blockLength)))
        const fitting = encodings.flatMap((encoding, at) =>
          encoding.getLength() <= model.window && (texts[at] ?? "").length <= Windows.blockLength
            ? [{ at, ids: encoding.getIds() }]
            : [],
        )
        const vectors = yield* embedTokens(
          fitting.map(({ ids }) => ids),
          lane,
        )
        return { places: fitting.map(({ at }) => at), vectors }
      })

    const embed: Session["embed"] = (texts, lane) =>
      Effect.flatMap(tokensOf(texts), (rows) => embedTokens(rows, lane))

    return {
      embed,
      embedFitting,
      split,
      embedQuery: (text, lane) =>
        Effect.gen(function* () {
          const question = model.queryPrefix + text
          if ((yield* Windows.count(question, limit, starts)) <= limit) {
            return mean(yield* embed([question], lane))
          }
          // So long a question is a passage itself: compared as such, it bears no prefix.
          const ends = yield* Windows.ends(text, limit, starts)
          return mean(
            yield* embed(
              ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end)),
              lane,
            ),
          )
        }),
    }
  })

/** fastembed's own name of a model that it knows. */
type Key = "BGESmallENV15" | "BGEBaseENV15" | "BGESmallZH"

/** Has fastembed unpack an archive that lies in `folder`, and load the model once, which proves that it is whole. */
export const unpack = (key: Key, folder: string): Effect.Effect<void, EmbeddingError | RetrieveError> =>
  Effect.flatMap(importFastembed, (fastembed) =>
    Effect.tryPromise({
      try: () =>
        fastembed.FlagEmbedding.init({
          model: fastembed.EmbeddingModel[key],
          cacheDir: folder,
          showDownloadProgress: false,
        }),
      catch: (cause) => new RetrieveError({ cause }),
    }),
  ).pipe(Effect.asVoid)

/**
 * Brings a model that fastembed knows into an empty folder. What has come of its archive stays in `part` until it is
 * whole: fastembed's own download would begin anew, and could not tell a damaged one.
 */
export const retrieve =
  (options: { readonly key: Key; readonly archive: string; readonly part: string }) =>
  (
    folder: string,
  ): Effect.Effect<void, EmbeddingError | RetrieveError, FileSystem.FileSystem | HttpClient.HttpClient> => {
    const name = `${options.archive}.tar.gz`
    return Archive.fetch({
      url: `https://${host}/qdrant-fastembed/${name}`,
      file: join(folder, name),
      part: options.part,
    }).pipe(
      Effect.mapError((error) => new RetrieveError({ cause: error.cause ?? error })),
      Effect.zipRight(unpack(options.key, folder)),
    )
  }
