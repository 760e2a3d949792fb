/**
 * The graph of all-MiniLM-L6-v2 in uint8. It is written by hand because two things must be in it that no exporter puts
 * there: the mean over the tokens at its end (fastembed keeps position 0 of whatever comes out, so the graph gives
 * `[batch, 1, 384]`, already pooled), and the trimming at its start to the longest real text, so that padding costs
 * nothing. The weights stay the shipped bytes: scale and minimum become a scale and a zero point, and activations are
 * quantised per call (`DynamicQuantizeLinear`, then unsigned × unsigned, which no processor saturates). Scales per call
 * are also why texts must be run one at a time: among others a text would get other scales and so another vector.
 */
import * as Effect from "effect/Effect"
import { type Attribute, ElementType, type Model, type Node, type Tensor } from "./Onnx.js"
import { type Quantised, UnexpectedWeights, type Weights } from "./Weights.js"

const hidden = 384
const heads = 12
const headSize = hidden / heads
const layers = 6

const int = (value: number): Attribute => ({ _tag: "Int", value })
const float = (value: number): Attribute => ({ _tag: "Float", value })
const ints = (...value: ReadonlyArray<number>): Attribute => ({ _tag: "Ints", value })

const bytesOf = (view: Float32Array | BigInt64Array): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

interface Operation {
  readonly attributes?: Readonly<Record<string, Attribute>>
  readonly domain?: string
}

/** Collects nodes and constants; every method answers with the name of the value it made. */
const makeBuilder = () => {
  const nodes: Array<Node> = []
  const constants: Array<Tensor> = []

  const constant = (name: string, type: ElementType, shape: ReadonlyArray<number>, data: Uint8Array) => {
    constants.push({ name, type, shape, data })
    return name
  }

  const node = (
    operator: string,
    inputs: ReadonlyArray<string>,
    outputs: (name: string) => ReadonlyArray<string>,
    { attributes = {}, domain = "" }: Operation,
  ) => {
    const name = `${operator}_${nodes.length}`
    nodes.push({ name, operator, domain, inputs, outputs: outputs(name), attributes })
    return name
  }

  return {
    nodes,
    constants,
    floats: (name: string, values: ReadonlyArray<number> | Float32Array, shape: ReadonlyArray<number> = []) =>
      constant(name, ElementType.float, shape, bytesOf(Float32Array.from(values))),
    integers: (name: string, values: ReadonlyArray<number>, shape: ReadonlyArray<number> = [values.length]) =>
      constant(name, ElementType.int64, shape, bytesOf(BigInt64Array.from(values, BigInt))),
    bytes: (name: string, values: Uint8Array, shape: ReadonlyArray<number> = []) =>
      constant(name, ElementType.uint8, shape, values),
    /** An operator with one result. */
    apply: (operator: string, inputs: ReadonlyArray<string>, operation: Operation = {}) =>
      node(operator, inputs, (name) => [name], operation),
    /** An operator whose result is the graph's output of that name. */
    output: (operator: string, inputs: ReadonlyArray<string>, name: string) =>
      void node(operator, inputs, () => [name], {}),
    /** Quantises a value for one call: its bytes, their scale and their zero point. */
    quantise: (input: string) => {
      const parts = (name: string) => [`${name}_bytes`, `${name}_scale`, `${name}_zero`]
      const name = node("DynamicQuantizeLinear", [input], parts, {})
      return { bytes: `${name}_bytes`, scale: `${name}_scale`, zero: `${name}_zero` }
    },
  }
}

const numbersOf = (weight: Quantised): Float32Array =>
  // In double precision first, as TensorFlow.js does it.
  Float32Array.from(weight.bytes, (byte) => byte * weight.scale + weight.minimum)

