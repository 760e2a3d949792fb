/**
 * `embedbox adopt`: brings the rows of a table in, and with `--wait` stays until all of them are embedded. What is left out
 * is told as it is met: a long run must not keep its troubles for its end.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Adopting, type Mapping, type Reading, type RowCheck, type RowOutcome } from "../Adopting.js"
import { defaultEntityType } from "../Domain/Entity.js"
import { counted } from "../Domain/Phrases.js"
import { Access, PlaceTag } from "./Access.js"
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
type Rows = Omit<Document, "dryRun" | "database" | "table" | "type" | "embedded" | "failed">

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

/** Rows of which a document tells, of each kind. */
const mostTold = 1000

const none: Rows = {
  rows: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  kept: 0,
  keptRows: [],
  skipped: 0,
  refused: [],
}

const told = <A>(all: ReadonlyArray<A>, one: A) => (all.length < mostTold ? [...all, one] : all)

const add = (sum: Rows, outcome: RowOutcome | RowCheck): Rows => {
  const rows = sum.rows + 1
  switch (outcome._tag) {
    case "Sound":
      return { ...sum, rows }
    case "Saved":
      return { ...sum, rows, [outcome.change]: sum[outcome.change] + 1 }
    case "Kept": {
      const { because, key } = outcome
      return { ...sum, rows, kept: sum.kept + 1, keptRows: told(sum.keptRows, { key, because }) }
    }
    case "Skipped": {
      const { key, reason } = outcome
      return { ...sum, rows, skipped: sum.skipped + 1, refused: told(sum.refused, { key, reason }) }
    }
  }
}

/** What is said of a row as it is met; nothing of one that is in. */
const lineOf = (screen: typeof Screen.Service, outcome: RowOutcome | RowCheck) => {
  switch (outcome._tag) {
    case "Kept":
      return screen.dim(
        `kept as it is here ${oneLine(outcome.key)}: ${outcome.because} since it was brought in`,
      )
    case "Skipped":
      return screen.yellow(`left out ${oneLine(outcome.key)}: ${oneLine(outcome.reason)}`)
    default:
      return undefined
  }
}

/** Adds all up, and tells of each that is not taken. */
const sumOf = <E, R>(outcomes: Stream.Stream<RowOutcome | RowCheck, E, R>, json: boolean) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    return yield* outcomes.pipe(
      Stream.tap((outcome) => {
        const line = json ? undefined : lineOf(screen, outcome)
        return line === undefined ? Effect.void : Console.log(line)
      }),
      Stream.runFold(none, add),
    )
  })

const bringIn = (given: Given) => (follow: (jobId: string) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const adopting = yield* Adopting
    const { database } = yield* PlaceTag
    const { again, json, source } = given
    const mapping = mappingOf(given)
    const reading = yield* adopting.reading(source, mapping)
    const rows = given.dryRun
      ? yield* sumOf(adopting.survey(source, mapping, { again }), json)
      : yield* sumOf(
          Stream.tap(adopting.adopt(source, mapping, { again }), (outcome) =>
            outcome._tag === "Saved" ? follow(outcome.jobId) : Effect.void,
          ),
          json,
        )
    return { database, reading, rows }
  })

const hint = "They are embedded in the background by the daemon, or here by --wait."

const typeOf = ({ type }: Reading): Document["type"] =>
  "column" in type ? type : { all: type.name ?? defaultEntityType }

/** A type that was meant to be a column is a slip that nobody sees in the notes. */
const typeLine = (given: Given, { table, type }: Reading) =>
  "column" in type
    ? `types from the column ${oneLine(type.column)}`
    : `type ${oneLine(type.name ?? defaultEntityType)} for all` +
      (Option.isSome(given.type) ? `: ${oneLine(table)} has no column of that name` : "")

const summary = (
  screen: typeof Screen.Service,
  given: Given,
  { database, reading, rows }: Effect.Effect.Success<ReturnType<ReturnType<typeof bringIn>>>,
  ended: BringingIn.Ended,
): ReadonlyArray<string> => {
  const { created, kept, skipped, unchanged, updated } = rows
  const keeps = kept === 0 ? "" : `, ${kept} kept as they are here`
  const from = `${counted(rows.rows, "row")} of ${oneLine(given.table)}`
  return [
    given.dryRun
      ? `${from} to bring in, ${skipped} of them left out${keeps}`
      : `${from}: ${created} new, ${updated} changed, ${unchanged} unchanged, ${skipped} left out${keeps}`,
    screen.dim(`${given.dryRun ? "would go" : "saved"} to ${oneLine(database)}, ${typeLine(given, reading)}`),
    ...BringingIn.summary(screen, ended, { saved: created + updated, hint }),
  ]
}

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { report, ...ended } =
      given.wait && !given.dryRun
        ? yield* Effect.provide(BringingIn.andWait(bringIn(given)), access.working)
        : yield* Effect.provide(BringingIn.andLeave(bringIn(given)), access.services)
    const { database, reading, rows } = report
    const { dryRun, table } = given
    yield* given.json
      ? Output.print(Output.Adopted, { dryRun, database, table, type: typeOf(reading), ...rows, ...ended })
      : screen.done(summary(screen, given, report, ended).join("\n"))
    const count = (ended.failed?.length ?? 0) + rows.skipped
    if (count > 0) return yield* new SomeFailed({ count })
  })
