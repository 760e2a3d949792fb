import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { tsMorph } from "../../src/Cli/Codemod.js"
import { notLoaded } from "../../src/Storage/SqliteErrors.js"
import { temporaryFolder } from "../support.js"
import { type Program, run } from "../support/Processes.js"

const preload = new URL("../support/absent.mjs", import.meta.url).href

const Package = Schema.Struct({ peerDependencies: Schema.Struct({ "ts-morph": Schema.String }) })

/** Runs it where something cannot be loaded. */
const without = (absent: string, program: Program, args: ReadonlyArray<string>, folder: string) =>
  run(program, args, {
    env: {
      EMBEDBOX_DATABASE: join(folder, "notes.sqlite"),
      NODE_OPTIONS: `--import=${preload}`,
      ABSENT: absent,
    },
  })

describe("what cannot be loaded", { timeout: 120_000 }, () => {
  it.scoped("ts-morph: the command that needs it says how to have it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const program = join(folder, "program.ts")
      yield* Effect.promise(() => writeFile(program, "shell.createEntity({})"))
      const told = yield* without("ts-morph", "bin.ts", ["codemod", "create-entity", program], folder)
      assert.deepStrictEqual(
        [told.code, told.stderr, told.stdout],
        [
          2,
          "embedbox: codemod needs ts-morph, which is not installed here\n" +
            `install it beside Embedbox and run the same again: npm install --save-dev ${tsMorph}\n`,
          "",
        ],
      )
      const { peerDependencies } = yield* Schema.decodeUnknown(Package)(
        createRequire(import.meta.url)("../../package.json"),
      )
      const [major] = peerDependencies["ts-morph"].replace("^", "").split(".")
      assert.strictEqual(tsMorph, `ts-morph@${major}`)
    }),
  )

  it.scoped("better-sqlite3: what to do is told, and the file is not blamed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const reason = `embedbox: ${notLoaded(process.versions)}\n`
      for (const command of ["status", "serve", "mcp"]) {
        const told = yield* without("better_sqlite3.node", "bin.ts", [command], folder)
        assert.deepStrictEqual(
          [command, told.code, told.stderr, told.stdout],
          [command, 1, `${reason}the database was not touched\n`, ""],
        )
      }
      const daemon = yield* without("better_sqlite3.node", "main.ts", [], folder)
      assert.deepStrictEqual([daemon.code, daemon.stderr, daemon.stdout], [1, reason, ""])
      assert.isFalse(existsSync(join(folder, "notes.sqlite")))
    }),
  )
})
