/** `embedbox export`: writes notes into a folder, a file each. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DirectorySync } from "../DirectorySync.js"
import { Access } from "./Access.js"
import { SomeFailed } from "./Failure.js"
import { type Given as FolderGiven, optionsOf } from "./FolderGiven.js"
import * as FolderReport from "./FolderReport.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given extends Omit<FolderGiven, "extensions"> {
  readonly json: boolean
}

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const growing = FolderReport.make()
    yield* Effect.flatMap(DirectorySync, (directory) =>
      directory
        .exportFolder(given.folder, optionsOf({ ...given, extensions: Option.none() }))
        .pipe(Stream.runForEach((outcome) => Effect.sync(() => growing.add(outcome)))),
    ).pipe(Effect.provide(access.services))
    const report = growing.report()
    const { conflicts, elsewhere, exported, unexported } = report
    yield* given.json
      ? Output.print(Output.Exported, { folder: given.folder, ...exported, conflicts, unexported, elsewhere })
      : screen.done([FolderReport.written(report), ...FolderReport.notices(screen, report)].join("\n"))
    const count = conflicts.length + unexported.length
    if (count > 0) return yield* new SomeFailed({ count })
  })
