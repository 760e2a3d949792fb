/**
 * The calls that are meant, also those through another name and from another file that imports it, and the places where the
 * method is handed on as a function, which nobody can follow. A declaration of a method of that name is none of them.
 */
import { type CallExpression, Node, type SourceFile } from "ts-morph"
import * as Names from "./Names.js"
import * as Shape from "./Shape.js"

export const method = "createEntity"
export const syncMethod = "createEntitySync"

/** A call, and where the word is that would have to be another. */
export interface Call {
  readonly kind: "call"
  readonly call: CallExpression
  readonly receiver: Node | undefined
  /** The word; none where the call is through a name that was given to the method, which the other one has not. */
  readonly name: Node | undefined
  readonly meant: Shape.Meant
}

/** The method as a value. */
export interface Handed {
  readonly kind: "handed"
  readonly at: Node
  readonly meant: Shape.Meant
  readonly reason: string
}

export type Found = Call | Handed

/** What is looked through. */
export interface Place {
  /** Receivers by name; types and imports tell where none is named. */
  readonly receivers: ReadonlyArray<string>
  /** Whether a file is one of those that are worked on. */
  readonly isAmong: (file: SourceFile) => boolean
}

const handed = (
  at: Node,
  meant: Shape.Meant,
  reason = "it is handed on as a function, which cannot be followed",
): Handed => ({ kind: "handed", at, meant, reason })

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

/** In a list of exports, as a name or as the whole of its entry. */
const isGivenOut = (use: Node) => Node.isExportSpecifier(use) || Node.isExportSpecifier(use.getParent())

/** Where a name is declared, or only passed from module to module; its uses there are uses of it. */
const isPassed = (use: Node) => {
  const parent = use.getParent()
  return (
    Node.isImportSpecifier(parent) ||
    Node.isImportClause(parent) ||
    isGivenOut(use) ||
    Node.isBindingElement(parent) ||
    Node.isFunctionDeclaration(parent) ||
    (Node.isVariableDeclaration(parent) && parent.getNameNode() === use)
  )
}

const isExported = (alias: Node) =>
  alias.getFirstAncestor(Node.isVariableStatement)?.isExported() === true &&
  !alias.getAncestors().some(Node.isBlock)

/** The whole of what stands for a method: `lib.make` where `make` is a name of it. */
const whole = (use: Node) => {
  const parent = use.getParent()
  return Node.isPropertyAccessExpression(parent) && parent.getNameNode() === use ? parent : use
}

/**
 * Whether it is the method's own name in an object, a type or a class: what is taken from an object by its name leads there
 * too. Uses of it are looked at by themselves.
 */
const isOwnName = (use: Node) => {
  const parent = use.getParent()
  return (
    Node.isStringLiteral(use) ||
    (Node.isPropertyAccessExpression(parent) && parent.getNameNode() === use && use.getText() === method) ||
    (Node.isPropertyNamed(parent) && parent.getNameNode() === use) ||
    Node.isMethodSignature(parent)
  )
}

/** Calls through a name that stands for the method, wherever the name has gone. */
const through = (
  alias: Node,
  receiver: Node | undefined,
  meant: Shape.Meant,
  { isAmong }: Place,
): ReadonlyArray<Found> => {
  if (!Node.isIdentifier(alias)) return []
  const uses = alias.findReferencesAsNodes().filter((use) => use !== alias && isAmong(use.getSourceFile()))
  const found = uses.flatMap((use): ReadonlyArray<Found> => {
    if (isPassed(use) || isOwnName(use)) return []
    const value = whole(use)
    const call = callOf(value)
    return call === undefined
      ? [handed(value, meant)]
      : [{ kind: "call", call, receiver, name: undefined, meant }]
  })
  const goesOut = isExported(alias) || uses.some(isGivenOut)
  const isSeen = uses.some((use) => use.getSourceFile() !== alias.getSourceFile())
  return goesOut && !isSeen
    ? [...found, handed(alias, meant, "it is exported, and who imports it is not among these files")]
    : found
}

