/** Collects the nodes and constants of a graph; every method answers with the name of the value it made. */
import { type Attribute, ElementType, type Node, type Tensor } from "./Onnx.js"

export const int = (value: number): Attribute => ({ _tag: "Int", value })
export const float = (value: number): Attribute => ({ _tag: "Float", value })
export const ints = (...value: ReadonlyArray<number>): Attribute => ({ _tag: "Ints", value })

/** What an operator may need besides its inputs. */
export interface Operation {
  readonly attributes?: Readonly<Record<string, Attribute>>
  /** The operator set; ONNX's own when absent. */
  readonly domain?: string
}

/** The runtime's own operators, beyond the standard. */
export const microsoft = "com.microsoft"

const bytesOf = (view: Float32Array | BigInt64Array | Int8Array): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

export const make = () => {
  const nodes: Array<Node> = []
  const constants = new Map<string, Tensor>()

  /** The same name is the same constant, whoever asks for it. */
  const constant = (name: string, type: ElementType, shape: ReadonlyArray<number>, data: Uint8Array) => {
    constants.set(name, { name, type, shape, data })
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
      constant(
        name,
        ElementType.float,
        shape,
        bytesOf(values instanceof Float32Array ? values : Float32Array.from(values)),
      ),
    integers: (name: string, values: ReadonlyArray<number>, shape: ReadonlyArray<number> = [values.length]) =>
      constant(name, ElementType.int64, shape, bytesOf(BigInt64Array.from(values, BigInt))),
    bytes: (name: string, values: Uint8Array, shape: ReadonlyArray<number> = []) =>
      constant(name, ElementType.uint8, shape, values),
    signedBytes: (name: string, values: Int8Array, shape: ReadonlyArray<number>) =>
      constant(name, ElementType.int8, shape, bytesOf(values)),
    /** An operator with one result. */
    apply: (operator: string, inputs: ReadonlyArray<string>, operation: Operation = {}) =>
      node(operator, inputs, (name) => [name], operation),
    /** An operator with several results. */
    applyMany: (
      operator: string,
      inputs: ReadonlyArray<string>,
      count: number,
      operation: Operation = {},
    ): ReadonlyArray<string> => {
      const results = (name: string) => Array.from({ length: count }, (_, index) => `${name}_${index}`)
      return results(node(operator, inputs, results, operation))
    },
    /** An operator whose result is the graph's output of that name. */
    output: (operator: string, inputs: ReadonlyArray<string>, name: string) =>
      void node(operator, inputs, () => [name], {}),
  }
}

export type Builder = ReturnType<typeof make>
