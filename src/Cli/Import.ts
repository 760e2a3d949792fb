/**
 * `embedbox import`: brings a folder in, and with `--wait` stays until all of it is embedded. It works on the queue
 * itself meanwhile; whether a daemon works beside it does not matter, since no job can be claimed twice.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { DirectorySync, type FileOutcome } from "../DirectorySync.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import * as JobProgress from "../JobProgress.js"
import { Access } from "./Access.js"
import { SomeFailed } from "./Failure.js"
import * as Output from "./Output.js"
import * as Progress from "./Progress.js"
import { oneLine, pausedNotice, Screen } from "./Screen.js"

export interface Given {
  readonly folder: string
  readonly type: string
  readonly wait: boolean
  readonly json: boolean
}

type Report = typeof Output.Imported.Type
type Counts = Omit<Report, "folder" | "entityType" | "embedded" | "failed">

const none: Counts = { files: 0, created: 0, updated: 0, moved: 0, unchanged: 0, skipped: [] }

const counted = (counts: Counts, outcome: FileOutcome): Counts => {
  const files = counts.files + 1
  if (outcome._tag === "Skipped") {
    return {
      ...counts,
      files,
      skipped: [...counts.skipped, { path: outcome.path, kind: outcome.kind, reason: outcome.reason }],
    }
  }
  const change = outcome.change === "kept" ? "unchanged" : outcome.change
  return { ...counts, files, [change]: counts[change] + 1 }
}

/** Imports, gives every job to `follow`, and shows how far it is in the meantime. */
const bringIn = (given: Given, follow: (jobId: string) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const counts = yield* Ref.make(none)
    const directory = yield* DirectorySync
    yield* directory.importFolder(given.folder, { entityType: given.type }).pipe(
      Stream.runForEach((outcome) =>
        Effect.zipRight(
          Ref.update(counts, (before) => counted(before, outcome)),
          outcome._tag === "Saved" ? follow(outcome.jobId) : Effect.void,
        ),
      ),
    )
    return yield* Ref.get(counts)
  })

const andLeave = (given: Given) =>
  Effect.map(
    bringIn(given, () => Effect.void),
    (counts) => ({ ...counts, embedded: null, failed: null }),
  )

const andWait = (given: Given) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const screen = yield* Screen
    const tracker = yield* JobProgress.make()
    yield* Progress.show(yield* Progress.ofJobs("embedding", tracker.progress))
    const counts = yield* bringIn(given, tracker.add)
    if ((yield* queue.workAhead).paused) yield* screen.write(pausedNotice)
    const failed = yield* tracker.finished
    return { ...counts, embedded: (yield* tracker.progress).done, failed }
  }).pipe(Effect.scoped)

const summary = (screen: typeof Screen.Service, report: Report, waited: boolean) => {
  const { created, embedded, failed, files, moved, skipped, unchanged, updated } = report
  return [
    `${files} files: ${created} new, ${updated} changed, ${moved === 0 ? "" : `${moved} moved, `}${unchanged} unchanged, ${skipped.length} skipped`,
    ...skipped.map(({ kind, path, reason }) =>
      screen.yellow(`  ${kind} ${oneLine(path)}: ${oneLine(reason)}`),
    ),
    ...(embedded === null ? [] : [`${embedded} embedded, ${failed?.length ?? 0} failed`]),
    ...(failed ?? []).map(({ entityId, reason }) =>
      screen.red(`  failed ${oneLine(entityId)}: ${oneLine(reason)}`),
    ),
    ...(waited || created + updated === 0
      ? []
      : [
          screen.dim(
            "They are embedded in the background by the daemon, or now by the same command with --wait.",
          ),
        ]),
  ]
}

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const result = given.wait
      ? yield* Effect.provide(andWait(given), access.working)
      : yield* Effect.provide(andLeave(given), access.services)
    const report: Report = { folder: given.folder, entityType: given.type, ...result }
    yield* given.json
      ? Output.print(Output.Imported, report)
      : Console.log(summary(screen, report, given.wait).join("\n"))
    const count = report.failed?.length ?? 0
    if (count > 0) return yield* new SomeFailed({ count })
  })
