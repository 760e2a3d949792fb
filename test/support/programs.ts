/**
 * How tests run the programs. TypeScript costs each start two seconds of a core, and there are hundreds of starts; so
 * where there is a build of these very sources, as in CI, it is that which runs. It takes no build to run the tests.
 */
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** By its place, because a program may be started in another folder. */
const tsx = new URL("../../node_modules/tsx/dist/loader.mjs", import.meta.url).href

const changedAt = (file: string) => statSync(join(root, file)).mtimeMs

const isBuilt = () => {
  if (!existsSync(join(root, "dist/.tsbuildinfo"))) return false
  const built = changedAt("dist/.tsbuildinfo")
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join("src", file))
  return [...sources, "package.json", "tsconfig.json", "tsconfig.build.json"].every(
    (file) => changedAt(file) < built,
  )
}

const built = isBuilt()

/** An entry point; one that is no program is only imported. */
export type Program = "bin.ts" | "main.ts" | "index.ts" | "promise.ts" | "testing.ts"

/** What Node is given to run a file of TypeScript. */
export const script = (file: string): ReadonlyArray<string> => ["--import", tsx, file]

/** What Node is given to run an entry point from its source. */
export const sourceOf = (program: Program): ReadonlyArray<string> => script(join(root, "src", program))

/** The same from its build, where that is not older than any source. */
export const program = (program: Program): ReadonlyArray<string> =>
  built ? [join(root, "dist", program.replace(/\.ts$/, ".js"))] : sourceOf(program)
