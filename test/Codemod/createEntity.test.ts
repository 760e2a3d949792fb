import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Codemod from "../../src/Codemod.js"
import { runHere } from "../Cli/inProcess.js"
import { temporaryFolder } from "../support.js"

/** A host's own types, as they were: `createEntity` answers what it stored. */
const types = `interface Entity { readonly id: string; readonly entityType: string; readonly content: string }
interface Shell {
  createEntity(input: { readonly content: string }): Promise<Entity>
  search(question: string): Promise<ReadonlyArray<Entity>>
  getEntity(id: string): Promise<Entity>
  awaitJob(jobId: string): Promise<void>
}
declare const shell: Shell
declare const log: (...values: ReadonlyArray<unknown>) => void
declare const save: (entity: Entity) => void
`

const inFunction = (body: string) => `${types}export async function work() {\n${body}\n}\n`

const options = { receivers: [], keepSync: false, dryRun: false }

/** A program of these files, the codemod on it, and its files afterwards. */
const program = (files: { readonly [name: string]: string }) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    for (const [name, text] of Object.entries(files)) {
      const file = join(folder, name)
      yield* Effect.promise(() => mkdir(dirname(file), { recursive: true }).then(() => writeFile(file, text)))
    }
    return {
      folder,
      run: (given: Partial<Codemod.Options> = {}) =>
        Codemod.createEntity({ ...options, path: folder, ...given }),
      text: (name: string) => Effect.promise(() => readFile(join(folder, name), "utf8")),
    }
  })

/** What becomes of bodies of functions, each in a file of its own. */
const changed = (bodies: ReadonlyArray<string>, given: Partial<Codemod.Options> = {}) =>
  Effect.gen(function* () {
    const names = bodies.map((_, at) => `${at}`.padStart(3, "0") + ".ts")
    const { run, text } = yield* program(
      Object.fromEntries(names.map((name, at) => [name, inFunction(`  ${bodies[at] ?? ""}`)])),
    )
    const report = yield* run(given)
    const texts = yield* Effect.forEach(names, text)
    return {
      report,
      bodies: texts.map((after) => after.slice(inFunction("").indexOf("\n\n}") + 3, -3)),
    }
  })

/** A body, and what it becomes: only the id is read. */
const rewritten: ReadonlyArray<readonly [before: string, after: string]> = [
  [
    `const e = await shell.createEntity({ content: "x" }) // stays\n  log(e.id,  e?.id, e!.id, e["id"])`,
    `const e = await shell.createEntity({ content: "x" }) // stays\n  log(e.entityId,  e?.entityId, e!.entityId, e["entityId"])`,
  ],
  [
    `const { id } = await shell.createEntity({ content: "x" }); log(id)`,
    `const { entityId: id } = await shell.createEntity({ content: "x" }); log(id)`,
  ],
  [
    `const { /* the id */ id: mine = "none" } = await shell.createEntity({ content: "x" }); log(mine)`,
    `const { /* the id */ entityId: mine = "none" } = await shell.createEntity({ content: "x" }); log(mine)`,
  ],
  [
    `log((await shell.createEntity({ content: "x" })).id)`,
    `log((await shell.createEntity({ content: "x" })).entityId)`,
  ],
  [
    `await shell.createEntity({ content: "x" }).then((made) => log(made.id)).catch(log)`,
    `await shell.createEntity({ content: "x" }).then((made) => log(made.entityId)).catch(log)`,
  ],
  [
    `await shell.createEntity({ content: "x" }).finally(log).then(function ({ id }) { return id })`,
    `await shell.createEntity({ content: "x" }).finally(log).then(function ({ entityId: id }) { return id })`,
  ],
  [
    `const pending = shell.createEntity({ content: "x" })\n  log((await pending).id)`,
    `const pending = shell.createEntity({ content: "x" })\n  log((await pending).entityId)`,
  ],
  [
    `const create = shell.createEntity\n  const e = await create({ content: "x" })\n  log(e.id)`,
    `const create = shell.createEntity\n  const e = await create({ content: "x" })\n  log(e.entityId)`,
  ],
  [
    `const { createEntity: make } = shell\n  const e = await make({ content: "x" })\n  if (e) log(e.id)`,
    `const { createEntity: make } = shell\n  const e = await make({ content: "x" })\n  if (e) log(e.entityId)`,
  ],
  [
    `const e = await (shell as Shell | undefined)?.createEntity?.({ content: "x" })\n  log(e?.id)`,
    `const e = await (shell as Shell | undefined)?.createEntity?.({ content: "x" })\n  log(e?.entityId)`,
  ],
  [
    `const e = await shell["createEntity"]({ content: "x" })\n  ;(() => log(e.id))()`,
    `const e = await shell["createEntity"]({ content: "x" })\n  ;(() => log(e.entityId))()`,
  ],
]

