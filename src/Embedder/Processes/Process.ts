/**
 * One child process, from its fork to its certain end. Effect's Worker API carries the messages; what is added here is
 * what a pool must know and that API does not tell: that a child has died, at once and by that name (its own report
 * arrives as any of several errors, and it would fork another child a second later), and that a child is really gone
 * when its scope is closed.
 */
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Worker from "@effect/platform/Worker"
import type { WorkerError } from "@effect/platform/WorkerError"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { ParseError } from "effect/ParseResult"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { createRequire } from "node:module"
import * as Os from "node:os"
import { pathToFileURL } from "node:url"
import { EmbeddingError } from "../../Domain/Errors.js"
import type { Request } from "../Protocol.js"

/** How long a child may take to come up, before any model is loaded. */
const startTimeout = Duration.seconds(60)

/** What a request to a child can end with, if not with an answer. */
export type RequestError = EmbeddingError | WorkerError | ParseError

/** A child that can be asked. */
export interface Process {
  readonly pid: number
  /** Asks; a child that dies meanwhile is a fault of the host, and a crash unless it was killed by `kill`. */
  readonly ask: <A>(
    request: (worker: Worker.SerializedWorker<Request>) => Effect.Effect<A, RequestError>,
  ) => Effect.Effect<A, EmbeddingError>
  /** Ends it on the spot. */
  readonly kill: Effect.Effect<void>
  /** How it ended, once it has. */
  readonly ended: Effect.Effect<string>
  /** Whether it is being ended, or was, on purpose. */
  readonly isDismissed: () => boolean
}

/** The entry of the children beside this module: TypeScript when this is TypeScript, as under tsx and vitest. */
const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js"
export const defaultEntry = new URL(`../Child${extension}`, import.meta.url)

/**
 * The host's event loop goes first where there are more threads than cores: that is what the processes are for. With
 * it a create takes half the time while notes are embedded, and the throughput is the same. From the first moment:
 * starting is work too. A system that does not allow it only loses that.
 */
const stepBack = (child: ChildProcess): void => {
  if (child.pid !== undefined) {
    const { pid } = child
    Either.try(() => Os.setPriority(pid, Os.constants.priority.PRIORITY_BELOW_NORMAL))
  }
}

const start = (entry: URL, argument: string): ChildProcess =>
  fork(entry, [argument], {
    serialization: "advanced",
    // Not the parent's: an inspector's port can be taken only once. tsx is found from here, wherever we are run.
    execArgv: entry.pathname.endsWith(".ts")
      ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href]
      : [],
    // What a child prints goes to standard error: standard output may be somebody's data.
    stdio: ["ignore", process.stderr.fd, process.stderr.fd, "ipc"],
  })

const host = (reason: string, cause?: unknown) =>
  new EmbeddingError({ fault: "host", reason, ...(cause === undefined ? {} : { cause }) })

/** The child died with a request in hand, which may have been that request's doing. */
const crash = (reason: string, cause?: unknown) =>
  new EmbeddingError({ fault: "host", reason, crashed: true, ...(cause === undefined ? {} : { cause }) })

/** Forks a child for the scope, and waits until it listens. */
export const open = (options: {
  readonly entry: URL
  /** The one argument of its command line. */
  readonly argument: string
  /** It computes in the background: whoever else wants the processor goes first. */
  readonly background: boolean
}): Effect.Effect<Process, EmbeddingError, Scope.Scope> =>
  Effect.gen(function* () {
    const end = Deferred.unsafeMake<string>(FiberId.none)
    let child: ChildProcess | undefined
    const spawn = () => {
      child = start(options.entry, options.argument)
      if (options.background) stepBack(child)
      child.once("exit", (code, signal) =>
        Deferred.unsafeDone(end, Effect.succeed(signal === null ? `exit code ${code}` : `signal ${signal}`)),
      )
      // A child that never came up has an error and no exit.
      child.once("error", (error) => {
        if (child?.pid === undefined) Deferred.unsafeDone(end, Effect.succeed(error.message))
      })
      return child
    }

    const ended = Deferred.await(end)
    let dismissed = false
    const kill = Effect.sync(() => {
      dismissed = true
      child?.kill("SIGKILL")
    })
    // Registered first, so done last: the Worker API asks nicely for some seconds, and does not look again.
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => (child === undefined ? Effect.void : Effect.zipRight(kill, ended))),
    )

    // One that is ended on purpose takes along what waited behind the work it was ended for: nobody's doing.
    const death = (how: string, cause?: unknown) =>
      dismissed
        ? host("the embedding process was ended before it came to this work", cause)
        : crash(`the embedding process ${child?.pid ?? ""} died${how} with this work in hand`, cause)
    const died = Effect.flatMap(ended, (how) => death(` (${how})`))
    const ask: Process["ask"] = (request) =>
      Effect.raceFirst(request(worker), died).pipe(
        Effect.catchTags({
          // A dying child is reported as either, before or after its exit is known.
          WorkerError: (error) => host(`the embedding process failed: ${error.message}`, error.cause),
          ParseError: (error) => death("", error),
        }),
      )

    const worker = yield* Worker.makeSerialized<Request>({}).pipe(
      // It would tell the death of a child a second time, in words of its own.
      Logger.withMinimumLogLevel(LogLevel.None),
      Effect.provide(NodeWorker.layer(spawn)),
      Effect.mapError((error) => host(`the embedding process cannot be started: ${error.message}`, error)),
      Effect.raceFirst(
        Effect.flatMap(ended, (how) => host(`the embedding process ended while it started (${how})`)),
      ),
      Effect.timeoutFail({
        duration: startTimeout,
        onTimeout: () => host("the embedding process does not answer"),
      }),
    )
    // Done first: from here on its end is our doing, whichever way it takes.
    yield* Effect.addFinalizer(() => Effect.sync(() => (dismissed = true)))
    return { pid: child?.pid ?? 0, ask, kill, ended, isDismissed: () => dismissed }
  })
