/**
 * What becomes of the result of a call: the old one is the stored entity, the new one a receipt. Where nothing but the id
 * is read of it, the call can stay as it is and the reads are rewritten; everything else, and all that cannot be followed,
 * is told to the user. Nothing here guesses: what is not known to be harmless is a reason to report.
 */
import { Node } from "ts-morph"

/** A piece of text in place of another. */
export interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** Edits that make it right, and reasons why they cannot. */
export interface Verdict {
  readonly edits: ReadonlyArray<Edit>
  readonly reasons: ReadonlyArray<string>
}

const harmless: Verdict = { edits: [], reasons: [] }
const because = (reason: string): Verdict => ({ edits: [], reasons: [reason] })
const all = (verdicts: ReadonlyArray<Verdict>): Verdict => ({
  edits: verdicts.flatMap(({ edits }) => edits),
  reasons: [...new Set(verdicts.flatMap(({ reasons }) => reasons))],
})

/** What is at hand: a promise or effect of the result, or the result. */
type Kind = "pending" | "result"

const shown = (node: Node) => {
  const text = node.getText().replace(/\s+/g, " ")
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}

/** What a receipt has. */
const ofReceipt = ["entityId", "jobId"]

/** A read of one property. */
const read = (name: string, at: Node, rename: (text: string) => string): Verdict =>
  name === "id"
    ? { edits: [{ from: at.getStart(), to: at.getEnd(), text: rename("entityId") }], reasons: [] }
    : ofReceipt.includes(name)
      ? harmless
      : because(`its ${name} is read`)

/** The parts into which a result is taken apart. */
const ofPattern = (pattern: Node): Verdict => {
  if (!Node.isObjectBindingPattern(pattern)) return because("it is taken apart as a list")
  return all(
    pattern.getElements().map((element) => {
      if (element.getDotDotDotToken() !== undefined) return because("all of it is taken apart")
      const property = element.getPropertyNameNode()
      const name = element.getNameNode()
      if (property === undefined) {
        return read(name.getText(), name, (text) => `${text}: ${name.getText()}`)
      }
      return Node.isIdentifier(property)
        ? read(property.getText(), property, (text) => text)
        : because("it is taken apart by a computed name")
    }),
  )
}

/** Every use of a name. */
const ofName = (name: Node, kind: Kind): Verdict => {
  if (!Node.isIdentifier(name)) return because("it cannot be followed")
  const uses = name.findReferencesAsNodes().filter((use) => use !== name)
  const elsewhere = uses.filter((use) => use.getSourceFile() !== name.getSourceFile())
  if (elsewhere.length > 0) return because(`${name.getText()} is used in another file`)
  return all(uses.map((use) => of(use, kind)))
}

/** What a declared name is used for. */
const ofDeclaration = (declaration: Node, kind: Kind): Verdict => {
  if (!Node.isVariableDeclaration(declaration) && !Node.isParameterDeclaration(declaration)) {
    return because("it cannot be followed")
  }
  const type = declaration.getTypeNode()
  if (type !== undefined) return because(`it is declared to be ${shown(type)}`)
  const statement = declaration.getFirstAncestor(Node.isVariableStatement)
  if (statement?.isExported() === true && Node.isVariableDeclaration(declaration)) {
    return because("it is exported")
  }
  const name = declaration.getNameNode()
  if (Node.isIdentifier(name)) return ofName(name, kind)
  return kind === "result" ? ofPattern(name) : because("it is taken apart before it is awaited")
}

/** What the function that `then` is given does with the result. */
const ofHandler = (handler: Node | undefined): Verdict => {
  if (!Node.isArrowFunction(handler) && !Node.isFunctionExpression(handler)) {
    return because(handler === undefined ? "it cannot be followed" : `it is passed to ${shown(handler)}`)
  }
  const [parameter] = handler.getParameters()
  return parameter === undefined ? harmless : ofDeclaration(parameter, "result")
}

