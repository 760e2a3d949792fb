/**
 * The products of the graph, which are nearly all of its work, in two kinds of arithmetic.
 *
 * In 8 bits every token's row of activations has a scale of its own. The usual scale per call makes a text's vector
 * depend on the texts beside it (cosine 0.986 to itself alone), and is coarser: with rows the vectors are nearer to
 * those of 32 bits (median cosine 0.996 instead of 0.994) and the same in every company. The shipped bytes are used as
 * signed weights, since processors multiply unsigned by signed bytes a quarter faster than unsigned by unsigned; and
 * activations take seven bits of the eight, so that the sum of two such products fits 16 bits and none saturates where
 * a processor adds them there (AVX2): 127 × 128 × 2 < 2^15. Every machine computes the same.
 */
import { type Builder, int, ints, microsoft } from "./Builder.js"
import type { Quantised } from "./Weights.js"

/** Multiplies one prepared value by the weights of these blocks, side by side, and adds their bias. */
export type Multiply = (blocks: ReadonlyArray<string>) => string

/** Prepares a value of shape `[tokens, size]`. `gelu`: it comes from that function, so it is never far below 0. */
export type Prepare = (input: string, range: "any" | "gelu") => Multiply

/** Looks a weight up by its name. */
export type Lookup = (name: string) => Quantised

/** A quantised tensor as numbers. */
export const numbersOf = ({ bytes, minimum, scale }: Quantised): Float32Array => {
  const numbers = new Float32Array(bytes.length)
  // In double precision first, as TensorFlow.js does it. By index: these are millions.
  for (let at = 0; at < bytes.length; at++) numbers[at] = (bytes[at] ?? 0) * scale + minimum
  return numbers
}

/** The bytes as signed ones, 128 less each. */
const signed = ({ bytes }: Quantised): Int8Array => {
  const found = new Int8Array(bytes.length)
  for (let at = 0; at < bytes.length; at++) found[at] = (bytes[at] ?? 0) - 128
  return found
}

const kernel = (block: string) => `${block}/Tensordot/ReadVariableOp`
const biasName = (block: string) => `${block}/BiasAdd/ReadVariableOp`

const width = ({ shape }: Quantised) => shape.slice(1).reduce((product, size) => product * size, 1)
const widthOf = (matrices: ReadonlyArray<Quantised>) =>
  matrices.reduce((sum, matrix) => sum + width(matrix), 0)

/** Matrices of as many rows, side by side in one. */
const place = <A extends Float32Array | Int8Array>(
  target: A,
  matrices: ReadonlyArray<Quantised>,
  valuesOf: (matrix: Quantised) => A,
): A => {
  const columns = widthOf(matrices)
  let before = 0
  for (const matrix of matrices) {
    const values = valuesOf(matrix)
    const own = width(matrix)
    for (let row = 0; row * own < values.length; row++) {
      target.set(values.subarray(row * own, (row + 1) * own), row * columns + before)
    }
    before += own
  }
  return target
}

/** A number of each matrix, once for each of its columns. */
const perColumn = (matrices: ReadonlyArray<Quantised>, value: (matrix: Quantised) => number) =>
  matrices.flatMap((matrix) => Array.from({ length: width(matrix) }, () => value(matrix)))

/** What weights of several blocks side by side are called, their shape, and their bias. */
const read = (weight: Lookup, blocks: ReadonlyArray<string>) => {
  const matrices = blocks.map((block) => weight(kernel(block)))
  const columns = widthOf(matrices)
  return {
    name: blocks.join("+"),
    matrices,
    shape: [matrices[0]?.shape[0] ?? 0, columns] as const,
    size: matrices.reduce((sum, { bytes }) => sum + bytes.length, 0),
    bias: place(
      new Float32Array(columns),
      blocks.map((block) => {
        const bias = weight(biasName(block))
        return { ...bias, shape: [1, ...bias.shape] }
      }),
      numbersOf,
    ),
  }
}

/** Products in 32 bits. */
export const float32 =
  (graph: Builder, weight: Lookup): Prepare =>
  (input) =>
  (blocks) => {
    const { bias, matrices, name, shape, size } = read(weight, blocks)
    const matrix = place(new Float32Array(size), matrices, numbersOf)
    const product = graph.apply("MatMul", [input, graph.floats(`${name}/kernel`, matrix, shape)])
    return graph.apply("Add", [product, graph.floats(`${name}/bias`, bias, [shape[1]])])
  }

/** The largest activation. */
const most = 127
/** What stands for 0 where values lie on both sides of it, and where they come from GELU. */
const middle = 64
const nearBottom = 8
/** GELU's least value is -0.16998. */
const geluBottom = 0.17

/** Products in 8 bits, with a scale per row of activations. */
export const uint8 = (graph: Builder, weight: Lookup): Prepare => {
  const { apply } = graph
  const tiny = graph.floats("scale/least", [1e-9])
  const one = graph.floats("scale/one", [1])
  const column = graph.integers("scale/column", [0, 1])
  const anyShare = graph.floats("scale/any", [1 / (most - middle)])
  const geluShare = graph.floats("scale/gelu", [1 / (most - nearBottom)])
  const geluLeast = graph.floats("scale/gelu_least", [geluBottom / nearBottom])
  const zeros = {
    any: graph.bytes("zero/any", Uint8Array.of(middle)),
    gelu: graph.bytes("zero/gelu", Uint8Array.of(nearBottom)),
  }
  const largest = (input: string) =>
    apply("ReduceMax", [input], { attributes: { axes: ints(-1), keepdims: int(0) } })

  return (input, range) => {
    const scale =
      range === "gelu"
        ? apply("Max", [apply("Mul", [largest(input), geluShare]), geluLeast])
        : apply("Max", [apply("Mul", [largest(apply("Abs", [input])), anyShare]), tiny])
    const zero = zeros[range]
    const zeroOfRows = apply("Expand", [zero, apply("Shape", [scale])])
    const bytes = apply("QuantizeLinear", [input, scale, zeroOfRows], { attributes: { axis: int(0) } })
    const scaleOfRows = apply("Reshape", [scale, column])

    return (blocks) => {
      const { bias, matrices, name, shape, size } = read(weight, blocks)
      const columns = [shape[1]]
      const scales = perColumn(matrices, (matrix) => matrix.scale)
      const zeroPoints = perColumn(matrices, ({ minimum, scale }) => Math.round(-minimum / scale) - 128)
      const product = apply(
        "MatMulIntegerToFloat",
        [
          bytes,
          graph.signedBytes(`${name}/kernel`, place(new Int8Array(size), matrices, signed), shape),
          one,
          graph.floats(`${name}/scale`, scales, columns),
          zero,
          graph.signedBytes(`${name}/zero`, Int8Array.from(zeroPoints), columns),
        ],
        { domain: microsoft },
      )
      return apply("Add", [apply("Mul", [product, scaleOfRows]), graph.floats(`${name}/bias`, bias, columns)])
    }
  }
}
