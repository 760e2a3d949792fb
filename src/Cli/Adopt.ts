/**
 * `embedbox adopt`: brings the rows of a table in, and with `--wait` stays until all of them are embedded. What is left out
 * is told as it is met: a long run must not keep its troubles for its end.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Adopting, type Mapping, type RowCheck, type RowOutcome } from "../Adopting.js"
import { counted } from "../Domain/Phrases.js"
import { Access } from "./Access.js"
import * as BringingIn from "./BringingIn.js"
import { SomeFailed } from "./Failure.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

export interface Given {
  readonly source: string
  readonly table: string
  readonly id: string
  readonly content: string
  readonly type: Option.Option<string>
  readonly metadata: ReadonlyArray<string>
  readonly metadataJson: Option.Option<string>
  readonly created: Option.Option<string>
  readonly updated: Option.Option<string>
  readonly again: boolean
  readonly dryRun: boolean
  readonly wait: boolean
  readonly json: boolean
}

type Document = typeof Output.Adopted.Type
type Rows = Omit<Document, "dryRun" | "table" | "embedded" | "failed">

const mappingOf = (given: Given): Mapping => ({
  table: given.table,
  id: given.id,
  content: given.content,
  type: Option.getOrUndefined(given.type),
  metadata: given.metadata,
  metadataJson: Option.getOrUndefined(given.metadataJson),
  created: Option.getOrUndefined(given.created),
  updated: Option.getOrUndefined(given.updated),
})

/** Rows of which a document tells. */
const mostRefused = 1000

const none: Rows = { rows: 0, created: 0, updated: 0, unchanged: 0, skipped: 0, refused: [] }

const add = (sum: Rows, outcome: RowOutcome | RowCheck): Rows => {
  const rows = sum.rows + 1
  switch (outcome._tag) {
    case "Sound":
      return { ...sum, rows }
    case "Saved":
      return { ...sum, rows, [outcome.change]: sum[outcome.change] + 1 }
    case "Skipped": {
      const { key, reason } = outcome
      const refused = sum.refused.length < mostRefused ? [...sum.refused, { key, reason }] : sum.refused
      return { ...sum, rows, skipped: sum.skipped + 1, refused }
    }
  }
}

/** Adds all up, and tells of each that is left out. */
const sumOf = <E, R>(outcomes: Stream.Stream<RowOutcome | RowCheck, E, R>, json: boolean) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    return yield* outcomes.pipe(
      Stream.tap((outcome) =>
        outcome._tag === "Skipped" && !json
          ? Console.log(screen.yellow(`left out ${oneLine(outcome.key)}: ${oneLine(outcome.reason)}`))
          : Effect.void,
      ),
      Stream.runFold(none, add),
    )
  })

const bringIn = (given: Given) => (follow: (jobId: string) => Effect.Effect<void>) =>
  Effect.flatMap(Adopting, (adopting) => {
    const { again, json, source } = given
    return given.dryRun
      ? sumOf(adopting.survey(source, mappingOf(given), { again }), json)
      : sumOf(
          Stream.tap(adopting.adopt(source, mappingOf(given), { again }), (outcome) =>
            outcome._tag === "Saved" ? follow(outcome.jobId) : Effect.void,
          ),
          json,
        )
  })

const hint = "They are embedded in the background by the daemon, or here by --wait."

const summary = (
  screen: typeof Screen.Service,
  { dryRun, table }: Given,
  { created, rows, skipped, unchanged, updated }: Rows,
  ended: BringingIn.Ended,
): ReadonlyArray<string> => [
  dryRun
    ? `${counted(rows, "row")} of ${oneLine(table)} to bring in, ${skipped} of them cannot be notes`
    : `${counted(rows, "row")} of ${oneLine(table)}: ${created} new, ${updated} changed, ${unchanged} unchanged, ${skipped} left out`,
  ...BringingIn.summary(screen, ended, { saved: created + updated, hint }),
]

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { report: rows, ...ended } =
      given.wait && !given.dryRun
        ? yield* Effect.provide(BringingIn.andWait(bringIn(given)), access.working)
        : yield* Effect.provide(BringingIn.andLeave(bringIn(given)), access.services)
    yield* given.json
      ? Output.print(Output.Adopted, { dryRun: given.dryRun, table: given.table, ...rows, ...ended })
      : screen.done(summary(screen, given, rows, ended).join("\n"))
    const count = (ended.failed?.length ?? 0) + rows.skipped
    if (count > 0) return yield* new SomeFailed({ count })
  })
