/**
 * Whether something is looked for right after a call: by meaning it would have been found when the call was over, and now is
 * not. Whoever waits for the job in between has seen to that, and whoever does not wait for the call never could be sure.
 */
import { Node } from "ts-morph"
import * as Names from "./Names.js"

const isSearch = (name: string) => /search|^related$|similar/i.test(name)
const isWait = (name: string) => /^await(?:Job|Searchable)$/.test(name)

const isFunction = (node: Node | undefined) =>
  Node.isFunctionDeclaration(node) ||
  Node.isFunctionExpression(node) ||
  Node.isArrowFunction(node) ||
  Node.isMethodDeclaration(node) ||
  Node.isConstructorDeclaration(node) ||
  Node.isGetAccessorDeclaration(node) ||
  Node.isSetAccessorDeclaration(node)

/** The function in which something stands, or the whole file. */
const bodyOf = (node: Node): Node => node.getFirstAncestor(isFunction) ?? node.getSourceFile()

const isStatement = Node.isStatement

/** What is called, by the method's own name. */
const calleeOf = (call: Node): Names.Method =>
  Node.isCallExpression(call) ? Names.called(call.getExpression()) : { name: "", on: undefined }

/** The expression that a call is part of, within its function. */
const expressionOf = (node: Node): Node => {
  const parent = node.getParent()
  return parent === undefined || isStatement(parent) || isFunction(parent) ? node : expressionOf(parent)
}

/** Whether somebody waits until it is done; what is let go was never sure to be found. */
const isAwaited = (node: Node): boolean => {
  const parent = node.getParent()
  if (Node.isAwaitExpression(parent) || Node.isYieldExpression(parent)) return true
  if (parent === undefined || Node.isVoidExpression(parent) || Node.isExpressionStatement(parent))
    return false
  return isStatement(parent) || isFunction(parent) || isAwaited(parent)
}

/** What comes behind a statement, in its block and behind those around it, as far as its function goes. */
const following = (statement: Node, body: Node): ReadonlyArray<Node> => {
  const parent = statement.getParent()
  // What is not a list of statements has others in place of one, not behind it.
  const isListed =
    Node.isBlock(parent) ||
    Node.isSourceFile(parent) ||
    Node.isCaseClause(parent) ||
    Node.isDefaultClause(parent)
  const siblings = isListed ? statement.getNextSiblings().filter(isStatement) : []
  const around = statement.getFirstAncestor((one) => one === body || isStatement(one))
  return around === undefined || around === body ? siblings : [...siblings, ...following(around, body)]
}

/** Names that a statement declares. */
const declaredBy = (statement: Node) =>
  Node.isVariableStatement(statement)
    ? statement
        .getDeclarations()
        .flatMap((one) => [one.getNameNode(), ...one.getNameNode().getDescendants()])
        .flatMap((one) => (Node.isIdentifier(one) ? [one.getText()] : []))
    : []

/**
 * The search on the same receiver that comes right after the call: in the same expression, or in the next statement but for
 * others that create something there and those that only deal with what the call answered.
 */
export const after = (call: Node, receiver: Node | undefined): Node | undefined => {
  const wanted = calleeOf(call).on ?? receiver
  const isOnIt = ({ on }: Names.Method) =>
    wanted === undefined || (on !== undefined && Names.isSame(on, wanted))
  const isMeant = (other: Node) => isSearch(calleeOf(other).name) && isOnIt(calleeOf(other))
  const body = bodyOf(call)
  const whole = expressionOf(call)
  const within = [whole, ...whole.getDescendants()]
    .filter((other) => other.getEnd() > call.getEnd())
    .find((other) => isMeant(other) || isWait(calleeOf(other).name))
  if (within !== undefined) return isMeant(within) ? within : undefined
  const statement = call.getFirstAncestor(isStatement)
  if (statement === undefined || bodyOf(statement) !== body || !isAwaited(call)) return undefined
  const names = declaredBy(statement)
  for (const next of following(statement, body)) {
    // Functions that are only made there run some other time.
    const parts = [next, ...next.getDescendants()].filter((one) => bodyOf(one) === body)
    if (parts.some((one) => isWait(calleeOf(one).name))) return undefined
    const search = parts.find(isMeant)
    if (search !== undefined) return search
    const creates = next
      .getDescendants()
      .some((one) => calleeOf(one).name.startsWith("create") && isOnIt(calleeOf(one)))
    const uses = parts.some((one) => Node.isIdentifier(one) && names.includes(one.getText()))
    if (!creates && !uses) return undefined
  }
  return undefined
}
