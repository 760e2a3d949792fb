/**
 * The graph of all-MiniLM-L6-v2. It is written by hand because two things must be in it that no exporter puts there:
 * the mean over the tokens at its end (fastembed keeps position 0 of whatever comes out, so the graph gives
 * `[batch, 1, 384]`, already pooled), and the trimming at its start to the longest real text, so that padding costs
 * nothing. Between them all tokens of a batch lie in one matrix; only attention looks at texts one by one. What the
 * runtime offers as fused operators (attention, skip and layer norm) was measured: on a processor it is slower than
 * what the runtime fuses by itself.
 */
import * as Effect from "effect/Effect"
import * as Builder from "./Builder.js"
import * as Linear from "./Linear.js"
import { ElementType, type Model } from "./Onnx.js"
import { type Quantised, UnexpectedWeights, type Weights } from "./Weights.js"

/** How the graph computes its products. */
export type Arithmetic = "uint8" | "float32"

const { float, int, ints, microsoft } = Builder

const hidden = 384
const heads = 12
const headSize = hidden / heads
const layers = 6

const build = (weight: Linear.Lookup, arithmetic: Arithmetic): Model => {
  const graph = Builder.make()
  const { apply, applyMany } = graph
  const prepare = Linear[arithmetic](graph, weight)

  const axis1 = graph.integers("axis_1", [1])
  const axis2 = graph.integers("axis_2", [2])
  const axes12 = graph.integers("axes_1_2", [1, 2])
  const from0 = graph.integers("from_0", [0])
  const scalar0 = graph.integers("scalar_0", [0], [])
  const scalar1 = graph.integers("scalar_1", [1], [])
  const perToken = graph.integers("per_token", [-1, hidden])
  const threeParts = graph.integers("three_parts", [hidden, hidden, hidden])
  const attentionScale = graph.floats("attention_scale", [1 / Math.sqrt(headSize)])
  const one = graph.floats("one", [1])
  const masked = graph.floats("masked", [-10_000])
  const tiny = graph.floats("tiny", [1e-9])

  const numbers = (name: string) => {
    const found = weight(name)
    return graph.floats(name, Linear.numbersOf(found), found.shape)
  }

  // Everything behind the longest real text is padding: cut off before any arithmetic.
  const lengths = apply("ReduceSum", ["attention_mask", axis1], { attributes: { keepdims: int(0) } })
  const longest = apply("ReduceMax", [lengths], { attributes: { keepdims: int(1), axes: ints(0) } })
  const trim = (input: string) => apply("Slice", [input, from0, longest, axis1])
  const ids = trim("input_ids")
  const mask = apply("Cast", [trim("attention_mask")], { attributes: { to: int(ElementType.float) } })
  const types = trim("token_type_ids")

  const shape = apply("Shape", [ids])
  const shaped = (name: string, ...more: ReadonlyArray<number>) =>
    apply("Concat", [shape, graph.integers(name, more)], { attributes: { axis: int(0) } })
  const perHead = shaped("per_head", heads, headSize)
  const perText = shaped("per_text", hidden)

  const lookUp = (table: string, rows: string) => {
    const { bytes, minimum, scale, shape } = weight(table)
    const gathered = apply("Gather", [graph.bytes(table, bytes, shape), rows], {
      attributes: { axis: int(0) },
    })
    const cast = apply("Cast", [gathered], { attributes: { to: int(ElementType.float) } })
    const scaled = apply("Mul", [cast, graph.floats(`${table}/scale`, [scale])])
    return apply("Add", [scaled, graph.floats(`${table}/minimum`, [minimum])])
  }

  const normalise = (input: string, block: string) =>
    apply(
      "LayerNormalization",
      [
        input,
        numbers(`${block}/LayerNorm/batchnorm/mul/ReadVariableOp`),
        numbers(`${block}/LayerNorm/batchnorm/ReadVariableOp`),
      ],
      { attributes: { axis: int(-1), epsilon: float(1e-12) } },
    )

  const length = apply("Gather", [shape, scalar1], { attributes: { axis: int(0) } })
  const positions = apply("Range", [scalar0, length, scalar1])
  const words = apply("Add", [lookUp("unknown", ids), lookUp("unknown_1", types)])
  const embedded = apply("Add", [words, lookUp("unknown_0", positions)])
  let state = normalise(apply("Reshape", [embedded, perToken]), "embeddings")
  const penalty = apply("Unsqueeze", [apply("Mul", [apply("Sub", [one, mask]), masked]), axes12])

  for (let layer = 0; layer < layers; layer++) {
    const block = `encoder/layer_._${layer}`
    const linear = (input: string, name: string, range: "any" | "gelu" = "any") =>
      prepare(input, range)([`${block}/${name}`])

    const parts = ["query", "key", "value"].map((part) => `${block}/attention/self/${part}`)
    const [queries = "", keys = "", values = ""] = applyMany(
      "Split",
      [prepare(state, "any")(parts), threeParts],
      parts.length,
      { attributes: { axis: int(-1) } },
    )
    const head = (part: string, ...order: ReadonlyArray<number>) =>
      apply("Transpose", [apply("Reshape", [part, perHead])], { attributes: { perm: ints(...order) } })
    const products = apply("MatMul", [head(queries, 0, 2, 1, 3), head(keys, 0, 2, 3, 1)])
    const scores = apply("Add", [apply("Mul", [products, attentionScale]), penalty])
    const weights = apply("Softmax", [scores], { attributes: { axis: int(-1) } })
    const mixed = apply("Transpose", [apply("MatMul", [weights, head(values, 0, 2, 1, 3)])], {
      attributes: { perm: ints(0, 2, 1, 3) },
    })
    const context = apply("Reshape", [mixed, perToken])
    state = normalise(
      apply("Add", [linear(context, "attention/output/dense"), state]),
      `${block}/attention/output`,
    )
    const inner = apply("Gelu", [linear(state, "intermediate/dense")], { domain: microsoft })
    state = normalise(apply("Add", [linear(inner, "output/dense", "gelu"), state]), `${block}/output`)
  }

  const tokens = apply("Unsqueeze", [mask, axis2])
  const keep = { attributes: { keepdims: int(1) } }
  const texts = apply("Reshape", [state, perText])
  const sum = apply("ReduceSum", [apply("Mul", [texts, tokens]), axis1], keep)
  const count = apply("Max", [apply("ReduceSum", [tokens, axis1], keep), tiny])
  graph.output("Div", [sum, count], "last_hidden_state")

  const input = (name: string) => ({ name, type: ElementType.int64, shape: ["batch", "length"] })
  return {
    name: "all-MiniLM-L6-v2",
    producer: "embedbox",
    nodes: graph.nodes,
    constants: [...graph.constants.values()],
    inputs: [input("input_ids"), input("attention_mask"), input("token_type_ids")],
    outputs: [{ name: "last_hidden_state", type: ElementType.float, shape: ["batch", 1, hidden] }],
    operatorSets: { "": 17, [microsoft]: 1 },
  }
}

/** Builds the graph from the weights, or says which of them are missing. */
export const make = (weights: Weights, arithmetic: Arithmetic): Effect.Effect<Model, UnexpectedWeights> =>
  Effect.suspend(() => {
    const missing: Array<string> = []
    const none: Quantised = { shape: [0], bytes: new Uint8Array(), scale: 1, minimum: 0 }
    const graph = build((name) => {
      const found = weights.get(name)
      if (found === undefined) missing.push(name)
      return found ?? none
    }, arithmetic)
    return missing.length === 0
      ? Effect.succeed(graph)
      : new UnexpectedWeights({ reason: `missing weights: ${missing.join(", ")}` })
  })
