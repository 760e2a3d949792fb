import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support.js"
import { run } from "../support/Processes.js"

const preload = new URL("../support/loads.mjs", import.meta.url).href

/** What the command line loads for these words. */
const loadedBy = (
  folder: string,
  args: ReadonlyArray<string>,
  env: { readonly [name: string]: string } = {},
  ends = 0,
) =>
  Effect.gen(function* () {
    const file = join(folder, `${args[0]}.txt`)
    const { code, stderr } = yield* run("bin.ts", args, {
      fromSource: true,
      env: {
        EMBEDBOX_DATABASE: join(folder, "notes.sqlite"),
        NODE_OPTIONS: `--import=${preload}`,
        LOADS_FILE: file,
        ...env,
      },
    })
    assert.strictEqual(code, ends, stderr)
    const text = yield* Effect.promise(() => readFile(file, "utf8"))
    return text.split("\n")
  })

const model = [/onnxruntime/, /tokenizers/, /Embedder\/(Child|FastEmbed|Processes)\./]
const services = [
  /src\/(Search|DirectorySync|Chunker|VectorIndex|EmbeddingWorker|Matrix|Shell)\.ts/,
  /mdast/,
  /parcel/,
]
/** What only the command that changes programs needs. */
const codemod = /ts-morph/
const database = [/better_sqlite3\.node/]

const has = (loaded: ReadonlyArray<string>, what: RegExp) => loaded.some((one) => what.test(one))

describe("the start of the command line", { timeout: 120_000 }, () => {
  it.scoped("loads no more than a command needs", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const help = yield* loadedBy(folder, ["--help"])
      const status = yield* loadedBy(folder, ["status"])
      yield* run("bin.ts", ["add", "-"], {
        env: { EMBEDBOX_DATABASE: join(folder, "notes.sqlite") },
        stdin: "text",
      })
      // That it would be seen: a question by meaning loads all of it.
      const question = yield* loadedBy(folder, ["search", "text", "--mode", "semantic"], {
        EMBEDBOX_MODEL: "all-MiniLM-L6-v2",
      })
      for (const what of [...model, ...services.slice(0, 2), ...database])
        assert.isTrue(has(question, what), `${what} is not seen`)
      for (const what of [...model, ...services]) {
        assert.isFalse(has(help, what), `--help loads ${what}`)
        assert.isFalse(has(status, what), `status loads ${what}`)
      }
      const program = join(folder, "program.ts")
      yield* Effect.promise(() => writeFile(program, "shell.createEntity({})"))
      assert.isTrue(has(yield* loadedBy(folder, ["codemod", "create-entity", program], {}, 4), codemod))
      for (const loaded of [help, status, question]) assert.isFalse(has(loaded, codemod))
      for (const what of database) {
        assert.isFalse(has(help, what), `--help loads ${what}`)
        assert.isTrue(has(status, what))
      }
    }),
  )
})
