import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Codemod from "../../src/Codemod.js"
import { runHere } from "../Cli/inProcess.js"
import { temporaryFolder } from "../support.js"

/** Embedbox as a host has it installed, as far as its types go. */
const installed = {
  "node_modules/embedbox/package.json": `{"name":"embedbox","type":"module","exports":{"./promise":{"types":"./dist/promise.d.ts"}}}`,
  "node_modules/embedbox/dist/promise.d.ts": `export interface Shell {
  createEntity(input: { content: string }): Promise<{ readonly entityId: string; readonly jobId: string }>
  search(question: string): Promise<ReadonlyArray<string>>
}
export declare const createShell: (options: { database: string }) => Promise<Shell>
`,
  "package.json": `{"type":"module"}`,
}

const settings = (more: object = {}) =>
  JSON.stringify({
    compilerOptions: { module: "nodenext", target: "es2022", strict: true, allowJs: true, ...more },
  })

/** A program of these files below `src`, what the codemod says of it, and its files afterwards. */
const program = (files: { readonly [name: string]: string }, given: Partial<Codemod.Options> = {}) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const sources = Object.entries(files).map(([name, text]) => [`src/${name}`, text] as const)
    for (const [name, text] of [
      ...Object.entries(installed),
      ["tsconfig.json", settings()] as const,
      ...sources,
    ]) {
      const file = join(folder, name)
      yield* Effect.promise(() => mkdir(dirname(file), { recursive: true }).then(() => writeFile(file, text)))
    }
    const path = join(folder, "src")
    const report = yield* Codemod.createEntity({
      receivers: [],
      keepSync: false,
      dryRun: false,
      path,
      ...given,
    })
    const text = (name: string) => Effect.promise(() => readFile(join(path, name), "utf8"))
    const place = ({ file, line }: Codemod.Place) => `${file.split("/").at(-1) ?? ""}:${line}`
    return { path, report, text, place }
  })

const opening = `import { createShell } from "embedbox/promise"
const shell = await createShell({ database: "k.sqlite" })
`

