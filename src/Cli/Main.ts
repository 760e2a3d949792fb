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
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Arguments from "./Arguments.js"
import * as Commands from "./Commands.js"
import * as Failure from "./Failure.js"
import * as Help from "./Help.js"
import * as Screen from "./Screen.js"
import { version } from "./Version.js"

const parser = Command.run(Commands.command, { name: "embedbox", version, executable: "embedbox" })

const environment = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer,
  NodeTerminal.layer,
  CliConfig.layer({ showBuiltIns: false, showTypes: false }),
  Screen.layer,
)

/** Runs the command that `argv` (as Node gives it) asks for. */
export const run = ([node = "node", script = "embedbox", ...words]: ReadonlyArray<string>) => {
  const answer = Help.isAsked(words)
    ? Help.print
    : parser([node, script, ...Arguments.optionsFirst(words, Commands.switches)])
  return Effect.provide(answer, environment)
}

/** Tells why a command failed, and exits with its code. */
export const teardown: Teardown = (exit, onExit) => {
  const { code, lines } = Failure.tell(exit)
  const [what, ...rest] = lines
  if (what !== undefined) process.stderr.write([`embedbox: ${what}`, ...rest, ""].join("\n"))
  onExit(code)
}
