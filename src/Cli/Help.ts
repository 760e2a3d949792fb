/** The overview that `embedbox --help` prints: it must fit a screen, so details are left to each command's own help. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Access } from "./Access.js"
import * as Commands from "./Commands.js"
import { Screen } from "./Screen.js"
import { version } from "./Version.js"

/** Words that ask for the overview. */
export const isAsked = (words: ReadonlyArray<string>): boolean =>
  words.length === 0 || (words.length === 1 && (words[0] === "--help" || words[0] === "-h"))

/** These would fill the screen, and no command uses them. */
const ofMatrix = "EMBEDBOX_MATRIX_"

export const print = Effect.gen(function* () {
  const screen = yield* Screen
  const settings = yield* Effect.flatMap(Access, (access) => access.settings)
  const table = (rows: ReadonlyArray<readonly [string, string]>) => {
    const width = Math.max(...rows.map(([left]) => left.length)) + 2
    return rows.map(([left, right]) => `  ${left.padEnd(width)}${screen.dim(right)}`)
  }
  yield* Console.log(
    [
      `${screen.bold("embedbox")} ${version}: notes saved at once, embedded in the background, found by meaning`,
      "",
      screen.bold("Commands"),
      ...table(Commands.summaries.map(({ meaning, usage }) => [usage, meaning])),
      "",
      "Each takes --json and answers with one document; `embedbox <command> --help` says more.",
      "",
      screen.bold("Examples"),
      ...table([
        ["embedbox import ~/notes --wait", "save and embed a folder"],
        ['embedbox search "where did I park"', "ask"],
        ["echo 'buy milk' | embedbox add - --json", "save from a script"],
      ]),
      "",
      screen.bold("Settings") + " (environment variables and their defaults)",
      ...table(
        settings
          .filter(({ variable }) => !variable.startsWith(ofMatrix))
          .map(({ fallback, variable }) => [variable, fallback]),
      ),
      ...table([[`${ofMatrix}*`, "the Matrix bot of the daemon: see the README"]]),
      "",
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 some items failed, 130 interrupted.",
    ].join("\n"),
  )
})
