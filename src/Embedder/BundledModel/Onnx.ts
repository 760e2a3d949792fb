/**
 * Writes an ONNX model file. The format is protobuf, of which a graph needs a dozen fields; describing those few here
 * as plain data and leaving the wire format to `pbf` avoids both a code generator and the whole ONNX package. The
 * numbers are the field numbers of onnx.proto3. The same graph always gives the same bytes.
 */
import Pbf from "pbf"

/** The element types that are used, with ONNX's numbers. */
export const ElementType = { float: 1, uint8: 2, int8: 3, int64: 7 } as const
export type ElementType = (typeof ElementType)[keyof typeof ElementType]

/** A constant of the graph. */
export interface Tensor {
  readonly name: string
  readonly type: ElementType
  readonly shape: ReadonlyArray<number>
  /** Little-endian, as ONNX wants it. */
  readonly data: Uint8Array
}

/** An attribute of a node. */
export type Attribute =
  | { readonly _tag: "Int"; readonly value: number }
  | { readonly _tag: "Float"; readonly value: number }
  | { readonly _tag: "Ints"; readonly value: ReadonlyArray<number> }

/** One operator applied to named values. */
export interface Node {
  readonly name: string
  readonly operator: string
  /** Empty for ONNX's own operators. */
  readonly domain: string
  readonly inputs: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
  readonly attributes: Readonly<Record<string, Attribute>>
}

/** An input or output of the graph; a dimension that is a name is free. */
export interface Port {
  readonly name: string
  readonly type: ElementType
  readonly shape: ReadonlyArray<number | string>
}

/** A whole model. */
export interface Model {
  readonly name: string
  readonly producer: string
  readonly nodes: ReadonlyArray<Node>
  readonly constants: ReadonlyArray<Tensor>
  readonly inputs: ReadonlyArray<Port>
  readonly outputs: ReadonlyArray<Port>
  /** Versions of the operator sets, by domain. */
  readonly operatorSets: Readonly<Record<string, number>>
}

const irVersion = 8

const writeAttribute = ([name, attribute]: readonly [string, Attribute], pbf: Pbf) => {
  pbf.writeStringField(1, name)
  switch (attribute._tag) {
    case "Float":
      pbf.writeFloatField(2, attribute.value)
      pbf.writeVarintField(20, 1)
      return
    case "Int":
      pbf.writeVarintField(3, attribute.value)
      pbf.writeVarintField(20, 2)
      return
    case "Ints":
      for (const value of attribute.value) pbf.writeVarintField(8, value)
      pbf.writeVarintField(20, 7)
  }
}

const writeNode = (node: Node, pbf: Pbf) => {
  for (const input of node.inputs) pbf.writeStringField(1, input)
  for (const output of node.outputs) pbf.writeStringField(2, output)
  pbf.writeStringField(3, node.name)
  pbf.writeStringField(4, node.operator)
  for (const entry of Object.entries(node.attributes)) pbf.writeMessage(5, writeAttribute, entry)
  if (node.domain !== "") pbf.writeStringField(7, node.domain)
}

const writeTensor = (tensor: Tensor, pbf: Pbf) => {
  for (const size of tensor.shape) pbf.writeVarintField(1, size)
  pbf.writeVarintField(2, tensor.type)
  pbf.writeStringField(8, tensor.name)
  pbf.writeBytesField(9, tensor.data)
}

const writeDimension = (size: number | string, pbf: Pbf) =>
  typeof size === "number" ? pbf.writeVarintField(1, size) : pbf.writeStringField(2, size)

const writeShape = (shape: Port["shape"], pbf: Pbf) => {
  for (const size of shape) pbf.writeMessage(1, writeDimension, size)
}

const writeTensorType = (port: Port, pbf: Pbf) => {
  pbf.writeVarintField(1, port.type)
  pbf.writeMessage(2, writeShape, port.shape)
}

const writeType = (port: Port, pbf: Pbf) => pbf.writeMessage(1, writeTensorType, port)

const writePort = (port: Port, pbf: Pbf) => {
  pbf.writeStringField(1, port.name)
  pbf.writeMessage(2, writeType, port)
}

const writeGraph = (model: Model, pbf: Pbf) => {
  for (const node of model.nodes) pbf.writeMessage(1, writeNode, node)
  pbf.writeStringField(2, model.name)
  for (const constant of model.constants) pbf.writeMessage(5, writeTensor, constant)
  for (const input of model.inputs) pbf.writeMessage(11, writePort, input)
  for (const output of model.outputs) pbf.writeMessage(12, writePort, output)
}

const writeOperatorSet = ([domain, version]: readonly [string, number], pbf: Pbf) => {
  pbf.writeStringField(1, domain)
  pbf.writeVarintField(2, version)
}

/** The bytes of the model's file. */
export const encode = (model: Model): Uint8Array => {
  const size = model.constants.reduce((sum, constant) => sum + constant.data.length + 256, 1 << 20)
  // Large enough at once: growing would copy the weights several times.
  const pbf = new Pbf(new Uint8Array(size))
  pbf.writeVarintField(1, irVersion)
  pbf.writeStringField(2, model.producer)
  pbf.writeMessage(7, writeGraph, model)
  for (const entry of Object.entries(model.operatorSets)) pbf.writeMessage(8, writeOperatorSet, entry)
  return pbf.finish()
}
