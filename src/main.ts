#!/usr/bin/env node
/**
 * The daemon: worker and maintenance on the configured database until SIGTERM or SIGINT; then it drains and ends
 * with 0. A second signal kills it. Composition only: see `Shell/Daemon.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Daemon from "./Shell/Daemon.js"

NodeRuntime.runMain(Daemon.run, {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: Daemon.teardown,
})
