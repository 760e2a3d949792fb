/**
 * Runs one command line: parses it, runs the command, and ends with the right code. What goes wrong is told
 * by `Failure` and by nobody else. Nothing but answers goes to standard output.
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import type { Teardown } from "@effect/platform/Runtime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { nearest } from "../Domain/Nearest.js"
import * as Arguments from "./Arguments.js"
import * as CommandHelp from "./CommandHelp.js"
import * as Commands from "./Commands.js"
import { Scripts } from "./Completions.js"
import * as Failure from "./Failure.js"
import * as Globals from "./Globals.js"
import * as Help from "./Help.js"
import { Interpreter } from "./Interpreter.js"
import * as Screen from "./Screen.js"
import { version } from "./Version.js"

const parser = Command.run(Commands.command, { name: "embedbox", version, executable: "embedbox" })

const environment = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer,
  NodeTerminal.layer,
  CliConfig.layer({ showBuiltIns: false, showTypes: false }),
)

const scripts = Layer.succeed(Scripts, {
  bash: Command.getBashCompletions(Commands.command, "embedbox"),
  zsh: Command.getZshCompletions(Commands.command, "embedbox"),
  fish: Command.getFishCompletions(Commands.command, "embedbox"),
})

const builtIns = ["--help", "-h", "--version", "--wizard", "--completions", "--log-level"]

/** An option that the command does not have. @effect/cli would take it for an argument where those are many. */
const misread = (command: string, words: ReadonlyArray<string>) => {
  const options = Commands.described(command)?.options
  if (options === undefined) return undefined
  const stranger = Arguments.strangerAmong(words, new Set([...options, ...builtIns]), Commands.switches)
  if (stranger === undefined) return undefined
  const guess = nearest(stranger, [...options, "--help"])
  return new Failure.WrongUsage({
    reason: `there is no option ${Screen.oneLine(stranger)} here`,
    advice: guess !== undefined ? `did you mean: ${guess}` : `embedbox ${command} --help lists them all`,
  })
}

/** Runs what the words say, or tells what they would do. */
const parse = (words: ReadonlyArray<string>) => {
  const { others } = Arguments.globalsOf(words)
  const [command = ""] = others
  const wrong = misread(command, others.slice(1))
  if (wrong !== undefined) return wrong
  const word = Arguments.isSaid(words, "--help", "-h") ? Commands.described(command) : undefined
  return word === undefined
    ? Effect.mapError(
        parser(["node", "embedbox", ...Arguments.ordered(words, Commands.switches)]),
        Failure.of(command),
      )
    : CommandHelp.print({ ...word, globals: Globals.options })
}

const interpreter: Layer.Layer<Interpreter> = Layer.succeed(Interpreter, {
  commands: Commands.groups.flatMap(({ words }) => words.map(({ name, told }) => ({ name, ...told }))),
  run: (words) =>
    Effect.suspend(() =>
      Effect.map(Effect.exit(Effect.provide(parse(words), parsing)), (exit) => Failure.tell(exit)),
    ),
})

const parsing = Layer.mergeAll(environment, scripts, interpreter)

const unknown = (command: string) => {
  const guess = nearest(command, [...Commands.names])
  return new Failure.WrongUsage({
    reason: `there is no command "${Screen.oneLine(command)}"`,
    advice: guess !== undefined ? `did you mean: embedbox ${guess}` : "embedbox --help lists all commands",
  })
}

const isOnTerminal = () => process.stdin.isTTY === true && process.stdout.isTTY === true

/** Runs the command that `argv` (as Node gives it) asks for. */
export const run = ([, , ...words]: ReadonlyArray<string>) => {
  const { others } = Arguments.globalsOf(words)
  const [command] = others
  const isStranger = command !== undefined && !command.startsWith("-") && !Commands.names.includes(command)
  const answer =
    Help.isAsked(others) || (others.length === 0 && !isOnTerminal())
      ? Help.print
      : isStranger
        ? unknown(command)
        : parse(words)
  return answer.pipe(
    Effect.provide(
      Layer.merge(
        parsing,
        Screen.layer({
          noColor: Arguments.isSaid(words, "--no-color"),
          quiet: Arguments.isSaid(words, "--quiet", "-q"),
        }),
      ),
    ),
  )
}

/** Tells why a command failed, and exits with its code. */
export const teardown =
  ([, , ...words]: ReadonlyArray<string>): Teardown =>
  (exit, onExit) => {
    const [command] = Arguments.globalsOf(words).others
    // What fails interrupts what was under way beside it: that is no stop.
    const isStopped = Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)
    // To be stopped is how a folder is watched no more: nothing was cut off.
    if (command === "sync" && Arguments.isSaid(words, "--watch") && isStopped)
      return onExit(Failure.codes.interrupted)
    // To be stopped is how a daemon ends well, and a server for an assistant.
    if ((command === "serve" || command === "mcp") && isStopped) return onExit(Failure.codes.ok)
    const { code, lines } = Failure.tell(exit, Arguments.isSaid(words, "--verbose", "-v"))
    const [what, ...rest] = lines
    if (what !== undefined) process.stderr.write([`embedbox: ${what}`, ...rest, ""].join("\n"))
    onExit(code)
  }
