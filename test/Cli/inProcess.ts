/**
 * The command line in the test's own process: the same words, parser, commands and exit codes, without the second that
 * a process takes to start. What a process of its own must show (signals, pipes, its very entry) is tested with one.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Failure from "../../src/Cli/Failure.js"
import * as Main from "../../src/Cli/Main.js"
import * as CliAccess from "../../src/Shell/CliAccess.js"
import type { Ended } from "../support/Processes.js"

/** Runs one command line on this database, and answers what a process would end with. */
export const runHere = (
  database: string,
  args: ReadonlyArray<string>,
  env: { readonly [variable: string]: string } = {},
) =>
  Effect.gen(function* () {
    const settings = new Map([
      ["EMBEDBOX_DATABASE", database],
      ["EMBEDBOX_MODEL", "fake"],
      ["EMBEDBOX_LOG_LEVEL", "none"],
      ["XDG_CONFIG_HOME", "/nonexistent"],
      ...Object.entries(env),
    ])
    const printed: Array<string> = []
    const listening: Console.Console = {
      ...(yield* Effect.console),
      log: (...values) => Effect.sync(() => void printed.push(`${values.join(" ")}\n`)),
    }
    const exit = yield* Main.run(["node", "embedbox", ...args]).pipe(
      Effect.provide(CliAccess.layer),
      Effect.withConfigProvider(ConfigProvider.fromMap(settings)),
      Effect.withConsole(listening),
      Effect.exit,
    )
    const { code, lines } = Failure.tell(exit)
    const stderr = lines.length === 0 ? "" : `embedbox: ${lines.join("\n")}\n`
    const ended: Ended = { code, signal: null, stdout: printed.join(""), stderr }
    return ended
  })