/** Methods of a promise whose own result is that of the promise. */
const passing = ["catch", "finally"]

/** A method of something that is not there yet. */
const ofMethod = (access: Node, name: string): Verdict => {
  const call = access.getParent()
  if (!Node.isCallExpression(call) || call.getExpression() !== access) return because(`its ${name} is taken`)
  if (name === "then") return ofHandler(call.getArguments()[0])
  return passing.includes(name) ? of(call, "pending") : because(`it goes through ${name}`)
}

/** Functions that do nothing with what a function they call answers. */
const isForEach = (node: Node | undefined) =>
  Node.isCallExpression(node) &&
  Node.isPropertyAccessExpression(node.getExpression()) &&
  node.getExpression().getText().endsWith("forEach")

/** Whether all that is said of a value is that it is there. */
const ofUnused = (node: Node, reason: string): Verdict => {
  const verdict = of(node, "pending")
  return verdict.reasons.length === 0 && verdict.edits.length === 0 ? harmless : because(reason)
}

/** `Promise.all([…])` and the like, whose answer nobody looks at. */
const ofList = (list: Node): Verdict => {
  const call = list.getParent()
  const reason = "it is put into a list"
  return Node.isCallExpression(call) && /^Promise\.(?:all|allSettled)$/.test(call.getExpression().getText())
    ? ofUnused(call, "it is one of several results")
    : because(reason)
}

/** What becomes of a value. */
export const of = (node: Node, kind: Kind): Verdict => {
  const parent = node.getParent()
  if (Node.isExpressionStatement(parent) || Node.isVoidExpression(parent)) return harmless
  if (Node.isParenthesizedExpression(parent) || Node.isNonNullExpression(parent)) return of(parent, kind)
  if (Node.isAwaitExpression(parent)) return of(parent, "result")
  if (Node.isYieldExpression(parent)) {
    return parent.getAsteriskToken() === undefined ? because("it is yielded") : of(parent, "result")
  }
  if (Node.isPropertyAccessExpression(parent) && parent.getExpression() === node) {
    const name = parent.getNameNode()
    return kind === "pending" ? ofMethod(parent, name.getText()) : read(name.getText(), name, (text) => text)
  }
  if (Node.isElementAccessExpression(parent) && parent.getExpression() === node) {
    const key = parent.getArgumentExpression()
    return Node.isStringLiteral(key) && kind === "result"
      ? read(
          key.getLiteralText(),
          key,
          (text) => `${key.getText().slice(0, 1)}${text}${key.getText().slice(-1)}`,
        )
      : because("a computed part of it is read")
  }
  if (Node.isVariableDeclaration(parent)) return ofDeclaration(parent, kind)
  if (Node.isArrowFunction(parent)) {
    return isForEach(parent.getParent()) ? harmless : because("it is returned")
  }
  if (Node.isReturnStatement(parent)) return because("it is returned")
  if (Node.isIfStatement(parent)) return harmless
  if (Node.isCallExpression(parent) || Node.isNewExpression(parent)) {
    return because(`it is passed to ${shown(parent.getExpression())}`)
  }
  if (Node.isArrayLiteralExpression(parent)) return ofList(parent)
  if (Node.isBinaryExpression(parent)) {
    const operator = parent.getOperatorToken().getText()
    if (operator === "=") return because(`it is assigned to ${shown(parent.getLeft())}`)
    return /^(?:&&|\|\||\?\?|,)$/.test(operator) && parent.getRight() === node
      ? ofUnused(parent, `it is used with ${operator}`)
      : because(`it is used with ${operator}`)
  }
  if (Node.isConditionalExpression(parent)) return ofUnused(parent, "it is one of two values")
  if (Node.isAsExpression(parent) || Node.isSatisfiesExpression(parent) || Node.isTypeAssertion(parent)) {
    return because("it is said to be of another type")
  }
  return because(parent === undefined ? "it cannot be followed" : `it is used in ${shown(parent)}`)
}
