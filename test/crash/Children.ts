/** The processes of the crash harness: each ends by SIGKILL when its scope closes, if it still runs then. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { program, script } from "../support/programs.js"

const beside = (file: string) => script(fileURLToPath(new URL(file, import.meta.url)))

export interface Child {
  /** Whether it is at work; false when it ended before it said so. */
  readonly ready: Effect.Effect<boolean>
  /** How it ended: its code, or the signal. */
  readonly ended: Effect.Effect<string>
  readonly hasEnded: () => boolean
  readonly kill: (signal: "SIGKILL" | "SIGTERM") => Effect.Effect<string>
  /** The end of what it said. */
  readonly said: () => string
}

const settings = (database: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(EMBEDBOX_|NODE_OPTIONS)/.test(name)),
  ),
  EMBEDBOX_DATABASE: database,
  EMBEDBOX_MODEL: "fake",
  EMBEDBOX_BATCH_SIZE: "4",
  EMBEDBOX_LEASE_DURATION: "2 seconds",
  // Receipts go at once: cleanup takes part in every race.
  EMBEDBOX_CLEANUP_INTERVAL: "1 second",
  EMBEDBOX_CLEANUP_AGE: "2 seconds",
  EMBEDBOX_LOG_FORMAT: "logfmt",
})

const start = (
  entry: ReadonlyArray<string>,
  args: ReadonlyArray<string>,
  options: { readonly database: string; readonly readyWhen: string; readonly output: string },
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function* () {
    const ready = yield* Deferred.make<boolean>()
    const ended = yield* Deferred.make<string>()
    let said = ""
    let over = false
    const child: ChildProcess = yield* Effect.sync(() =>
      spawn(process.execPath, [...entry, ...args], {
        env: settings(options.database),
        stdio: ["pipe", "pipe", "pipe"],
      }),
    )
    const hear = (data: Buffer) => {
      Fs.appendFileSync(options.output, data)
      said = `${said}${data.toString()}`.slice(-4000)
      if (said.includes(options.readyWhen)) Deferred.unsafeDone(ready, Effect.succeed(true))
    }
    child.stdout?.on("data", hear)
    child.stderr?.on("data", hear)
    child.stdin?.on("error", () => undefined)
    child.once("exit", (code, signal) => {
      over = true
      Deferred.unsafeDone(ready, Effect.succeed(false))
      Deferred.unsafeDone(ended, Effect.succeed(String(code ?? signal)))
    })
    const kill = (signal: "SIGKILL" | "SIGTERM") =>
      Effect.zipRight(
        Effect.sync(() => child.kill(signal)),
        Deferred.await(ended),
      )
    yield* Effect.addFinalizer(() => kill("SIGKILL"))
    return {
      ready: Deferred.await(ready),
      ended: Deferred.await(ended),
      hasEnded: () => over,
      kill,
      said: () => said,
    }
  })

export const daemon = (database: string, output: string) =>
  start(program("main.ts"), [], { database, output, readyWhen: "embedbox is ready" })

export const client = (given: {
  readonly database: string
  readonly log: string
  readonly name: string
  readonly seed: number
  readonly output: string
}) =>
  start(beside("client.ts"), [given.database, given.log, given.name, String(given.seed)], {
    database: given.database,
    output: given.output,
    readyWhen: "ready",
  })

/** Changes the model of a database; at work as soon as the first notes are embedded anew. */
export const reembedder = (given: {
  readonly database: string
  readonly seed: number
  readonly output: string
}) =>
  start(beside("reembedder.ts"), [given.database, String(given.seed)], {
    database: given.database,
    output: given.output,
    readyWhen: "at ",
  })

/** Takes orders into a table of the host's and into Embedbox, each in one transaction; ready when one is taken. */
export const orders = (given: { readonly database: string; readonly run: string; readonly output: string }) =>
  start(beside("orders.ts"), [given.database, given.run], {
    database: given.database,
    output: given.output,
    readyWhen: "taken",
  })
