/**
 * `embedbox codemod`: changes calls in a program's text, and says which ones somebody has to look at. ts-morph, which is
 * large and wanted once in a program's life, is the program's to install: who has not is told how.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Codemod from "../Codemod.js"
import { counted } from "../Domain/Phrases.js"
import { SomeFailed, WrongUsage } from "./Failure.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

export interface Given extends Codemod.Options {
  readonly which: "create-entity"
  readonly json: boolean
}

/** As `peerDependencies` has it; a test compares. */
export const tsMorph = "ts-morph@28"

const at = ({ column, file, line }: Codemod.Place) => `${oneLine(file)}:${line}:${column}`

const became = { receipt: "reads the receipt", sync: "is createEntitySync now" } as const

/** What is to be looked at first, and a summary last: the end is what stays on the screen. */
const lines = (screen: typeof Screen.Service, report: Codemod.Report, dryRun: boolean) => [
  ...report.changed.map((place) => `${at(place)}  ${screen.green(became[place.to])}`),
  ...report.reported.flatMap((place) => [
    `${at(place)}  ${screen.yellow(oneLine(place.reasons.join("; ")))}`,
    screen.dim(`    ${place.advice}`),
  ]),
  ...report.unclear.map(
    (place) => `${at(place)}  ${screen.yellow("nothing tells whose createEntity this is: see --receiver")}`,
  ),
  ...report.others.map((place) => screen.dim(`${at(place)}  is another createEntity`)),
  ...report.broken.map(({ file, reason }) => screen.red(`${oneLine(file)}  left alone: ${oneLine(reason)}`)),
  `${counted(report.files, "file")}: ${dryRun ? "would change" : "changed"} ${counted(report.changed.length, "call")} in ${report.changedFiles.length}, ` +
    `${report.kept} right as they are, ${report.reported.length + report.unclear.length} to look at` +
    (report.others.length === 0 ? "" : `, ${report.others.length} of another createEntity`),
]

const isMissing = (defect: unknown) =>
  Predicate.hasProperty(defect, "code") &&
  defect.code === "ERR_MODULE_NOT_FOUND" &&
  Predicate.hasProperty(defect, "message") &&
  String(defect.message).includes("'ts-morph'")

const load = Effect.promise(() => import("../Codemod.js")).pipe(
  Effect.catchSomeDefect((defect) =>
    isMissing(defect)
      ? Option.some(
          new WrongUsage({
            reason: "codemod needs ts-morph, which is not installed here",
            advice: `install it beside Embedbox and run the same again: npm install --save-dev ${tsMorph}`,
          }),
        )
      : Option.none(),
  ),
)

export const run = (given: Given) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const { createEntity } = yield* load
    const report = yield* Effect.catchTag(
      createEntity(given),
      "SourcesUnreadable",
      (error) => new WrongUsage({ reason: error.message, advice: "name a folder of sources, or a file" }),
    )
    yield* given.json
      ? Output.print(Output.Codemodded, { ...report, dryRun: given.dryRun })
      : Console.log(lines(screen, report, given.dryRun).join("\n"))
    const count = report.reported.length + report.unclear.length + report.broken.length
    if (count > 0) return yield* new SomeFailed({ count })
  })
