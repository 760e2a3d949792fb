/**
 * What a name leads to: the same method may be called on its object, through a name that was made of it, and through a
 * module that gives such a name out. Who only compares words takes these for different things.
 */
import { Node } from "ts-morph"

/** Where a name is declared, through the modules that pass it on. */
export const declarationsOf = (name: Node): ReadonlyArray<Node> => {
  const symbol = name.getSymbol()
  return (symbol?.getAliasedSymbol() ?? symbol)?.getDeclarations() ?? []
}

/** A method by its own name, and what it is a method of, where that is known. */
export interface Method {
  readonly name: string
  readonly on: Node | undefined
}

/** What a destructured name is a part of. */
export const takenFrom = (element: Node): Node | undefined => {
  const declaration = Node.isBindingElement(element) ? element.getParent().getParent() : undefined
  return Node.isVariableDeclaration(declaration) ? declaration.getInitializer() : undefined
}

/** The method that a declaration makes a name of: `const { search: find } = shell`, `const find = shell.search`. */
const methodOf = (declaration: Node): ReadonlyArray<Method> => {
  if (Node.isBindingElement(declaration)) {
    const word = declaration.getPropertyNameNode() ?? declaration.getNameNode()
    return [{ name: word.getText(), on: takenFrom(declaration) }]
  }
  const value = Node.isVariableDeclaration(declaration) ? declaration.getInitializer() : undefined
  return Node.isPropertyAccessExpression(value) ? [{ name: value.getName(), on: value.getExpression() }] : []
}

/** The method that is called here: as it is written, where no declaration makes a name of another. */
export const called = (callee: Node): Method => {
  if (Node.isParenthesizedExpression(callee) || Node.isNonNullExpression(callee)) {
    return called(callee.getExpression())
  }
  const isAccess = Node.isPropertyAccessExpression(callee)
  const [made] = declarationsOf(isAccess ? callee.getNameNode() : callee).flatMap(methodOf)
  if (made !== undefined) return made
  return isAccess
    ? { name: callee.getName(), on: callee.getExpression() }
    : { name: callee.getText(), on: undefined }
}

const plain = (node: Node) => node.getText().replaceAll(/[?!]/g, "")

/** Where a value is made that there is once; a property of one object is not that of another. */
const madeAt = (value: Node) =>
  declarationsOf(value).filter((one) => Node.isVariableDeclaration(one) || Node.isBindingElement(one))

/** Whether two parts of the code are the same thing: by their words, or by what these lead to. */
export const isSame = (one: Node, other: Node): boolean =>
  plain(one) === plain(other) || madeAt(one).some((its) => madeAt(other).includes(its))

/**
 * Whether a name in an object is one that a module or an object of the host's own gives to the method. The object has no
 * more of the shell than what was put into it, so another method of the shell is not there.
 */
export const isGivenName = (name: Node, receiver: Node): boolean =>
  (receiver.getType().getSymbol()?.getDeclarations() ?? []).some(Node.isSourceFile) ||
  declarationsOf(name).some(
    (one) =>
      Node.isBindingElement(one) ||
      Node.isVariableDeclaration(one) ||
      Node.isShorthandPropertyAssignment(one) ||
      Node.isPropertyAssignment(one),
  )
