/** `embedbox doctor`: says what it checked and how many rows, names what is wrong, and mends it when asked. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type Check, type Diagnosis, Doctor, type Repairs, violationCount } from "../Doctor.js"
import type { Violation } from "../Doctor/Diagnosis.js"
import { Access, PlaceTag } from "./Access.js"
import { NotInOrder } from "./Failure.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

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

const lines = (screen: typeof Screen.Service, width: number) => (check: Check) => {
  const { found, invariant, name, rows, violations } = check
  const verdict = found === 0 ? screen.green("ok") : screen.red(`${found} wrong`)
  const more = found - violations.length
  return [
    `${invariant.padEnd(5)}${name.padEnd(width)}  ${screen.dim(`${rows} rows`)}  ${verdict}`,
    ...violations.map((violation) => `     ${screen.red(rendered(violation))}`),
    ...(more > 0 ? [`     ${screen.red(`and ${more} more`)}`] : []),
  ]
}

const text = (screen: typeof Screen.Service, { database, diagnosis, repairs }: Report) => {
  const width = Math.max(...diagnosis.checks.map(({ name }) => name.length))
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
    ...diagnosis.checks.flatMap(lines(screen, width)),
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
