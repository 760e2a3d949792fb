/**
 * Whether something is looked for behind a call, in the same function: by meaning it would have been found when the call
 * was over, and now is not. Whoever waits for the job in between has seen to that.
 */
import { Node } from "ts-morph"

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

/** The statement in which a call stands: what it is handed, such as the function of a `then`, runs behind the call. */
const statementOf = (node: Node) => node.getFirstAncestor(Node.isStatement)

/** The first search on the same receiver that stands behind the call. */
export const after = (call: Node, receiver: Node | undefined): Node | undefined => {
  const wanted = receiver?.getText().replaceAll(/[?!]/g, "")
  const body = bodyOf(call)
  const statement = statementOf(call)
  for (const other of body.getDescendants()) {
    if (!Node.isCallExpression(other) || other.getEnd() <= call.getEnd()) continue
    // Functions that are only made here run some other time.
    if (bodyOf(other) !== body && !other.getAncestors().some((one) => one === statement)) continue
    const callee = other.getExpression()
    const [name, on] = Node.isPropertyAccessExpression(callee)
      ? [callee.getName(), callee.getExpression().getText().replaceAll(/[?!]/g, "")]
      : [callee.getText(), undefined]
    if (isWait(name)) return undefined
    if (isSearch(name) && (on === wanted || wanted === undefined)) return other
  }
  return undefined
}
