/** The entry points as the compiler sees them: one program for all that is asked of their documentation. */
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** Every entry point by its name. */
export const entries: ReadonlyMap<string, string> = new Map(
  ["index", "promise", "testing"].map((name) => [name, Path.join(root, "src", `${name}.ts`)]),
)

/** Texts that are compiled as if they were files. */
export type Virtual = ReadonlyMap<string, string>

/** The options of this repository, without what only a build needs. */
const options = (): ts.CompilerOptions => {
  const { config } = ts.readConfigFile(Path.join(root, "tsconfig.json"), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  return { ...options, noEmit: true, noUnusedLocals: false, noUnusedParameters: false }
}

/** A program over the entry points and these texts. */
export const programOf = (virtual: Virtual = new Map()): ts.Program => {
  const compilerOptions = options()
  const host = ts.createCompilerHost(compilerOptions, true)
  const { fileExists, getSourceFile, readFile } = host
  return ts.createProgram({
    rootNames: [...entries.values(), ...virtual.keys()],
    options: compilerOptions,
    host: {
      ...host,
      fileExists: (file) => virtual.has(file) || fileExists(file),
      readFile: (file) => virtual.get(file) ?? readFile(file),
      getSourceFile: (file, ...rest) => {
        const text = virtual.get(file)
        return text === undefined
          ? getSourceFile(file, ...rest)
          : ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
      },
    },
  })
}

/** Something that a host can import: `index.EntityService.layer`. */
export interface Exported {
  readonly name: string
  readonly symbol: ts.Symbol
  /** Where it is declared. */
  readonly file: string
  /** It is a module of exports. */
  readonly isModule: boolean
}

/** Everything that hosts can import. */
export const exportsOf = (program: ts.Program): ReadonlyArray<Exported> => {
  const checker = program.getTypeChecker()
  const within = (prefix: string, module: ts.Symbol): ReadonlyArray<Exported> =>
    checker.getExportsOfModule(module).flatMap((given) => {
      const name = `${prefix}.${given.name}`
      const symbol = given.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(given) : given
      const isModule = (symbol.flags & ts.SymbolFlags.ValueModule) !== 0
      const file = Path.relative(root, symbol.declarations?.[0]?.getSourceFile().fileName ?? "")
      return [{ name, symbol, file, isModule }, ...(isModule ? within(name, symbol) : [])]
    })
  return [...entries].flatMap(([name, file]) => {
    const source = program.getSourceFile(file)
    const module = source && checker.getSymbolAtLocation(source)
    return module === undefined ? [] : within(name, module)
  })
}

/** The `@example`s of a file's comments, without their stars. */
export const examplesIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap(([comment]) =>
    comment
      .replace(/^\/\*\*/, "")
      .replace(/\*\/$/, "")
      .replaceAll(/^[^\S\n]*\* ?/gm, "")
      .split(/^@/m)
      .flatMap((tag) => (tag.startsWith("example") ? [tag.slice("example".length).trim()] : [])),
  )
