/**
 * `embedbox import`: brings a folder in, and with `--wait` stays until all of it is embedded. It works on the queue
 * itself meanwhile; whether a daemon works beside it does not matter, since no job can be claimed twice.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DirectorySync } from "../DirectorySync.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import * as JobProgress from "../JobProgress.js"
import { Access } from "./Access.js"
import { SomeFailed } from "./Failure.js"
import { type Given as FolderGiven, optionsOf } from "./FolderGiven.js"
import * as FolderReport from "./FolderReport.js"
import * as Output from "./Output.js"
import * as Progress from "./Progress.js"
import { oneLine, pausedNotice, Screen } from "./Screen.js"

export interface Given extends FolderGiven {
  readonly keep: boolean
  readonly wait: boolean
  readonly json: boolean
}

type Document = typeof Output.Imported.Type

/** Imports, and gives every job to `follow`. */
const bringIn = (given: Given, follow: (jobId: string) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const growing = FolderReport.make()
    const directory = yield* DirectorySync
    yield* directory
      .importFolder(given.folder, { ...optionsOf(given), existing: given.keep ? "keep" : "replace" })
      .pipe(
        Stream.runForEach((outcome) => {
          growing.add(outcome)
          return outcome._tag === "Saved" ? follow(outcome.jobId) : Effect.void
        }),
      )
    return growing.report()
  })

const andLeave = (given: Given) =>
  Effect.map(
    bringIn(given, () => Effect.void),
    (report) => ({ report, embedded: null, failed: null }),
  )

const andWait = (given: Given) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const screen = yield* Screen
    const tracker = yield* JobProgress.make()
    yield* Progress.show(yield* Progress.ofJobs("embedding", tracker))
    const report = yield* bringIn(given, tracker.add)
    if ((yield* queue.workAhead).paused) yield* screen.write(pausedNotice)
    const failed = yield* tracker.finished
    return { report, embedded: (yield* tracker.progress).done, failed }
  }).pipe(Effect.scoped)

const summary = (
  screen: typeof Screen.Service,
  report: FolderReport.Report,
  { embedded, failed }: Pick<Document, "embedded" | "failed">,
) => [
  FolderReport.imported(report),
  ...FolderReport.notices(screen, report),
  ...(embedded === null ? [] : [`${embedded} embedded, ${failed?.length ?? 0} failed`]),
  ...(failed ?? []).map(({ entityId, reason }) =>
    screen.red(`  failed ${oneLine(entityId)}: ${oneLine(reason)}`),
  ),
  ...(embedded !== null || report.saved.created + report.saved.updated === 0
    ? []
    : [
        screen.dim(
          "They are embedded in the background by the daemon, or now by the same command with --wait.",
        ),
      ]),
]

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { report, ...ended } = given.wait
      ? yield* Effect.provide(andWait(given), access.working)
      : yield* Effect.provide(andLeave(given), access.services)
    const { files, saved, skipped } = report
    yield* given.json
      ? Output.print(Output.Imported, {
          folder: given.folder,
          entityType: given.type,
          files,
          ...saved,
          skipped,
          ...ended,
        })
      : screen.done(summary(screen, report, ended).join("\n"))
    const count = (ended.failed?.length ?? 0) + FolderReport.troubles(report)
    if (count > 0) return yield* new SomeFailed({ count })
  })
