/**
 * Reads the weights as TensorFlow.js stores them: a manifest in `model.json` and one file of all tensors in its order.
 * They are uint8 with a scale and a minimum per tensor (`value = byte * scale + minimum`), and they stay bytes here,
 * since the graph computes with them as they are. Whoever needs numbers asks for one small tensor at a time.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Entry = Schema.Struct({
  name: Schema.String,
  shape: Schema.Array(Schema.Int),
  dtype: Schema.Literal("float32", "int32"),
  quantization: Schema.optional(
    Schema.Struct({ dtype: Schema.Literal("uint8"), min: Schema.Number, scale: Schema.Number }),
  ),
})

const Topology = Schema.parseJson(
  Schema.Struct({ weightsManifest: Schema.Tuple(Schema.Struct({ weights: Schema.Array(Entry) })) }),
)

const decodeTopology = Schema.decode(Topology)

/** A tensor of bytes that stand for numbers. */
export interface Quantised {
  readonly shape: ReadonlyArray<number>
  readonly bytes: Uint8Array
  readonly scale: number
  readonly minimum: number
}

/** The weights are not laid out as was examined. */
export class UnexpectedWeights extends Schema.TaggedError<UnexpectedWeights>()("UnexpectedWeights", {
  reason: Schema.String,
}) {
  override get message() {
    return this.reason
  }
}

/** The tensors by name, the prefix that they share removed. Those of int32 belong to TensorFlow's own graph only. */
export type Weights = ReadonlyMap<string, Quantised>

const prefix = /^.*?tf_bert_model\/bert\//

/** Reads the manifest and cuts the file of weights along it, without copying. */
export const read = (topology: string, file: Uint8Array): Effect.Effect<Weights, UnexpectedWeights> =>
  Effect.gen(function* () {
    const { weightsManifest } = yield* decodeTopology(topology)
    const weights = new Map<string, Quantised>()
    let offset = 0
    for (const { dtype, name, quantization, shape } of weightsManifest[0].weights) {
      const count = shape.reduce((product, size) => product * size, 1)
      if (dtype === "float32" && quantization === undefined) {
        return yield* new UnexpectedWeights({ reason: `the weight "${name}" is not quantised` })
      }
      const length = quantization === undefined ? 4 * count : count
      if (quantization !== undefined) {
        weights.set(name.replace(prefix, ""), {
          shape,
          bytes: file.subarray(offset, offset + length),
          scale: quantization.scale,
          minimum: quantization.min,
        })
      }
      offset += length
    }
    if (offset !== file.length) {
      return yield* new UnexpectedWeights({ reason: `${file.length} bytes of weights, expected ${offset}` })
    }
    return weights
  }).pipe(
    Effect.catchTag(
      "ParseError",
      (error) => new UnexpectedWeights({ reason: `model.json: ${error.message}` }),
    ),
  )
