/**
 * A folder that is kept in step for as long as a process lives, whatever befalls the folder: one that is unmounted, or of
 * which the system cannot tell, is tried again, and `status` says so meanwhile. Where the system cannot watch, a run now
 * and then does as well, only later.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { DirectorySync, type SyncOptions, type SyncOutcome } from "../DirectorySync.js"
import type { InterfaceBoard } from "../InterfaceBoard.js"
import * as Standing from "../InterfaceBoard/Standing.js"
import * as News from "./News.js"

export interface Options extends SyncOptions {
  readonly folder: string
}

/** As long after a failure it is tried again, and never longer after one. */
const firstDelay: Duration.DurationInput = "1 second"
const longestDelay: Duration.DurationInput = "1 minute"

/** What goes well for so long is well. */
const settled: Duration.DurationInput = "2 seconds"

/** Changes are information, and what is not in order is a warning. */
const tell = (outcome: SyncOutcome) => {
  switch (outcome._tag) {
    case "Saved":
    case "Exported":
      return Effect.logInfo(`folder: ${outcome._tag === "Saved" ? "saved" : "wrote"} ${outcome.path}`)
    case "Removed":
      return Effect.logInfo(`folder: removed the ${outcome.side} of ${outcome.path}`)
    case "Conflict":
      return Effect.logWarning(
        `folder: both sides changed ${outcome.path}; the other version is in ${outcome.kept}`,
      )
    case "Skipped":
      return outcome.kind === "quarantined"
        ? Effect.logWarning(`folder: ${outcome.path} is left out: ${outcome.reason}`)
        : Effect.void
    case "Unexported":
      return Effect.logDebug(`folder: ${outcome.entityId} has no file: ${outcome.reason}`)
  }
}

const resident = ({ folder, ...options }: Options) =>
  Effect.gen(function* () {
    const directory = yield* DirectorySync
    const standing = yield* Standing.make({ name: "folder", subject: folder, waiting: Effect.succeed(0) })
    const isNews = News.make()

    const watch = directory.watchFolder(folder, options).pipe(
      Stream.catchTag("FolderUnwatchable", (error) =>
        Stream.concat(directory.syncFolder(folder, options), Stream.fail(error)),
      ),
      Stream.filter(isNews),
      Stream.runForEach(tell),
    )

    const attempt = Effect.gen(function* () {
      yield* standing.set("connected").pipe(Effect.delay(settled), Effect.forkScoped)
      yield* watch
    }).pipe(
      Effect.scoped,
      Effect.tapError((error) => standing.set("retrying", error.message)),
    )

    yield* attempt.pipe(
      Effect.retry(
        Schedule.exponential(firstDelay).pipe(
          Schedule.modifyDelay((_, delay) => Duration.min(delay, longestDelay)),
          Schedule.resetAfter(longestDelay),
        ),
      ),
      Effect.forkScoped,
    )
  })

/** Keeps the folder in step as long as the Layer lasts. */
export const layer = (options: Options): Layer.Layer<never, never, DirectorySync | InterfaceBoard> =>
  Layer.scopedDiscard(resident(options))
