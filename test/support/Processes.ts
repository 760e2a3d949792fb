/**
 * Runs the real programs (`bin.ts`, `main.ts`) as processes of their own.
 * Nothing sleeps: a test waits for a line that a process writes, or for its end.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type Program, program, sourceOf } from "./programs.js"

export type { Program } from "./programs.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** The process ended without saying what was awaited. */
export class EndedSilently extends Schema.TaggedError<EndedSilently>()("EndedSilently", {
  awaited: Schema.String,
  said: Schema.String,
}) {}

export interface Running {
  /** Its pipes. */
  readonly child: Pick<ChildProcess, "stdin" | "stdout">
  readonly pid: number
  /** Ends when standard output or error contains this text; fails when the process ends without it. */
  readonly says: (text: string) => Effect.Effect<void, EndedSilently>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
}

export interface Options {
  readonly env?: { readonly [name: string]: string | undefined }
  readonly stdin?: string
  /** Its standard input is left open, for the test to write to. */
  readonly leaveOpen?: boolean
  /** Not from the build: what is loaded is asked for by the names of the sources. */
  readonly fromSource?: boolean
  /** Where it is started; the root of the repository where nothing is said. */
  readonly folder?: string
}

/** The environment of a test's process: none of the caller's settings, no colours, the fake model. */
export const environment = (env: Options["env"]) => {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !name.startsWith("EMBEDBOX_") && !["NO_COLOR", "FORCE_COLOR", "NODE_OPTIONS"].includes(name),
    ),
  )
  const wanted = Object.entries({ EMBEDBOX_MODEL: "fake", XDG_CONFIG_HOME: "/nonexistent", ...env }).filter(
    ([, value]) => value !== undefined,
  )
  return { ...inherited, ...Object.fromEntries(wanted) }
}

/** Starts a program; it is killed when the scope closes, if it still runs then. */
export const start = (
  name: Program,
  args: ReadonlyArray<string>,
  options: Options = {},
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<Ended>()
    const heard = new Set<() => void>()
    let stdout = ""
    let stderr = ""
    const child: ChildProcess = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [...(options.fromSource ? sourceOf(name) : program(name)), ...args], {
          cwd: options.folder ?? root,
          env: environment(options.env),
          stdio: "pipe",
        }),
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    )
    const hear = () => heard.forEach((listener) => listener())
    child.stdout?.on("data", (text) => {
      stdout += String(text)
      hear()
    })
    child.stderr?.on("data", (text) => {
      stderr += String(text)
      hear()
    })
    child.on("close", (code, signal) => {
      Deferred.unsafeDone(ended, Effect.succeed({ code, signal, stdout, stderr }))
      hear()
    })
    child.stdin?.on("error", () => undefined)
    if (options.leaveOpen !== true) child.stdin?.end(options.stdin ?? "")
    const says = (text: string) =>
      Effect.async<void, EndedSilently>((resume) => {
        const look = () => {
          if (stdout.includes(text) || stderr.includes(text)) resume(Effect.void)
          else if (child.exitCode !== null || child.signalCode !== null) {
            resume(Effect.fail(new EndedSilently({ awaited: text, said: `${stdout}\n${stderr}` })))
          }
        }
        heard.add(look)
        look()
        return Effect.sync(() => heard.delete(look))
      })
    return {
      child,
      pid: child.pid ?? 0,
      says,
      signal: (signal) => Effect.sync(() => child.kill(signal)),
      ended: Deferred.await(ended),
    }
  })

/** Runs it to its end. */
export const run = (program: Program, args: ReadonlyArray<string>, options: Options = {}) =>
  Effect.scoped(Effect.flatMap(start(program, args, options), ({ ended }) => ended))