/** A body that is right as it is: nothing is read of the result. */
const kept: ReadonlyArray<string> = [
  `await shell.createEntity({ content: "x" })`,
  `void shell.createEntity({ content: "x" })`,
  `;["a"].forEach((content) => shell.createEntity({ content }))`,
  `await Promise.all([shell.createEntity({ content: "a" }), shell.createEntity({ content: "b" })])`,
  `log("x"), await shell.createEntity({ content: "a" })`,
  `await shell.createEntity({ content: "a" }); log(await shell.getEntity("a"))`,
  // Who does not wait was never sure to find it, and what comes later or elsewhere is no matter of the call.
  `void shell.createEntity({ content: "a" })\n  await shell.search("a")`,
  `shell.createEntity({ content: "a" })\n  await shell.search("a")`,
  `await shell.createEntity({ content: "a" })\n  log("b")\n  await shell.search("a")`,
  `if (log.length > 0) await shell.createEntity({ content: "a" })\n  else await shell.search("a")`,
  `await shell.createEntity({ content: "a" }).then(() => shell.awaitJob("a")).then(() => shell.search("a"))`,
]

/** A body that needs the entity at once, and why. */
const wanted: ReadonlyArray<readonly [body: string, why: RegExp]> = [
  [`const e = await shell.createEntity({ content: "x" })\n  log(e.id, e.content)`, /^its content is read$/],
  [`log((await shell.createEntity({ content: "x" })).entityType)`, /its entityType is read/],
  [`const { id, content } = await shell.createEntity({ content: "x" }); log(id, content)`, /its content is/],
  [`const { id, ...rest } = await shell.createEntity({ content: "x" }); log(id, rest)`, /all of it is taken/],
  [`save(await shell.createEntity({ content: "x" }))`, /it is passed to save/],
  [`const e = await shell.createEntity({ content: "x" })\n  save(e)`, /it is passed to save/],
  [`await shell.createEntity({ content: "x" }).then(save)`, /it is passed to save/],
  [`return shell.createEntity({ content: "x" })`, /it is returned/],
  [`return { ...(await shell.createEntity({ content: "x" })) }`, /it is used in/],
  [`log(["a"].map((content) => shell.createEntity({ content })))`, /it is returned/],
  [
    `const e: Entity = await shell.createEntity({ content: "x" })\n  log(e.id)`,
    /it is declared to be Entity/,
  ],
  [`let e\n  e = await shell.createEntity({ content: "x" })\n  log(e.id)`, /it is assigned to e/],
  [`const [e] = await Promise.all([shell.createEntity({ content: "x" })])\n  log(e)`, /one of several/],
  [`const e = (await shell.createEntity({ content: "x" })) as Entity\n  log(e.id)`, /of another type/],
  [
    `await shell.createEntity({ content: "x" })\n  log(await shell.search("x"))`,
    /searched in line \d+, right/,
  ],
  [`await shell.createEntity({ content: "x" }).then(() => shell.search("x"))`, /something is searched/],
  [
    `for (const content of ["a"]) { await shell.createEntity({ content }) }\n  await shell.search("a")`,
    /search/,
  ],
  [
    `const e = await shell.createEntity({ content: "x" })\n  log(e.id)\n  await shell.search("x")`,
    /searched in line \d+, right/,
  ],
]

