#!/usr/bin/env node
/**
 * The command line: composition only. It gives the commands of `Cli/` a shell to work on, built when one needs it,
 * and turns the way they end into lines and an exit code.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cli from "./Cli/Main.js"
import * as CliAccess from "./Shell/CliAccess.js"
import * as Effect from "effect/Effect"

NodeRuntime.runMain(Effect.provide(Cli.run(process.argv), CliAccess.layer), {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: Cli.teardown(process.argv),
})
