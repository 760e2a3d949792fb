/** The blocks for hosts of promises, in README and migration, do what they say: each is run as it stands, but for the place of its database. */
import { expect, it, onTestFinished, vi } from "vitest"
import * as Fs from "node:fs"
import Database from "better-sqlite3"
import * as Os from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Config, EntityService, type Errors, Shell } from "embedbox"
import { runHere } from "../Cli/inProcess.js"
import { root } from "./Program.js"

type Needed = SqlClient.SqlClient | EntityService.EntityService

const memory = Layer.unwrapEffect(
  Effect.map(
    Config.load({ database: ":memory:", model: "fake", logLevel: "none" }),
    Shell.layerWithoutWorkerWith,
  ),
)

// One of them runs the real model.
vi.setConfig({ testTimeout: 180_000 })

/** The blocks of a file that a host of promises could run. */
const blocksOf = (file: string) =>
  [...Fs.readFileSync(Path.join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)]
    .map(([, text = ""]) => text)
    .filter((text) => /from "embedbox\/(promise|testing)"/.test(text))

const temporaryFolder = () => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "embedbox-readme-"))
  onTestFinished(() => Fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

const blocks = blocksOf("README.md")

it("there are such blocks", () => {
  expect(blocks.length).toBeGreaterThanOrEqual(2)
})

it.each(blocks.map((text, at) => [at, text] as const))("block %i of the README runs", async (at, text) => {
  const folder = temporaryFolder()
  const file = Path.join(folder, `block-${at}.ts`)
  Fs.writeFileSync(
    file,
    text
      .replaceAll('"notes.sqlite"', JSON.stringify(Path.join(folder, "notes.sqlite")))
      // What it ends with is looked at below.
      .concat(
        '\nexport const seen = typeof results === "undefined" ? await shell.getAsyncJobStatus(jobId) : results\n',
      ),
  )
  const { seen }: { seen: unknown } = await import(/* @vite-ignore */ pathToFileURL(file).href)
  expect(seen).toMatchObject(
    Array.isArray(seen) ? [{ entityType: "note", title: "Bread" }] : { status: "completed" },
  )
})

/** What the blocks of the migration print, in their order; whether a note still waits is the model's affair. */
const printed: ReadonlyArray<RegExp> = [
  /^\S+ # Bread\nFlour, water, salt\.$/,
  /^id=b: content: must not be empty[^\n]*\n1 taken over \{.*\}$/,
  /^$/,
  /^Bread (\(not embedded yet\))?(\n1 are still being embedded)?$/,
  /^# Bread\nFlour, water, salt\.\n\[\]$/,
]

/** A folder with what a host had before. */
const formerFolder = () => {
  const folder = temporaryFolder()
  const former = new Database(Path.join(folder, "former.sqlite"))
  former.exec(`CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, body TEXT, author TEXT, created_at INTEGER) WITHOUT ROWID;
    INSERT INTO notes VALUES ('a', 'Rye bread', 'Ada', 1700000000), ('b', '', 'Bob', 1700000000)`)
  former.close()
  return folder
}

/** A block of the migration as a program in that folder. */
const migrationBlock = (at: number, folder: string) => {
  const file = Path.join(folder, `migration-${at}.ts`)
  const text = blocksOf("docs/migration.md")[at] ?? ""
  Fs.writeFileSync(
    file,
    text.replaceAll(/"(knowledge|former)\.sqlite"/g, (_, name: string) =>
      JSON.stringify(Path.join(folder, `${name}.sqlite`)),
    ),
  )
  return pathToFileURL(file).href
}

it.each(printed.map((text, at) => [at, text] as const))(
  "block %i of the migration runs, and prints what it should",
  async (at, expected) => {
    const file = migrationBlock(at, formerFolder())
    const said: Array<string> = []
    const hear = (...values: ReadonlyArray<unknown>) =>
      void said.push(
        values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(" "),
      )
    for (const method of ["log", "warn"] as const) vi.spyOn(console, method).mockImplementation(hear)
    onTestFinished(() => void vi.restoreAllMocks())
    await import(/* @vite-ignore */ file)
    expect(said.join("\n")).toMatch(expected)
  },
)

it("the command lines of the migration do what its program does", async () => {
  const folder = formerFolder()
  const database = Path.join(folder, "knowledge.sqlite")
  const lines = Fs.readFileSync(Path.join(root, "docs/migration.md"), "utf8").matchAll(
    /^npx embedbox (adopt .*)$/gm,
  )
  const embedbox = (line: string) =>
    Effect.runPromise(
      runHere(
        Path.join(folder, "other.sqlite"),
        line.split(" ").map((word) => (word.endsWith(".sqlite") ? Path.join(folder, word) : word)),
      ),
    )
  const [dry = "", real = "", ...more] = [...lines].map(([, line = ""]) => line)
  expect([dry.replace(" --dry-run", ""), more]).toEqual([real.replace(" --wait", ""), []])

  const looked = await embedbox(dry)
  expect(looked.stdout).toContain(`2 rows of notes to bring in, 1 of them left out\nwould go to ${database},`)
  for (const method of ["log", "warn"] as const) vi.spyOn(console, method).mockImplementation(() => undefined)
  onTestFinished(() => void vi.restoreAllMocks())
  await import(/* @vite-ignore */ migrationBlock(1, folder))
  // The program was there before: nothing is left to do but what could not be done.
  const done = await embedbox(real)
  expect(done.stdout).toContain(
    `1 row of notes: 0 new, 0 changed, 0 unchanged, 1 left out\nsaved to ${database},`,
  )
  const fresh = await embedbox(real.replace("knowledge", "fresh"))
  expect(fresh.stdout).toContain("2 rows of notes: 1 new, 0 changed, 0 unchanged, 1 left out")
  const [one, other] = await Promise.all(
    ["knowledge", "fresh"].map((name) => embedbox(`get a --json --database ${name}.sqlite`)),
  )
  const metadata = /"metadata":(\{[^}]*\})/
  expect(metadata.exec(one?.stdout ?? "")?.[1]).toMatch(/Ada/)
  expect(metadata.exec(one?.stdout ?? "")?.[1]).toBe(metadata.exec(other?.stdout ?? "")?.[1])
})

