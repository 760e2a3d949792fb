/**
 * `embedbox import`: brings a folder in, and with `--wait` stays until all of it is embedded. It works on the queue
 * itself meanwhile; whether a daemon works beside it does not matter, since no job can be claimed twice.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DirectorySync } from "../DirectorySync.js"
import { Access } from "./Access.js"
import * as BringingIn from "./BringingIn.js"
import { SomeFailed } from "./Failure.js"
import { type Given as FolderGiven, optionsOf } from "./FolderGiven.js"
import * as FolderReport from "./FolderReport.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given extends FolderGiven {
  readonly keep: boolean
  readonly wait: boolean
  readonly json: boolean
}

/** Imports, and gives every job to `follow`. */
const bringIn = (given: Given) => (follow: (jobId: string) => Effect.Effect<void>) =>
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

const hint = "They are embedded in the background by the daemon, or now by the same command with --wait."

const summary = (
  screen: typeof Screen.Service,
  report: FolderReport.Report,
  ended: BringingIn.Ended,
): ReadonlyArray<string> => [
  FolderReport.imported(report),
  ...FolderReport.notices(screen, report),
  ...BringingIn.summary(screen, ended, { saved: report.saved.created + report.saved.updated, hint }),
]

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { report, ...ended } = given.wait
      ? yield* Effect.provide(BringingIn.andWait(bringIn(given)), access.working)
      : yield* Effect.provide(BringingIn.andLeave(bringIn(given)), access.services)
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
