/**
 * What hosts are told is held against what is true: every export of the entry points says what it is, every module has an
 * example, and every example compiles, as do the code blocks of the README.
 */
import { describe, expect, it } from "vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import ts from "typescript"
import { examplesIn, exportsOf, programOf, root } from "./Program.js"

const program = programOf()
const exported = exportsOf(program)

const sources = Fs.readdirSync(Path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => Path.join("src", name))

const examples = new Map(
  sources.map((file) => [file, examplesIn(Fs.readFileSync(Path.join(root, file), "utf8"))]),
)

/** What the compiler says of these texts, each with the line that it does not like. */
const flawsOf = (texts: ReadonlyMap<string, string>) => {
  const virtual = new Map(
    [...texts].map(([name, text]) => [
      Path.join(root, "scratchpad", `${name.replaceAll(/[^a-zA-Z0-9]+/g, "-")}.example.ts`),
      // Each is a module, whether it imports anything or not.
      `${text}\nexport {}\n`,
    ]),
  )
  const compiled = programOf(virtual)
  return [...virtual].flatMap(([file, text]) => {
    const source = compiled.getSourceFile(file)
    return [...compiled.getSyntacticDiagnostics(source), ...compiled.getSemanticDiagnostics(source)].map(
      ({ messageText, start = 0 }) =>
        `${Path.basename(file)}: ${ts.flattenDiagnosticMessageText(messageText, "\n")} at ${
          text.slice(start).split("\n")[0]
        }`,
    )
  })
}

describe("the documentation", () => {
  it("has a word for every export", () => {
    const checker = program.getTypeChecker()
    const silent = exported.filter(
      ({ isModule, symbol }) => !isModule && symbol.getDocumentationComment(checker).length === 0,
    )
    expect(exported.length).toBeGreaterThan(200)
    expect(silent.map(({ file, name }) => `${name} (${file})`)).toEqual([])
  })

  it("has an example for every module", () => {
    const without = exported.filter(
      ({ file, isModule }) => isModule && (examples.get(file) ?? []).length === 0,
    )
    expect(without.map(({ name }) => name)).toEqual([])
  })

  it("compiles, every example and every code block of it", () => {
    const texts = new Map(
      [...examples].flatMap(([file, found]) => found.map((text, at) => [`${file} ${at}`, text] as const)),
    )
    for (const file of ["README.md", "docs/migration.md"]) {
      const blocks = Fs.readFileSync(Path.join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)
      for (const [at, [, text = ""]] of [...blocks].entries()) texts.set(`${file} ${at}`, text)
    }
    expect(texts.size).toBeGreaterThan(10)
    expect(flawsOf(texts)).toEqual([])
    // That it would be seen.
    expect(flawsOf(new Map([["wrong", 'import { nothing } from "embedbox/promise"']]))).toHaveLength(1)
  })

  it("links to nothing that is not in the package", () => {
    const manifest: { readonly files: ReadonlyArray<string> } = JSON.parse(
      Fs.readFileSync(Path.join(root, "package.json"), "utf8"),
    )
    const isPacked = (file: string) =>
      manifest.files.some((one) => file === one || file.startsWith(`${one}/`))
    const packed = ["README.md", "CHANGELOG.md", ".changeset/README.md", "docs/migration.md"]
    expect(packed.filter((file) => !isPacked(file))).toEqual([])
    const links = packed.flatMap((file) =>
      [...Fs.readFileSync(Path.join(root, file), "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
        ([, to = ""]) => Path.join(Path.dirname(file), to),
      ),
    )
    expect(links).toContain("docs/migration.md")
    expect(links.filter((file) => !isPacked(file) || !Fs.existsSync(Path.join(root, file)))).toEqual([])
  })
})
