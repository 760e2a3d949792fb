/** Who called is told by its own file and line however a host is run, for its author has to find it. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { execFile } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import ts from "typescript"
import { temporaryFolder } from "../support.js"
import { script } from "../support/programs.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const module = "EntityService/Deprecation"

const put = (folder: string, files: { readonly [name: string]: string }) => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

/** A host that has the package as it is installed: compiled, with maps that name sources which are not there. */
const host = Effect.map(temporaryFolder, (folder) => {
  const { outputText, sourceMapText = "" } = ts.transpileModule(
    readFileSync(join(root, `src/${module}.ts`), "utf8"),
    {
      fileName: `${module}.ts`,
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, sourceMap: true },
    },
  )
  const map = { ...JSON.parse(sourceMapText), sources: [`../../src/${module}.ts`] }
  const program = `import { callSite, createEntitySync, warn } from "embedbox"
import { Effect } from "effect"
export interface Nothing {
  readonly none: true
}
export const calls = () => {
  for (const again of [1, 2]) void [again, Effect.runSync(warn(createEntitySync, callSite()))]
  Effect.runSync(warn(createEntitySync, callSite()))
}
`
  put(folder, {
    "node_modules/embedbox/package.json": `{"name":"embedbox","type":"module","exports":"./dist/${module}.js"}`,
    [`node_modules/embedbox/dist/${module}.js`]: outputText,
    [`node_modules/embedbox/dist/${module}.js.map`]: JSON.stringify(map),
    "package.json": `{"type":"module"}`,
    "host.ts": `${program}if (process.env["VITEST"] === undefined) calls()\n`,
    "plain.js": `import { callSite, createEntitySync, warn } from "embedbox"
import { Effect } from "effect"
for (const again of [1, 2]) void [again, Effect.runSync(warn(createEntitySync, callSite()))]
Effect.runSync(warn(createEntitySync, callSite()))
`,
    "host.test.ts": `import { test } from "vitest"
import { calls } from "./host.js"
test("calls", () => calls())
`,
  })
  for (const name of ["effect", "vitest"]) {
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name))
  }
  return folder
})

const cases: ReadonlyArray<
  readonly [name: string, args: ReadonlyArray<string>, places: ReadonlyArray<string>]
> = [
  ["node", ["plain.js"], ["plain.js:3:80", "plain.js:4:39"]],
  ["node with source maps", ["--enable-source-maps", "plain.js"], ["plain.js:3:80", "plain.js:4:39"]],
  ["tsx", script("host.ts"), ["host.ts:7:82", "host.ts:8:41"]],
  [
    "vitest",
    [join(root, "node_modules/vitest/vitest.mjs"), "run", "--root", "."],
    ["host.ts:7:82", "host.ts:8:41"],
  ],
]

describe("the place that calls", { timeout: 120_000 }, () => {
  for (const [name, args, places] of cases) {
    it.scopedLive(`is the host's under ${name}, told once`, () =>
      Effect.gen(function* () {
        const folder = yield* host
        const env = { ...process.env }
        for (const name of Object.keys(env)) if (/VITEST|NODE_OPTIONS/.test(name)) delete env[name]
        const { stderr } = yield* Effect.promise(() =>
          promisify(execFile)(process.execPath, args, { cwd: folder, env }),
        )
        const told = [...stderr.matchAll(/EMBEDBOX_DEP0001.*\(called at (.*)\)/g)].map(
          ([, place = ""]) => place,
        )
        assert.deepStrictEqual(
          told,
          places.map((place) => join(folder, place)),
          stderr,
        )
      }),
    )
  }
})
