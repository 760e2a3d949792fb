/** `embedbox sync`: a folder and the notes in step, both ways, once or for as long as it runs. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DirectorySync, type SyncOutcome } from "../DirectorySync.js"
import * as News from "../DirectorySync/News.js"
import { Access } from "./Access.js"
import { SomeFailed } from "./Failure.js"
import { type Given as FolderGiven, optionsOf } from "./FolderGiven.js"
import * as FolderReport from "./FolderReport.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given extends FolderGiven {
  readonly watch: boolean
  readonly delete: boolean
  readonly json: boolean
}

const once = (given: Given) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const growing = FolderReport.make()
    const directory = yield* DirectorySync
    yield* directory
      .syncFolder(given.folder, { ...optionsOf(given), deletions: given.delete })
      .pipe(Stream.runForEach((outcome) => Effect.sync(() => growing.add(outcome))))
    const { elsewhere: _elsewhere, files: _files, ...report } = growing.report()
    const whole = growing.report()
    yield* given.json
      ? Output.print(Output.Synced, { folder: given.folder, ...report })
      : screen.done(
          [
            FolderReport.imported(whole),
            FolderReport.written(whole),
            ...FolderReport.gone(whole),
            ...FolderReport.notices(screen, whole),
          ].join("\n"),
        )
    const count = report.conflicts.length + FolderReport.troubles(report) + report.unexported.length
    if (count > 0) return yield* new SomeFailed({ count })
  })

/** One change as a document of its own. */
const documentOf = (outcome: SyncOutcome): typeof Output.SyncedOne.Type => {
  const path = "path" in outcome ? outcome.path : null
  const [entityType, entityId] =
    outcome._tag === "Skipped" ? [null, null] : [outcome.entityType, outcome.entityId]
  const of = (what: (typeof Output.SyncedOne.Type)["what"], detail: string) => ({
    what,
    path,
    entityType,
    entityId,
    detail,
  })
  switch (outcome._tag) {
    case "Saved":
      return of("saved", outcome.change)
    case "Exported":
      return of("exported", outcome.change)
    case "Removed":
      return of("removed", outcome.side)
    case "Conflict":
      return of("conflict", outcome.kept)
    case "Skipped":
      return of("skipped", `${outcome.kind}: ${outcome.reason}`)
    case "Unexported":
      return of("unexported", outcome.reason)
  }
}

const watched = (given: Given) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const directory = yield* DirectorySync
    yield* screen.write(`embedbox: ${given.folder} is kept in step; Ctrl-C ends it\n`)
    yield* directory.watchFolder(given.folder, { ...optionsOf(given), deletions: given.delete }).pipe(
      Stream.filter(News.make()),
      Stream.runForEach((outcome) =>
        given.json
          ? Output.print(Output.SyncedOne, documentOf(outcome))
          : screen.done(FolderReport.line(outcome)),
      ),
    )
  })

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    yield* given.watch
      ? Effect.provide(watched(given), access.working)
      : Effect.provide(once(given), access.services)
  })