describe("the codemod of createEntity", { timeout: 120_000 }, () => {
  for (const kind of ["ts", "js"]) {
    it.scoped(`follows the method through the modules of a program in ${kind}`, () =>
      Effect.gen(function* () {
        const { report, text } = yield* program({
          [`lib.${kind}`]: `${opening}export const { createEntity } = shell
export const make = shell.createEntity
const { createEntity: inner } = shell
export { inner as outer }
`,
          [`passed.${kind}`]: `export { createEntity as again, make } from "./lib.js"\n`,
          [`use.${kind}`]: `import { createEntity, outer } from "./lib.js"
import { createEntity as ce } from "./lib.js"
import * as lib from "./lib.js"
import { again, make as put } from "./passed.js"
export const a = (await createEntity({ content: "a" })).id
export const b = (await ce({ content: "b" })).id
export const c = (await lib.make({ content: "c" })).id
export const d = (await lib.createEntity({ content: "d" })).id
export const e = (await again({ content: "e" })).id
export const f = (await put({ content: "f" })).id
export const g = (await outer({ content: "g" })).id
`,
        })
        const after = yield* text(`use.${kind}`)
        assert.strictEqual(after.split(")).entityId").length - 1, 7, after)
        assert.deepStrictEqual(
          [report.changed.length, report.reported, report.others, report.unclear],
          [7, [], [], []],
        )
      }),
    )
  }

  it.scoped("tells what leaves the program, and what cannot be followed, once", () =>
    Effect.gen(function* () {
      const { place, report, text } = yield* program({
        "lib.ts": `${opening}export const { createEntity } = shell
export const bound = shell.createEntity.bind(shell)
export const made = ["a"].map((content) => ({ content })).map(shell.createEntity)
export class Notes {
  #shell = shell
  async add(content: string) {
    const made = await this.#shell.createEntity({ content })
    return (made as { id?: string }).id
  }
  async put(content: string) {
    const { jobId } = await this.#shell.createEntity({ content })
    return jobId
  }
}
`,
        "old.cjs": `exports.createEntity = (shell) => shell.createEntity\n`,
      })
      assert.deepStrictEqual(
        report.reported.map((one) => `${place(one)} ${one.reasons.join("; ")}`),
        [
          "lib.ts:3 it is exported, and who imports it is not among these files",
          "lib.ts:4 it is handed on as a function, which cannot be followed",
          "lib.ts:5 it is handed on as a function, which cannot be followed",
          "lib.ts:9 it is said to be of another type",
        ],
      )
      assert.deepStrictEqual([report.kept, report.unclear.map(place)], [1, ["old.cjs:1"]])
      assert.match(yield* text("lib.ts"), /await this\.#shell\.createEntity/)
    }),
  )

  it.scoped("is not misled by the names of the method in types, classes and brackets", () =>
    Effect.gen(function* () {
      const { place, report } = yield* program({
        "types.ts": `export interface Entity { readonly id: string; readonly content: string }
export interface Entities { createEntity(content: string): Promise<Entity>; readonly other: { createEntity: string } }
export class Stored implements Entities {
  readonly other = { createEntity: "x" }
  async createEntity(content: string) { return { id: content, content } }
}
`,
        "use.ts": `import { type Entities, Stored } from "./types.js"
const entities: Entities = new Stored()
export const { createEntity } = entities
export const a = (await createEntity("a")).id
export const b = (await entities["createEntity"]("b")).id
export const made = { createEntity }
`,
        "more.ts": `import { createEntity } from "./use.js"\nvoid createEntity("c")\n`,
      })
      assert.deepStrictEqual(
        [report.changed.map(place), report.reported.map(place), report.kept],
        [["use.ts:4", "use.ts:5"], ["use.ts:6"], 1],
      )
    }),
  )

  it.scoped("does not take a call of it for another's, and tells where those are", () =>
    Effect.gen(function* () {
      const { path, place, report } = yield* program({
        "lib.ts": `${opening}export const createEntity = (content: string) => shell.createEntity({ content })
export const { createEntity: mine } = shell
`,
        "use.ts": `import { createEntity, mine } from "./lib.js"
export const a = await createEntity("a")
export const b = mine({ content: "b" })
`,
      })
      assert.deepStrictEqual(report.others.map(place), ["use.ts:2"])
      assert.deepStrictEqual(
        report.reported.map((one) => `${place(one)} ${one.reasons.join("; ")}`),
        ["lib.ts:3 it is returned", "use.ts:3 it is exported"],
      )
      const told = yield* runHere("", ["codemod", "create-entity", path])
      assert.strictEqual(told.code, 4)
      assert.match(told.stdout, /use\.ts:2:24 {2}is another createEntity\n/)
      assert.match(told.stdout, /2 to look at, 1 of another createEntity\n$/)
      const json = JSON.parse((yield* runHere("", ["codemod", "create-entity", path, "--json"])).stdout)
      assert.deepInclude(json.others[0], { line: 2, column: 24 })
    }),
  )

  it.scoped("leaves void calls alone, also where they are to stay blocking", () =>
    Effect.gen(function* () {
      const { report, text } = yield* program(
        {
          "use.ts": `${opening}void shell.createEntity({ content: "a" })
await shell.createEntity({ content: "b" })
console.log("later")
await shell.createEntity({ content: "c" })
await shell.createEntity({ content: "d" })
console.log(await shell.search("e"))
`,
        },
        { keepSync: true },
      )
      const after = yield* text("use.ts")
      assert.deepStrictEqual(
        report.changed.map(({ line, to }) => `${line} ${to}`),
        ["6 sync", "7 sync"],
      )
      assert.match(after, /^void shell\.createEntity\(/m)
    }),
  )

  it.scoped(
    "leaves and tells what goes through a module, which has no other method than those it gives out",
    () =>
      Effect.gen(function* () {
        const use = `import * as all from "./entities.js"
import * as both from "./both.js"
import { createEntity, own } from "./entities.js"
export const a = (await all.createEntity({ content: "a" })).content
export const b = (await all["createEntity"]({ content: "b" })).content
export const c = (await (await import("./entities.js")).createEntity({ content: "c" })).content
export const d = await import("./entities.js").then((one) => one.createEntity({ content: "d" }))
export const e = (await createEntity({ content: "e" })).content
export const f = (await own.createEntity({ content: "f" })).content
export const g = (await both.createEntity({ content: "g" })).content
export const h = (await both.shell.createEntity({ content: "h" })).content
`
        const { path, place, report, text } = yield* program(
          {
            "entities.ts": `${opening}export const { createEntity, search } = shell
export const own = { createEntity }
`,
            "both.ts": `import { createShell } from "embedbox/promise"
export const shell = await createShell({ database: "k.sqlite" })
export const { createEntity, createEntitySync } = shell
`,
            "old.cjs": `/** @type {import("embedbox/promise").Shell} */
const shell = globalThis.shell
exports.createEntity = shell.createEntity
exports.own = { createEntity: shell.createEntity }
`,
            "use.cjs": `const all = require("./old.cjs")
all.createEntity({ content: "i" }).then((made) => made.content)
all.own.createEntity({ content: "j" }).then((made) => made.content)
`,
            "use.ts": use,
          },
          { keepSync: true },
        )
        assert.deepStrictEqual(
          [report.changed.map(place), report.reported.map(place)],
          [
            ["use.ts:10", "use.ts:11"],
            [
              "entities.ts:4",
              "old.cjs:3",
              "old.cjs:4",
              "use.cjs:2",
              "use.cjs:3",
              "use.ts:4",
              "use.ts:5",
              "use.ts:6",
              "use.ts:7",
              "use.ts:8",
              "use.ts:9",
            ],
          ],
        )
        assert.strictEqual(
          yield* text("use.ts"),
          use.replaceAll(/both(\.shell)?\.createEntity/g, "both$1.createEntitySync"),
        )
        const told = yield* runHere("", ["codemod", "create-entity", path, "--keep-sync"])
        assert.strictEqual(told.code, 4)
      }),
  )

  it.scoped("finds the search right after it by what its name leads to", () =>
    Effect.gen(function* () {
      const { place, report } = yield* program({
        "lib.ts": `import { createShell } from "embedbox/promise"
export const shell = await createShell({ database: "k.sqlite" })
const other = await createShell({ database: "o.sqlite" })
export const { createEntity, search } = shell
export const look = shell.search
export const { search: elsewhere } = other
export const { awaitJob: wait } = shell
`,
        "use.ts": `import * as all from "./lib.js"
import { createEntity, elsewhere, look, search as find, shell as box, wait } from "./lib.js"
export const a = async () => { await createEntity({ content: "a" }); return find("a") }
export const b = async () => { await box.createEntity({ content: "b" }); return look("b") }
export const c = async () => { await createEntity({ content: "c" }); return all.search("c") }
export const d = async () => { await all.createEntity({ content: "d" }); return find("d") }
export const e = async () => {
  const { createEntity: put, search } = box
  await put({ content: "e" })
  return search("e")
}
export const f = async () => { await createEntity({ content: "f" }); return elsewhere("f") }
export const g = async () => { await createEntity({ content: "g" }); await wait("g"); return find("g") }
interface Has { readonly shell: typeof box }
export const h = async (one: Has, two: Has) => {
  await one.shell.createEntity({ content: "h" })
  return two.shell.search("h")
}
`,
      })
      assert.deepStrictEqual(
        report.reported.map((one) => `${place(one)} ${one.reasons.join("; ")}`),
        [3, 4, 5, 6, 9].map(
          (line) => `use.ts:${line} something is searched in line ${line === 9 ? 10 : line}, right after`,
        ),
      )
      assert.strictEqual(report.kept, 3)
    }),
  )
})
