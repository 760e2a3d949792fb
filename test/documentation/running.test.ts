/** The README's blocks for hosts of promises do what they say: each is run as it stands, but for the place of its database. */
import { expect, it, onTestFinished, vi } from "vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { root } from "./Program.js"

// One of them runs the real model.
vi.setConfig({ testTimeout: 180_000 })

const readme = Fs.readFileSync(Path.join(root, "README.md"), "utf8")
const blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)]
  .map(([, text = ""]) => text)
  .filter((text) => /from "embedbox\/(promise|testing)"/.test(text))

it("there are such blocks", () => {
  expect(blocks.length).toBeGreaterThanOrEqual(2)
})

it.each(blocks.map((text, at) => [at, text] as const))("block %i of the README runs", async (at, text) => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "embedbox-readme-"))
  onTestFinished(() => Fs.rmSync(folder, { recursive: true, force: true }))
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
