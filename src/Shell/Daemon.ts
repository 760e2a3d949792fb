/**
 * The life of the daemon as an Effect, so that `main.ts` is composition only. It opens the shell, says on what it
 * works, and waits for its interruption; a finalizer says when all is drained. What makes it fail to start (a
 * setting, the database) is one plain line, since the reader is a person or a service manager and no stack would
 * help either.
 */
import type { Teardown } from "@effect/platform/Runtime"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { StorageError } from "../Domain/Errors.js"
import * as Shell from "../Shell.js"
import * as Config from "./Config.js"
import * as ConfigSources from "./ConfigSources.js"
import * as Interfaces from "./Interfaces.js"
import * as Logging from "./Logging.js"

/** What the log says of the settings at the start. */
const told = (settings: Config.Settings) => ({
  database: settings.database,
  model: settings.embeddingsUrl === undefined ? settings.model : settings.embeddingsModel,
  ...(settings.embeddingsUrl === undefined ? {} : { provider: new URL(settings.embeddingsUrl).host }),
  concurrency: settings.concurrency ?? "auto",
  batchSize: settings.batchSize,
  processes: settings.processes ?? "auto",
  threads: settings.threads ?? "auto",
  pollInterval: Duration.format(settings.pollInterval),
  maxProcessingTime: Duration.format(settings.maxProcessingTime),
  lease: Duration.format(settings.leaseDuration),
  drainTimeout: Duration.format(settings.drainTimeout),
  folder: settings.syncDir ?? "none",
  matrix: (settings.matrixHomeserver && settings.matrixUser) ?? "none",
  cleanup: `after ${Duration.format(settings.cleanupAge)}, every ${Duration.format(settings.cleanupInterval)}`,
})

const life = (settings: Config.Settings): Effect.Effect<never, StorageError | Config.InvalidSettings> =>
  Effect.gen(function* () {
    // Interfaces come up last and go first: whoever asks finds the services there.
    yield* Layer.build(Layer.provideMerge(yield* Interfaces.layer(settings), Shell.layerWith(settings)))
    yield* Effect.forEach(yield* ConfigSources.strangers, (sentence) => Effect.logWarning(sentence))
    yield* Effect.logInfo("embedbox is ready").pipe(Effect.annotateLogs(told(settings)))
    // Added last, so it is the first thing to happen at the end.
    yield* Effect.addFinalizer(() => Effect.logInfo("stopping"))
    return yield* Effect.never
  }).pipe(
    Effect.scoped,
    // By then everything is drained and closed.
    Effect.onInterrupt(() => Effect.logInfo("stopped")),
    Effect.provide(Logging.layer(settings)),
  )

/** The daemon was given words, and takes none. */
export class NoArguments extends Schema.TaggedError<NoArguments>()("NoArguments", {}) {
  override get message() {
    return "the daemon takes no arguments: `embedbox serve` takes some, and `embedbox config` lists the settings"
  }
}

/** Runs until interrupted, with the settings that it finds. */
export const serve: Effect.Effect<never, Config.InvalidSettings | StorageError> = Effect.flatMap(
  Config.load(),
  life,
)

/** The program: the same, with what files of settings say. */
export const run: Effect.Effect<never, NoArguments | Config.InvalidSettings | StorageError> = Effect.gen(
  function* () {
    if (process.argv.length > 2) return yield* new NoArguments()
    return yield* Effect.provide(serve, ConfigSources.layer())
  },
)

/** Says in one line why it could not start or go on; being asked to stop is success. */
export const teardown: Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return onExit(0)
  const problem = Cause.squash(exit.cause)
  process.stderr.write(`embedbox: ${problem instanceof Error ? problem.message : String(problem)}\n`)
  onExit(1)
}
