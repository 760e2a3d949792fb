/** Importing an entry point is free: it writes nothing, says nothing, keeps nothing running, and loads no native library. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { temporaryFolder } from "./support.js"
import { type Program, run } from "./support/Processes.js"

const preload = new URL("./support/loads.mjs", import.meta.url).href

/** What importing it loads. */
const loadedBy = (entry: Program) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const file = join(folder, "loads.txt")
    const { code, stderr, stdout } = yield* run(entry, [], {
      fromSource: true,
      env: {
        EMBEDBOX_DATABASE: join(folder, "notes.sqlite"),
        // A setting that nobody could start with: nobody may look.
        EMBEDBOX_BATCH_SIZE: "none",
        NODE_OPTIONS: `--import=${preload}`,
        LOADS_FILE: file,
      },
    })
    assert.deepStrictEqual([code, stdout, stderr], [0, "", ""])
    assert.deepStrictEqual(yield* Effect.promise(() => readdir(folder)), ["loads.txt"])
    return yield* Effect.promise(() => readFile(file, "utf8"))
  })

describe("an entry point", { timeout: 120_000 }, () => {
  for (const entry of ["index.ts", "promise.ts", "testing.ts"] satisfies ReadonlyArray<Program>) {
    it.scoped(`${entry} is imported for nothing`, () =>
      Effect.gen(function* () {
        const loaded = yield* loadedBy(entry)
        assert.include(loaded, `src/${entry}`)
        for (const native of [
          /better_sqlite3\.node/,
          /onnxruntime/,
          /tokenizers/,
          /watcher\.node/,
          /\/fastembed\//,
        ])
          assert.notMatch(loaded, native)
      }),
    )
  }
})