it("each block of the migration is run", () => {
  expect(blocksOf("docs/migration.md")).toHaveLength(printed.length)
})

/** A block that hosts in Effect could run, as a file in that folder. */
const effectBlock = (file: string, folder: string) => {
  const text = [...Fs.readFileSync(Path.join(root, file), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)]
    .map(([, block = ""]) => block)
    .find((block) => /from "embedbox"/.test(block))
  const place = Path.join(folder, "effect.ts")
  Fs.writeFileSync(place, text ?? "")
  return place
}

it("the first block for hosts in Effect runs", async () => {
  const folder = temporaryFolder()
  vi.stubEnv("EMBEDBOX_DATABASE", Path.join(folder, "notes.sqlite"))
  onTestFinished(() => void vi.unstubAllEnvs())
  const file = effectBlock("README.md", folder)
  Fs.appendFileSync(
    file,
    "\nexport const seen = await Effect.runPromise(Effect.provide(EntityService.EntityService.pipe(Effect.flatMap((s) => s.indexStatus)), Shell.layer))\n",
  )
  const { seen }: { seen: unknown } = await import(/* @vite-ignore */ pathToFileURL(file).href)
  expect(seen).toMatchObject({ ready: 1, pending: 0 })
})

it("the transaction of the migration is one", async () => {
  const {
    takeOrder,
  }: { takeOrder: (id: string, text: string) => Effect.Effect<void, Errors.StorageError, Needed> } =
    await import(/* @vite-ignore */ pathToFileURL(effectBlock("docs/migration.md", temporaryFolder())).href)
  const counts = await Effect.runPromise(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE orders (id TEXT PRIMARY KEY)`
      yield* takeOrder("first", "flour")
      // The second order of that id is refused by the host's own table, and its entity goes with it.
      const entities = yield* EntityService.EntityService
      yield* entities.deleteEntity("first")
      yield* Effect.flip(takeOrder("first", "water"))
      return [(yield* sql`SELECT * FROM orders`).length, (yield* entities.listEntities()).length]
    }).pipe(Effect.provide(memory), Effect.scoped),
  )
  expect(counts).toEqual([1, 0])
})
