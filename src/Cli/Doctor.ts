/** `embedbox doctor`: says what it checked and how many rows, names what is wrong, and mends it when asked. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type Check, type Diagnosis, Doctor, type Repairs, violationCount } from "../Doctor.js"
import type { Violation } from "../Doctor/Diagnosis.js"
import { Access, PlaceTag } from "./Access.js"
import { NotInOrder } from "./Failure.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"
import * as Table from "./Table.js"

export interface Given {
  readonly repair: boolean
  readonly json: boolean
}

interface Report {
  readonly database: string
  readonly diagnosis: Diagnosis
  readonly repairs: Omit<Repairs, "diagnosis"> | null
}

const read = (repair: boolean) =>
  Effect.gen(function* () {
    const doctor = yield* Doctor
    const { database } = yield* PlaceTag
    if (!repair) {
      const report: Report = { database, diagnosis: yield* doctor.examine, repairs: null }
      return report
    }
    const { diagnosis, ...repairs } = yield* doctor.repair
    const report: Report = { database, diagnosis, repairs }
    return report
  })

const rendered = ({ entityId, entityType, jobId, message }: Violation) =>
  oneLine(
    [
      message,
      ...(entityId === null ? [] : [`  ${entityType ?? ""} ${entityId}`]),
      ...(jobId === null ? [] : [`  job ${jobId}`]),
    ].join(""),
  )

const columns: ReadonlyArray<Table.Column> = [
  { title: "rule" },
  { title: "checked", least: 12 },
  { title: "rows", isNumber: true },
  { title: "found" },
]

/** What was checked, each rule with what is against it below. */
const table = (screen: typeof Screen.Service, checks: ReadonlyArray<Check>) => {
  const [titles = "", ...rows] = Table.lines(
    screen,
    columns,
    checks.map(({ found, invariant, name, rows }) => [
      invariant,
      name,
      `${rows}`,
      found === 0 ? "ok" : `${found} wrong`,
    ]),
    (cell, row, column) =>
      column < 3 ? cell : checks[row]?.found === 0 ? screen.green(cell) : screen.red(cell),
  )
  return [
    titles,
    ...checks.flatMap(({ found, violations }, at) => [
      rows[at] ?? "",
      ...violations.map((violation) => `     ${screen.red(rendered(violation))}`),
      ...(found > violations.length ? [`     ${screen.red(`and ${found - violations.length} more`)}`] : []),
    ]),
  ]
}

const text = (screen: typeof Screen.Service, { database, diagnosis, repairs }: Report) => {
  const count = violationCount(diagnosis)
  return [
    `${screen.dim("database")} ${database}`,
    ...(repairs === null
      ? []
      : [
          `${screen.dim("repaired")} ${repairs.claimsTakenBack} claims taken back, ${repairs.vectorsRemoved} vectors removed, ` +
            `${repairs.textsRemoved} full-text rows removed, ${repairs.textsWritten} written` +
            (repairs.countsCorrected > 0 ? ", the count of waiting notes corrected" : ""),
        ]),
    ...table(screen, diagnosis.checks),
    count === 0 ? screen.green("All in order.") : screen.red(`Violations: ${count}`),
  ].join("\n")
}

export const run = ({ json, repair }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const report = yield* Effect.provide(read(repair), access.database)
    const count = violationCount(report.diagnosis)
    const { database, diagnosis, repairs } = report
    yield* json
      ? Output.print(Output.Diagnosed, { database, violations: count, checks: diagnosis.checks, repairs })
      : Console.log(text(screen, report))
    if (count > 0) return yield* new NotInOrder({ count })
  })
