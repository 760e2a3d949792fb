import { spawnSync } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support.js"
import { runHere } from "./inProcess.js"

describe("completions", { timeout: 60_000 }, () => {
  it.scoped("are what a real bash offers", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { stdout } = yield* runHere(join(folder, "none.sqlite"), ["completions", "bash"])
      const script = join(folder, "embedbox.bash")
      yield* Effect.promise(() => writeFile(script, stdout))
      const offered = (...words: ReadonlyArray<string>) => {
        const current = words.at(-1) ?? ""
        const { stderr, stdout } = spawnSync("bash", [
          "-c",
          `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); ` +
            `_embedbox_bash_completions embedbox "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"; ` +
            `printf '%s\\n' "\${COMPREPLY[@]}"`,
          "bash",
          script,
          ...words,
        ])
        assert.strictEqual(String(stderr), "", current)
        return String(stdout).trim().split("\n")
      }
      assert.deepStrictEqual(offered("embedbox", "se"), ["search", "serve"])
      assert.deepStrictEqual(offered("embedbox", "search", "--m"), ["--mode", "--meta"])
      assert.deepStrictEqual(offered("embedbox", "search", "--mode", ""), ["hybrid", "semantic", "lexical"])
    }),
  )

  it.scoped("are there for zsh and fish", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const of = (shell: string) => runHere(join(folder, "none.sqlite"), ["completions", shell])
      const zsh = (yield* of("zsh")).stdout
      assert.match(zsh, /^#compdef embedbox\n/)
      // Zsh calls the file `_embedbox` by its name.
      assert.include(zsh, 'if [ "$funcstack[1]" = "_embedbox" ]')
      assert.match((yield* of("fish")).stdout, /^complete -c embedbox /m)
    }),
  )
})
