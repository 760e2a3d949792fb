/** The overview that `embedbox --help` prints: it must fit a screen, so details are left to each command's own help. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { wrapAnsi } from "fast-wrap-ansi"
import * as Commands from "./Commands.js"
import * as HelpTable from "./HelpTable.js"
import { Screen } from "./Screen.js"
import { version } from "./Version.js"

/** Words that ask for the overview. */
export const isAsked = (words: ReadonlyArray<string>): boolean =>
  words.length === 1 && ["--help", "-h", "help"].includes(words[0] ?? "")

/** Where all meanings begin. */
const left = 24

export const print = Effect.gen(function* () {
  const screen = yield* Screen
  const table = (rows: ReadonlyArray<readonly [string, string]>) => HelpTable.lines(screen, rows, left)
  const text = (line: string) => wrapAnsi(line, screen.width, { trim: false }).split("\n")
  yield* Console.log(
    [
      ...text(
        `${screen.bold("embedbox")} ${version}: notes saved at once, embedded in the background, found by meaning`,
      ),
      "",
      ...Commands.groups.flatMap(({ title, words }) => [
        screen.bold(title),
        ...table(words.map(({ told }) => [told.usage, told.meaning])),
      ]),
      "",
      ...text("Without a command, on a terminal: ask and save in a session of questions and /commands."),
      "",
      screen.bold("For every command"),
      ...table([
        ["--help", "What it does, its options and examples."],
        ["--json", "Answer with one document, for scripts."],
        ["--quiet, --verbose", "Nothing but answers and errors; or logs, and causes of errors."],
        ["--no-color", "No colours, as NO_COLOR does."],
        ["--database <file>", "The database to work on."],
        ["--set name=value", "Any setting; `embedbox config` lists them, as EMBEDBOX_* too."],
      ]),
      "",
      screen.bold("Examples"),
      ...text("  embedbox import ~/notes --wait"),
      ...text('  embedbox search "where did I park"'),
      ...text("  echo 'buy milk' | embedbox add - --json"),
      "",
      ...text(
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 some items failed, 130 interrupted.",
      ),
    ].join("\n"),
  )
})
