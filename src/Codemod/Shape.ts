/**
 * Which `createEntity` is meant. Other libraries have one too, so a call is ours only where its types say so (they come
 * from this package, or what it answers has the shape of our entity or receipt), where its receiver comes from an import
 * of this package that cannot be resolved here, or where the user names the receiver. Whatever is left is not touched.
 */
import { Node, type Symbol, type Type } from "ts-morph"

/** `ours` is rewritten, `other` is left alone, and `unclear` is told. */
export type Meant = "ours" | "other" | "unclear"

/** What the package is imported by. */
const specifier = /^embedbox(?:\/|$)/

/** Where its declarations lie in a host. */
const home = /[/\\]node_modules[/\\]embedbox[/\\]/

/** What a promise or an effect of it ends with. Behind `?.` it may be nothing at all. */
const resultOf = (given: Type): Type => {
  const type = given.getNonNullableType()
  const name = type.getSymbol()?.getName() ?? type.getAliasSymbol()?.getName()
  const [first] = type.getTypeArguments()
  const [aliased] = type.getAliasTypeArguments()
  const inner = first ?? aliased
  return inner !== undefined && (name === "Promise" || name === "PromiseLike" || name === "Effect")
    ? resultOf(inner)
    : type
}

const has = (type: Type, ...names: ReadonlyArray<string>) => {
  const apparent = type.getApparentType()
  return names.every((name) => apparent.getProperty(name) !== undefined)
}

const isKnown = (type: Type) => !type.isAny() && !type.isUnknown() && !type.isNever()

/** What a call of it says of whose it is. */
const byShape = (type: Type): Meant => {
  const result = resultOf(type)
  if (!isKnown(result)) return "unclear"
  return has(result, "id", "content") || has(result, "entityId", "jobId") ? "ours" : "other"
}

const importOf = (node: Node) =>
  node.getFirstAncestor((one) => Node.isImportDeclaration(one) || Node.isImportEqualsDeclaration(one))

/** Whether a name was imported from this package. */
const isImported = (symbol: Symbol | undefined): boolean =>
  symbol?.getDeclarations().some((declaration) => {
    const from = importOf(declaration)
    return Node.isImportDeclaration(from) && specifier.test(from.getModuleSpecifierValue())
  }) ?? false

/** Whether a part of the code names something that was imported from this package. */
const namesOurs = (node: Node | undefined): boolean =>
  node !== undefined &&
  [node, ...node.getDescendants()].some((one) => Node.isIdentifier(one) && isImported(one.getSymbol()))

/** What a name was made of, or said to be: the parts of its declarations that tell. */
const originsOf = (declaration: Node): ReadonlyArray<Node | undefined> => {
  if (Node.isVariableDeclaration(declaration)) {
    return [declaration.getTypeNode(), calleeOf(declaration.getInitializer())]
  }
  if (
    Node.isParameterDeclaration(declaration) ||
    Node.isPropertyDeclaration(declaration) ||
    Node.isPropertySignature(declaration)
  ) {
    return [declaration.getTypeNode()]
  }
  return []
}

/** What is called, awaited or yielded to make a value; not what it is given. */
const calleeOf = (node: Node | undefined): Node | undefined => {
  if (Node.isAwaitExpression(node) || Node.isParenthesizedExpression(node) || Node.isYieldExpression(node)) {
    return calleeOf(node.getExpression())
  }
  if (Node.isCallExpression(node) || Node.isNewExpression(node)) return calleeOf(node.getExpression())
  if (Node.isPropertyAccessExpression(node)) return calleeOf(node.getExpression())
  return node
}

/** A name as its last part: `shell` of `this.shell!`. */
export const lastName = (node: Node): string | undefined => {
  if (Node.isIdentifier(node) || Node.isPrivateIdentifier(node)) return node.getText()
  if (Node.isPropertyAccessExpression(node)) return node.getName()
  if (
    Node.isNonNullExpression(node) ||
    Node.isParenthesizedExpression(node) ||
    Node.isAwaitExpression(node)
  ) {
    return lastName(node.getExpression())
  }
  return undefined
}

const byReceiver = (receiver: Node, names: ReadonlyArray<string>) => {
  const name = lastName(receiver)
  return names.includes(receiver.getText()) || (name !== undefined && names.includes(name))
}

/** What the package's own declarations, or what was imported from it, say. */
const byOrigin = (name: Node, receiver: Node | undefined): boolean => {
  const declarations = name.getSymbol()?.getDeclarations() ?? []
  if (declarations.some((one) => home.test(one.getSourceFile().getFilePath()))) return true
  if (isImported(name.getSymbol())) return true
  const origin = receiver?.getSymbol()?.getDeclarations() ?? []
  return origin.some((declaration) => originsOf(declaration).some(namesOurs)) || namesOurs(calleeOf(receiver))
}

/**
 * Whose it is: `name` is the word `createEntity` where it is used, `type` what a call answers, `receiver` what it is a
 * method of.
 */
export const meant = (
  name: Node,
  type: Type | undefined,
  receiver: Node | undefined,
  receivers: ReadonlyArray<string>,
): Meant => {
  if (receivers.length > 0) {
    return receiver !== undefined && byReceiver(receiver, receivers) ? "ours" : "other"
  }
  if (byOrigin(name, receiver)) return "ours"
  return type === undefined ? "unclear" : byShape(type)
}