const build = (weight: (name: string) => Quantised): Model => {
  const graph = makeBuilder()
  const { apply } = graph

  const axis1 = graph.integers("axis_1", [1])
  const axis2 = graph.integers("axis_2", [2])
  const axes12 = graph.integers("axes_1_2", [1, 2])
  const from0 = graph.integers("from_0", [0])
  const scalar0 = graph.integers("scalar_0", [0], [])
  const scalar1 = graph.integers("scalar_1", [1], [])
  const splitHeads = graph.integers("split_heads", [0, 0, heads, headSize])
  const mergeHeads = graph.integers("merge_heads", [0, 0, hidden])
  const attentionScale = graph.floats("attention_scale", [1 / Math.sqrt(headSize)])
  const one = graph.floats("one", [1])
  const masked = graph.floats("masked", [-10_000])
  const tiny = graph.floats("tiny", [1e-9])

  const numbers = (name: string) => graph.floats(name, numbersOf(weight(name)), weight(name).shape)

  // The length of the longest real text; everything behind it is padding and is cut away before any arithmetic.
  const lengths = apply("ReduceSum", ["attention_mask", axis1], { attributes: { keepdims: int(0) } })
  const longest = apply("ReduceMax", [lengths], { attributes: { keepdims: int(1), axes: ints(0) } })
  const trim = (input: string) => apply("Slice", [input, from0, longest, axis1])
  const ids = trim("input_ids")
  const mask = apply("Cast", [trim("attention_mask")], { attributes: { to: int(ElementType.float) } })
  const types = trim("token_type_ids")

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

  const linear = (input: string, block: string) => {
    const { bytes, minimum, scale, shape } = weight(`${block}/Tensordot/ReadVariableOp`)
    const activation = graph.quantise(input)
    const zero = graph.bytes(`${block}/zero`, Uint8Array.of(Math.round(-minimum / scale)))
    const product = apply("MatMulInteger", [
      activation.bytes,
      graph.bytes(`${block}/weight`, bytes, shape),
      activation.zero,
      zero,
    ])
    const cast = apply("Cast", [product], { attributes: { to: int(ElementType.float) } })
    const scales = apply("Mul", [activation.scale, graph.floats(`${block}/scale`, [scale])])
    return apply("Add", [apply("Mul", [cast, scales]), numbers(`${block}/BiasAdd/ReadVariableOp`)])
  }

  const length = apply("Gather", [apply("Shape", [ids]), scalar1], { attributes: { axis: int(0) } })
  const positions = apply("Range", [scalar0, length, scalar1])
  const words = apply("Add", [lookUp("unknown", ids), lookUp("unknown_1", types)])
  let state = normalise(apply("Add", [words, lookUp("unknown_0", positions)]), "embeddings")
  const penalty = apply("Unsqueeze", [apply("Mul", [apply("Sub", [one, mask]), masked]), axes12])

  for (let layer = 0; layer < layers; layer++) {
    const block = `encoder/layer_._${layer}`
    const head = (part: string, ...order: ReadonlyArray<number>) =>
      apply("Transpose", [apply("Reshape", [linear(state, `${block}/attention/self/${part}`), splitHeads])], {
        attributes: { perm: ints(...order) },
      })
    const query = head("query", 0, 2, 1, 3)
    const key = head("key", 0, 2, 3, 1)
    const value = head("value", 0, 2, 1, 3)
    const scores = apply("Mul", [apply("MatMul", [query, key]), attentionScale])
    const weights = apply("Softmax", [apply("Add", [scores, penalty])], { attributes: { axis: int(-1) } })
    const mixed = apply("Transpose", [apply("MatMul", [weights, value])], {
      attributes: { perm: ints(0, 2, 1, 3) },
    })
    const context = apply("Reshape", [mixed, mergeHeads])
    const attended = apply("Add", [linear(context, `${block}/attention/output/dense`), state])
    state = normalise(attended, `${block}/attention/output`)
    const inner = apply("Gelu", [linear(state, `${block}/intermediate/dense`)], { domain: "com.microsoft" })
    state = normalise(apply("Add", [linear(inner, `${block}/output/dense`), state]), `${block}/output`)
  }

  const tokens = apply("Unsqueeze", [mask, axis2])
  const keep = { attributes: { keepdims: int(1) } }
  const sum = apply("ReduceSum", [apply("Mul", [state, tokens]), axis1], keep)
  const count = apply("Max", [apply("ReduceSum", [tokens, axis1], keep), tiny])
  graph.output("Div", [sum, count], "last_hidden_state")

  const input = (name: string) => ({ name, type: ElementType.int64, shape: ["batch", "length"] })
  return {
    name: "all-MiniLM-L6-v2",
    producer: "embedbox",
    nodes: graph.nodes,
    constants: graph.constants,
    inputs: [input("input_ids"), input("attention_mask"), input("token_type_ids")],
    outputs: [{ name: "last_hidden_state", type: ElementType.float, shape: ["batch", 1, hidden] }],
    operatorSets: { "": 17, "com.microsoft": 1 },
  }
}

/** Builds the graph from the weights, or says which of them are missing. */
export const make = (weights: Weights): Effect.Effect<Model, UnexpectedWeights> =>
  Effect.suspend(() => {
    const missing: Array<string> = []
    const none: Quantised = { shape: [0], bytes: new Uint8Array(), scale: 1, minimum: 0 }
    const graph = build((name) => {
      const found = weights.get(name)
      if (found === undefined) missing.push(name)
      return found ?? none
    })
    return missing.length === 0
      ? Effect.succeed(graph)
      : new UnexpectedWeights({ reason: `missing weights: ${missing.join(", ")}` })
  })
