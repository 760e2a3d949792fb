/**
 * The worker processes of the soak: the daemon as it ships (`dist/main.js`), so that what is measured is what users
 * run. Receipts are cleared away within seconds instead of a day, because a table that is bounded must show it within
 * minutes.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

/** How long receipts are kept, and how often they are looked through, in seconds. */
export const cleanup = { ageSeconds: 10, intervalSeconds: 2 }

/** How long a short-lived worker is let live, its start included, in milliseconds. */
const life = { shortest: 2_000, longest: 5_000 }

/** A worker ended without being asked to. */
export class EndedByItself extends Schema.TaggedError<EndedByItself>()("EndedByItself", {
  name: Schema.String,
  how: Schema.String,
}) {
  override get message() {
    return `the ${this.name} worker ended by itself: ${this.how}`
  }
}

export interface Worker {
  readonly pid: number
  /** Never succeeds; fails when the worker ends before it is killed. */
  readonly alive: Effect.Effect<never, EndedByItself>
  readonly kill: Effect.Effect<void>
}

/** What this process was told about its heap, for the workers too: both are measured by the same rule. */
export const heapFlags = process.execArgv.filter((flag) =>
  /^--((min|max)-semi-space-size|heap-growing-percent)=/.test(flag),
)

const main = fileURLToPath(new URL("../../../dist/main.js", import.meta.url))

const environment = (database: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(EMBEDBOX_|NODE_OPTIONS)/.test(name)),
  ),
  EMBEDBOX_DATABASE: database,
  EMBEDBOX_MODEL: "fake",
  EMBEDBOX_CLEANUP_AGE: `${cleanup.ageSeconds}s`,
  EMBEDBOX_CLEANUP_INTERVAL: `${cleanup.intervalSeconds}s`,
  EMBEDBOX_LOG_FORMAT: "logfmt",
})

const logOf = (database: string) => Path.join(Path.dirname(database), "workers.log")

/** A worker on this file; killed when the scope closes, if it still runs then. */
export const start = (name: string, database: string): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<string>()
    const log = yield* Effect.acquireRelease(
      Effect.sync(() => Fs.openSync(logOf(database), "a")),
      (file) => Effect.sync(() => Fs.closeSync(file)),
    )
    const child: ChildProcess = yield* Effect.sync(() =>
      spawn(process.execPath, [...heapFlags, main], {
        env: environment(database),
        stdio: ["ignore", log, log],
      }),
    )
    child.once("error", (error) => Deferred.unsafeDone(ended, Effect.succeed(error.message)))
    child.once("exit", (code, signal) => Deferred.unsafeDone(ended, Effect.succeed(`exit ${code ?? signal}`)))
    const kill = Effect.zipRight(
      Effect.sync(() => child.kill("SIGKILL")),
      Effect.asVoid(Deferred.await(ended)),
    )
    yield* Effect.addFinalizer(() => kill)
    return {
      pid: child.pid ?? 0,
      alive: Effect.flatMap(Deferred.await(ended), (how) => Effect.fail(new EndedByItself({ name, how }))),
      kill,
    }
  })

/** One worker after the other, each killed with SIGKILL after some seconds; `onKill` is told. */
export const killed = (
  database: string,
  seed: number,
  onKill: Effect.Effect<void>,
): Effect.Effect<never, EndedByItself> =>
  Effect.gen(function* () {
    const random = Random.make(`${seed}/kills`)
    return yield* Effect.forever(
      Effect.scoped(
        Effect.gen(function* () {
          const worker = yield* start("short-lived", database)
          const millis = yield* random.nextIntBetween(life.shortest, life.longest + 1)
          yield* Effect.raceFirst(Effect.sleep(millis), worker.alive)
          yield* worker.kill
          yield* onKill
        }),
      ),
    )
  })

/** What the workers said: jobs that they found in dead hands, and what went wrong. */
export const told = (database: string) =>
  Effect.sync(() => {
    const text = Fs.readFileSync(logOf(database), "utf8")
    const taken = [...text.matchAll(/taken back from dead workers: (\d+)/g)]
    return {
      takenBack: taken.reduce((sum, found) => sum + Number(found[1]), 0),
      errors: text.split("\n").filter((line) => /level=(ERROR|FATAL)/.test(line)),
    }
  })