/** Whether something is given a value here, and not read. */
const isAssigned = (node: Node) => {
  const parent = node.getParent()
  return (
    Node.isBinaryExpression(parent) &&
    parent.getLeft() === node &&
    parent.getOperatorToken().getText() === "="
  )
}

const ofAccess = (access: Node, name: Node, receiver: Node, place: Place): ReadonlyArray<Found> => {
  if (isAssigned(access)) return []
  const call = callOf(access)
  const meant = Shape.meant(name, call?.getReturnType() ?? answerOf(access), receiver, place.receivers)
  if (call !== undefined) {
    const hasOther = receiver.getType().getProperty(syncMethod) !== undefined
    const isFree = hasOther || !Names.isGivenName(name, receiver)
    return [{ kind: "call", call, receiver, name: isFree ? name : undefined, meant }]
  }
  const alias = aliasOf(access)
  return alias === undefined ? [handed(access, meant)] : through(alias, receiver, meant, place)
}

/** `const { createEntity: create } = shell` */
const ofBinding = (element: Node, place: Place): ReadonlyArray<Found> => {
  if (!Node.isBindingElement(element)) return []
  const word = element.getPropertyNameNode() ?? element.getNameNode()
  if (word.getText() !== method) return []
  const receiver = Names.takenFrom(element)
  const name = element.getNameNode()
  return through(name, receiver, Shape.meant(word, answerOf(name), receiver, place.receivers), place)
}

/** Whether a name is declared where it is followed from: as a part of an object, or as another name of the method. */
const isFollowed = (declaration: Node, { isAmong }: Place) =>
  isAmong(declaration.getSourceFile()) &&
  (Node.isBindingElement(declaration) ||
    (Node.isVariableDeclaration(declaration) &&
      Node.isPropertyAccessExpression(declaration.getInitializer())))

/** `import { createEntity } from …` */
const ofImport = (specifier: Node, place: Place): ReadonlyArray<Found> => {
  if (!Node.isImportSpecifier(specifier) || specifier.getName() !== method) return []
  const name = specifier.getAliasNode() ?? specifier.getNameNode()
  const declarations = Names.declarationsOf(name)
  if (declarations.some((one) => isFollowed(one, place))) return []
  // A function of the host's own is the host's own.
  const isOwn =
    specifier.getImportDeclaration().isModuleSpecifierRelative() &&
    declarations.some((one) => Node.isFunctionDeclaration(one) || Node.isVariableDeclaration(one))
  const meant = isOwn ? "other" : Shape.meant(name, answerOf(name), undefined, place.receivers)
  return through(name, undefined, meant, place)
}

/** All that are found from a file. */
export const inFile = (file: SourceFile, place: Place): ReadonlyArray<Found> =>
  file.getDescendants().flatMap((node): ReadonlyArray<Found> => {
    if (Node.isPropertyAccessExpression(node) && node.getName() === method) {
      return ofAccess(node, node.getNameNode(), node.getExpression(), place)
    }
    if (Node.isElementAccessExpression(node)) {
      const key = node.getArgumentExpression()
      return Node.isStringLiteral(key) && key.getLiteralText() === method
        ? ofAccess(node, key, node.getExpression(), place)
        : []
    }
    return [...ofBinding(node, place), ...ofImport(node, place)]
  })

export const nodeOf = (found: Found): Node => (found.kind === "call" ? found.call : found.at)

const certainty: Record<Shape.Meant, number> = { ours: 4, unclear: 2, other: 0 }

/** The more is known of a place, the higher. */
const worth = (found: Found) =>
  certainty[found.meant] + (found.kind === "call" ? 1 : 0) + (found.kind === "call" && found.name ? 0.5 : 0)

/** Each place once, though several ways lead to it, in the order of files and places. */
export const distinct = (all: ReadonlyArray<Found>): ReadonlyArray<Found> => {
  const byPlace = new Map<string, Found>()
  for (const found of all) {
    const node = nodeOf(found)
    const key = `${node.getSourceFile().getFilePath()}\u0000${node.getStart()}`
    const known = byPlace.get(key)
    if (known === undefined || worth(found) > worth(known)) byPlace.set(key, found)
  }
  return [...byPlace.values()]
}
