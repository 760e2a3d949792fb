/**
 * One process of a contender: it loads what its arguments say, and times the work that it is sent. All work of a round
 * begins when the parent says so, and the parent measures until the last process has answered.
 */
import * as Os from "node:os"
import * as Path from "node:path"
import * as ort from "onnxruntime-node"
import * as Grouping from "../../../src/Embedder/Grouping.js"
import * as Tokens from "./tokens.js"

/** What a contender is. */
export type Kind = "session" | "texts" | "fastembed" | "transformers-fp32" | "transformers-q8" | "peak"

/** Work: token ids in runs for the bare session, texts for the others, repetitions for the peak. */
export interface Work {
  readonly runs?: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>
  readonly texts?: ReadonlyArray<string>
  readonly repeat?: number
}

/** What a round answers. */
export interface Answer {
  /** How long the processor worked on it, in milliseconds. */
  readonly processor: number
  /** Of the bare session that is given texts: their vectors, one after the other. */
  readonly vectors?: Float32Array
}

type Run = () => Promise<Float32Array | void>

const [kind = "", model = "", threads = "1"] = process.argv.slice(2)

const single = {
  intraOpNumThreads: Number(threads),
  interOpNumThreads: 1,
  extra: { session: { intra_op: { allow_spinning: "0" } } },
}

const tensor = (rows: ReadonlyArray<ReadonlyArray<number>>, value: (id: number) => bigint) => {
  const length = Math.max(...rows.map((row) => row.length))
  const data = new BigInt64Array(rows.length * length)
  for (const [row, ids] of rows.entries()) {
    for (const [at, id] of ids.entries()) data[row * length + at] = value(id)
  }
  return new ort.Tensor("int64", data, [rows.length, length])
}

const session = async () => {
  const loaded = await ort.InferenceSession.create(model, single)
  return async ({ runs = [] }: Work) => {
    // What is fed is made before, as an ideal caller would have it.
    const feeds = runs.map((rows) => ({
      input_ids: tensor(rows, BigInt),
      attention_mask: tensor(rows, () => 1n),
      token_type_ids: tensor(rows, () => 0n),
    }))
    return async () => {
      for (const feed of feeds) await loaded.run(feed)
    }
  }
}

/** The bare session of a pipeline: it tokenises what it is given, in runs as ours are, and answers the vectors. */
const texts = async () => {
  const loaded = await ort.InferenceSession.create(model, single)
  const encode = await Tokens.encoder()
  return async ({ texts = [] }: Work) =>
    async () => {
      const ids = await encode([...texts])
      const vectors = new Float32Array(texts.length * Tokens.dimensions)
      for (const group of Grouping.byLength(ids.map(({ length }) => length))) {
        const rows = group.map((at) => ids[at] ?? [])
        const { last_hidden_state: states } = await loaded.run({
          input_ids: tensor(rows, BigInt),
          attention_mask: tensor(rows, () => 1n),
          token_type_ids: tensor(rows, () => 0n),
        })
        const data = states?.data
        if (!(data instanceof Float32Array)) throw new Error("no vectors came")
        const positions = states?.dims[1] ?? 1
        for (const [row, at] of group.entries()) {
          const from = row * positions * Tokens.dimensions
          vectors.set(data.subarray(from, from + Tokens.dimensions), at * Tokens.dimensions)
        }
      }
      return vectors
    }
}

const fastembed = async () => {
  const { EmbeddingModel, FlagEmbedding } = await import("fastembed")
  const loaded = await FlagEmbedding.init({
    model: EmbeddingModel.CUSTOM,
    modelAbsoluteDirPath: model,
    modelName: "model.onnx",
  })
  return async ({ texts = [] }: Work) =>
    async () => {
      for await (const _ of loaded.embed([...texts])) void _
    }
}

const transformers = async (dtype: "fp32" | "q8") => {
  const { env, pipeline } = await import("@huggingface/transformers")
  env.allowRemoteModels = false
  env.localModelPath = Path.dirname(model)
  const extract = await pipeline("feature-extraction", Path.basename(model), { dtype, device: "cpu" })
  return async ({ texts = [] }: Work) =>
    async () => {
      // One at a time: in batches it pads, and is slower.
      for (const text of texts) await extract(text, { pooling: "mean", normalize: true })
    }
}

const peak = async () => {
  const loaded = await ort.InferenceSession.create(model, single)
  const a = new ort.Tensor(
    "uint8",
    new Uint8Array(512 * 512).map((_, at) => at % 127),
    [512, 512],
  )
  return async ({ repeat = 1 }: Work) =>
    async () => {
      for (let n = 0; n < repeat; n++) await loaded.run({ a })
    }
}

const contenders: { readonly [K in Kind]: () => Promise<(work: Work) => Promise<Run>> } = {
  session,
  texts,
  fastembed,
  "transformers-fp32": () => transformers("fp32"),
  "transformers-q8": () => transformers("q8"),
  peak,
}

const isKind = (name: string): name is Kind => name in contenders

if (process.send !== undefined && isKind(kind)) {
  // As our own processes do, so that a busy machine treats all alike.
  Os.setPriority(Os.constants.priority.PRIORITY_BELOW_NORMAL)
  const prepare = await contenders[kind]()
  let run: Run = async () => {}
  const answer = async ({ work }: { readonly work?: Work }) => {
    if (work === undefined) {
      const before = process.cpuUsage()
      const vectors = await run()
      const { system, user } = process.cpuUsage(before)
      const processor = (user + system) / 1000
      process.send?.(vectors === undefined ? { processor } : { processor, vectors })
    } else {
      run = await prepare(work)
      process.send?.("ready")
    }
  }
  process.on("message", (message: { readonly work?: Work }) => void answer(message))
  process.send("loaded")
}