describe("the codemod of createEntity", { timeout: 120_000 }, () => {
  it.scoped("rewrites what reads the id only, and not a character more", () =>
    Effect.gen(function* () {
      const { bodies, report } = yield* changed(rewritten.map(([before]) => before))
      assert.deepStrictEqual(
        bodies,
        rewritten.map(([, after]) => after),
      )
      assert.deepStrictEqual(
        [report.changed.length, report.changedFiles.length, report.reported, report.others],
        [rewritten.length, rewritten.length, [], []],
      )
    }),
  )

  it.scoped("leaves what reads nothing as it is", () =>
    Effect.gen(function* () {
      const { bodies, report } = yield* changed(kept)
      assert.deepStrictEqual(bodies, kept)
      assert.strictEqual(report.kept, kept.length + 1)
      assert.deepStrictEqual([report.changed, report.reported, report.unclear], [[], [], []])
    }),
  )

  it.scoped("tells what wants the entity at once, with place and reason; or makes it sync", () =>
    Effect.gen(function* () {
      const before = wanted.map(([body]) => body)
      const { bodies, report } = yield* changed(before)
      assert.deepStrictEqual(bodies, before)
      assert.strictEqual(report.reported.length, wanted.length)
      for (const [at, { advice, column, line, reasons }] of report.reported.entries()) {
        assert.match(reasons[0] ?? "", wanted[at]?.[1] ?? /^$/)
        assert.match(advice, /awaitJob.*createEntitySync/)
        const lines = inFunction(`  ${before[at] ?? ""}`).split("\n")
        assert.match(lines[line - 1]?.slice(column - 1) ?? "", /^shell\.createEntity/)
      }
      const sync = yield* changed(before, { keepSync: true })
      assert.deepStrictEqual(
        sync.bodies,
        before.map((body) => body.replace("createEntity", "createEntitySync")),
      )
      assert.deepStrictEqual(sync.report.reported, [])
    }),
  )

  it.scoped("is content when somebody waits for the job before the search", () =>
    Effect.gen(function* () {
      const { report } = yield* changed([
        `const r = await shell.createEntity({ content: "x" })\n  await shell.awaitJob(r.id)\n  await shell.search("x")`,
      ])
      assert.deepStrictEqual([report.reported, report.changed.length], [[], 1])
    }),
  )

  it.scoped("touches nobody else's createEntity", () =>
    Effect.gen(function* () {
      const others = `
export class World { createEntity(name: string) { return { id: name, parts: 0 } } }
const world = new World()
console.log(world.createEntity("orc").id)
function createEntity(content: string) { return { id: content, entityType: "base", content } }
console.log(createEntity("mine").id)
const text = "shell.createEntity({}).id" // shell.createEntity({}).id
export const api = { createEntity: async () => text }
console.log((await api.createEntity()).length)
`
      const { run, text } = yield* program({
        "others.ts": others,
        "node_modules/lib/index.ts": `shell.createEntity({}).then((e) => e.id)`,
        ".cache/a.ts": `shell.createEntity({}).then((e) => e.id)`,
      })
      const report = yield* run({ keepSync: true })
      assert.strictEqual(yield* text("others.ts"), others)
      assert.deepStrictEqual([report.changed, report.reported, report.files], [[], [], 1])
      assert.deepStrictEqual(
        report.others.map(({ column, line }) => `${line}:${column}`),
        ["4:13", "9:20"],
      )
    }),
  )

  it.scoped(
    "knows its own by what was imported, also where that is not installed, and in JavaScript by name",
    () =>
      Effect.gen(function* () {
        const { run, text } = yield* program({
          "promise.ts": `import { createShell, type Shell as Box } from "embedbox/promise"
const shell = await createShell({ database: "x" })
export const first = async () => (await shell.createEntity({ content: "x" })).id
export class Notes {
  constructor(private readonly box: Box) {}
  async add(content: string) { const { id } = await this.box.createEntity({ content }); return id }
}
`,
          "effect.ts": `import * as Effect from "effect/Effect"
import { EntityService } from "embedbox"
export const program = Effect.gen(function* () {
  const service = yield* EntityService
  const made = yield* service.createEntity({ content: "x" })
  return made.id
})
`,
          "legacy.ts": `interface Row { readonly id: string; readonly content: string; readonly created: number }
export const add = async (entities: { readonly createEntity: (content: string) => Promise<Row> }) =>
  (await entities.createEntity("x")).id
`,
          "plain.js": `export async function add(shell, app) {
  const made = await shell.createEntity({ content: "x" })
  return [made.id, (await app.createEntity({})).id]
}
`,
        })
        const first = yield* run()
        assert.deepStrictEqual([first.changed.length, first.reported, first.unclear.length], [4, [], 2])
        assert.match(yield* text("promise.ts"), /createEntity\(\{ content: "x" \}\)\)\.entityId$/m)
        assert.match(yield* text("promise.ts"), /const \{ entityId: id \} = await this\.box/)
        assert.match(yield* text("effect.ts"), /return made\.entityId/)
        assert.match(yield* text("plain.js"), /made\.id/)
        const second = yield* run({ receivers: ["shell"] })
        assert.deepStrictEqual([second.changed.length, second.unclear], [1, []])
        assert.match(yield* text("plain.js"), /\[made\.entityId, \(await app\.createEntity\(\{\}\)\)\.id\]/)
      }),
  )

  it.scoped("keeps line ends, byte order marks and broken files as they are", () =>
    Effect.gen(function* () {
      const windows = `\uFEFF${inFunction(`  const e = await shell.createEntity({ content: "ä" })\n\n  log( e.id )`)}`
      const { run, text } = yield* program({
        "windows.ts": windows.replaceAll("\n", "\r\n"),
        "broken.ts": `shell.createEntity({ content: "x" }).then((e) => e.id`,
        "view.tsx": `${types}export const View = async () => <b title={(await shell.createEntity({ content: "x" })).id} />\n`,
      })
      const report = yield* run()
      assert.strictEqual(
        yield* text("windows.ts"),
        windows.replace("e.id", "e.entityId").replaceAll("\n", "\r\n"),
      )
      assert.match(yield* text("view.tsx"), /\)\)\.entityId\}/)
      assert.deepStrictEqual(
        report.broken.map(({ file, reason }) => [file.endsWith("broken.ts"), reason]),
        [[true, "line 1: ')' expected."]],
      )
    }),
  )

  it.scoped("changes nothing when it is run again, nor what it is not to change", () =>
    Effect.gen(function* () {
      const bodies = [...rewritten.map(([before]) => before), ...kept, ...wanted.map(([body]) => body)]
      const some = FastCheck.sample(
        FastCheck.record({
          chosen: FastCheck.subarray(bodies, { minLength: 3 }),
          keepSync: FastCheck.boolean(),
        }),
        { numRuns: 8, seed: 8 },
      )
      for (const { chosen, keepSync } of some) {
        const before = `${types}${chosen
          .map((body, at) => `export async function work${at}() {\n  ${body} // ${at}\n}\n`)
          .join("\n")}`
        const { run, text } = yield* program({ "a.ts": before })
        yield* run({ keepSync, dryRun: true })
        assert.strictEqual(yield* text("a.ts"), before)
        yield* run({ keepSync })
        const once = yield* text("a.ts")
        const again = yield* run({ keepSync })
        assert.strictEqual(yield* text("a.ts"), once)
        assert.deepStrictEqual([again.changed, again.changedFiles], [[], []])
        assert.strictEqual(
          once
            .replaceAll("createEntitySync", "createEntity")
            .replaceAll("entityId: id", "id")
            .replaceAll("entityId", "id"),
          before,
        )
      }
    }),
  )

  it.scoped("is a command that ends in 4 where somebody has to look", () =>
    Effect.gen(function* () {
      const { folder, run } = yield* program({
        "a.ts": inFunction(`  save(await shell.createEntity({ content: "x" }))`),
      })
      const embedbox = (...words: ReadonlyArray<string>) =>
        runHere(join(folder, "none.sqlite"), ["codemod", "create-entity", ...words])
      const dry = yield* embedbox(folder, "--keep-sync", "--dry-run", "--json")
      assert.strictEqual(dry.code, 0, dry.stderr)
      assert.include(JSON.parse(dry.stdout), { dryRun: true, files: 1, kept: 0 })
      const told = yield* embedbox(folder)
      assert.strictEqual(told.code, 4)
      assert.match(told.stdout, /a\.ts:\d+:\d+ {2}it is passed to save\n/)
      assert.match(told.stdout, /\n1 file: changed 0 calls in 0, 0 right as they are, 1 to look at\n$/)
      assert.strictEqual((yield* embedbox(join(folder, "nowhere"))).code, 2)
      assert.strictEqual((yield* embedbox(folder, "--keep-sync")).code, 0)
      assert.deepStrictEqual((yield* run()).changed, [])
      assert.strictEqual((yield* runHere("", ["codemod", "other", folder])).code, 2)
    }),
  )
})
