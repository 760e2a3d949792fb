/**
 * The calls of a file that are meant, also those through another name, and the places where the method is handed on as a
 * function, which nobody can follow. A declaration of a method of that name is none of them.
 */
import { type CallExpression, Node, type SourceFile } from "ts-morph"
import * as Shape from "./Shape.js"

export const method = "createEntity"
export const syncMethod = "createEntitySync"

/** A call, and where the word is that would have to be another. */
export interface Call {
  readonly kind: "call"
  readonly call: CallExpression
  readonly receiver: Node | undefined
  /** The word; none where the call is through another name. */
  readonly name: Node | undefined
  readonly meant: Shape.Meant
}

/** The method as a value. */
export interface Handed {
  readonly kind: "handed"
  readonly at: Node
  readonly meant: Shape.Meant
}

export type Found = Call | Handed

/** What is called through brackets and marks of the types. */
const callOf = (node: Node): CallExpression | undefined => {
  const parent = node.getParent()
  if (Node.isParenthesizedExpression(parent) || Node.isNonNullExpression(parent)) return callOf(parent)
  return Node.isCallExpression(parent) && parent.getExpression() === node ? parent : undefined
}

/** The name that a value is given by its declaration. */
const aliasOf = (node: Node) => {
  const parent = node.getParent()
  const name = Node.isVariableDeclaration(parent) ? parent.getNameNode() : undefined
  return Node.isIdentifier(name) ? name : undefined
}

/** What the first signature of a method answers: it may be handed on without a call. */
const answerOf = (node: Node) => node.getType().getCallSignatures()[0]?.getReturnType()

/** Calls through a name that stands for the method. */
const through = (alias: Node, receiver: Node | undefined, meant: Shape.Meant): ReadonlyArray<Found> =>
  !Node.isIdentifier(alias)
    ? []
    : alias.findReferencesAsNodes().flatMap((use): ReadonlyArray<Found> => {
        if (use === alias || use.getSourceFile() !== alias.getSourceFile()) return []
        if (Node.isImportSpecifier(use.getParent()) || Node.isBindingElement(use.getParent())) return []
        const call = callOf(use)
        return call === undefined
          ? [{ kind: "handed", at: use, meant }]
          : [{ kind: "call", call, receiver, name: undefined, meant }]
      })

const ofAccess = (
  access: Node,
  name: Node,
  receiver: Node,
  receivers: ReadonlyArray<string>,
): ReadonlyArray<Found> => {
  const call = callOf(access)
  const meant = Shape.meant(name, call?.getReturnType() ?? answerOf(access), receiver, receivers)
  if (call !== undefined) return [{ kind: "call", call, receiver, name, meant }]
  const alias = aliasOf(access)
  return alias === undefined ? [{ kind: "handed", at: access, meant }] : through(alias, receiver, meant)
}

/** `const { createEntity: create } = shell` */
const ofBinding = (element: Node, receivers: ReadonlyArray<string>): ReadonlyArray<Found> => {
  if (!Node.isBindingElement(element)) return []
  const word = element.getPropertyNameNode() ?? element.getNameNode()
  if (word.getText() !== method) return []
  const declaration = element.getParent().getParent()
  const receiver = Node.isVariableDeclaration(declaration) ? declaration.getInitializer() : undefined
  const name = element.getNameNode()
  return through(name, receiver, Shape.meant(word, answerOf(name), receiver, receivers))
}

/** `import { createEntity } from …` */
const ofImport = (specifier: Node, receivers: ReadonlyArray<string>): ReadonlyArray<Found> => {
  if (!Node.isImportSpecifier(specifier) || specifier.getName() !== method) return []
  const name = specifier.getAliasNode() ?? specifier.getNameNode()
  // A function of the host's own is the host's own.
  const isLocal = specifier.getImportDeclaration().isModuleSpecifierRelative()
  const meant = isLocal ? "other" : Shape.meant(name, answerOf(name), undefined, receivers)
  return through(name, undefined, meant)
}

/** All of them, in the order of the file. */
export const inFile = (file: SourceFile, receivers: ReadonlyArray<string>): ReadonlyArray<Found> =>
  file.getDescendants().flatMap((node): ReadonlyArray<Found> => {
    if (Node.isPropertyAccessExpression(node) && node.getName() === method) {
      return ofAccess(node, node.getNameNode(), node.getExpression(), receivers)
    }
    if (Node.isElementAccessExpression(node)) {
      const key = node.getArgumentExpression()
      return Node.isStringLiteral(key) && key.getLiteralText() === method
        ? ofAccess(node, key, node.getExpression(), receivers)
        : []
    }
    return [...ofBinding(node, receivers), ...ofImport(node, receivers)]
  })
