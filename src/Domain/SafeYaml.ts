/**
 * YAML that strangers wrote, read without harm. A few thousand dashes in a row make the parser recurse until the whole
 * process dies of it, tens of thousands of keys or aliases keep it busy for a minute, and some keys and numbers cannot be
 * had without a guess: so how deep it goes is looked at first, token by token, and what would be a guess is refused or
 * kept as the text that stands there.
 */
import * as Either from "effect/Either"
import * as Yaml from "yaml"

/** Parts that are open at once. JSON may be nested 64 deep, and a list of objects opens two. */
const maxDepth = 160

/** In all. Each costs a look at the whole document. */
const maxAliasCount = 50

const tooManyAliases = "an alias is used too often"

/** What would cost too much. None of the steps here recurses. */
const flawOfShape = (source: string): string | undefined => {
  const parser = new Yaml.Parser()
  let aliases = 0
  for (const lexeme of new Yaml.Lexer().lex(source)) {
    if (Yaml.CST.tokenType(lexeme) === "alias" && ++aliases > maxAliasCount) return tooManyAliases
    Array.from(parser.next(lexeme))
    if (parser.stack.length > maxDepth) return "is nested too deeply"
  }
  return undefined
}

/** Makes every key a text, as it stands there; or says why one is none. Two that come out the same would hide each other. */
const flawOfKeys = (document: Yaml.Document.Parsed): string | undefined => {
  let flaw: string | undefined
  Yaml.visit(document, {
    Map: (_, { items }) => {
      const names = new Set<unknown>()
      for (const { key } of items) {
        if (!Yaml.isScalar(key) || key.value === null) flaw = "a key is no text"
        else {
          if (typeof key.value !== "string") key.value = key.source ?? String(key.value)
          if (names.has(key.value)) flaw = `Map keys must be unique: ${String(key.value)}`
          names.add(key.value)
        }
        if (flaw !== undefined) return Yaml.visit.BREAK
      }
      return undefined
    },
  })
  return flaw
}

const integer = /^(?:[-+]?\d+|0x[\dA-Fa-f]+|0o[0-7]+)$/u

/** A whole number of so many digits that a number in JSON would be another one. */
const isBeyond = ({ source = "", value }: Yaml.Scalar) =>
  typeof value === "number" &&
  !Number.isSafeInteger(value) &&
  integer.test(source) &&
  source !== JSON.stringify(value) &&
  BigInt(source) !== BigInt(value)

/** The document, or why it cannot be read. */
export const parse = (source: string): Either.Either<Yaml.Document.Parsed, string> => {
  const shape = flawOfShape(source)
  if (shape !== undefined) return Either.left(shape)
  const lineCounter = new Yaml.LineCounter()
  const document = Yaml.parseDocument(source, {
    version: "1.2",
    schema: "core",
    logLevel: "silent",
    lineCounter,
    // Each of a hundred thousand errors would be made pretty, with the source around it; and each key compared with each.
    prettyErrors: false,
    uniqueKeys: false,
  })
  // A tag that is not known is a warning only, and its value a guess.
  const [problem] = [...document.errors, ...document.warnings]
  if (problem !== undefined) {
    const { col, line } = lineCounter.linePos(problem.pos[0])
    return Either.left(`${problem.message} at line ${line}, column ${col}`)
  }
  const flaw = flawOfKeys(document)
  return flaw === undefined ? Either.right(document) : Either.left(flaw)
}

/** What a document means in JSON, as far as it means something there. */
export const valueOf = (document: Yaml.Document.Parsed): Either.Either<unknown, string> => {
  Yaml.visit(document, {
    Scalar: (_, node) => {
      if (isBeyond(node)) node.value = node.source
    },
  })
  return Either.try({
    try: (): unknown => document.toJS({ maxAliasCount }),
    catch: () => tooManyAliases,
  })
}
