/** `embedbox jobs`: what waits, is in work, failed and is done, newest first, and why what failed did. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Fault } from "../Domain/Errors.js"
import type { JobStatus, ListedJob } from "../Domain/Job.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { Access } from "./Access.js"
import { WrongUsage } from "./Failure.js"
import * as JobWords from "./JobWords.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"
import * as Table from "./Table.js"
import { fit } from "./Width.js"

export interface Given {
  readonly failed: boolean
  readonly status: Option.Option<JobStatus>
  readonly type: Option.Option<string>
  readonly fault: Option.Option<Fault>
  readonly limit: number
  readonly json: boolean
}

const columns: ReadonlyArray<Table.Column> = [
  // Whole, since it is what other commands take.
  { title: "job" },
  { title: "status" },
  { title: "failures", isNumber: true },
  { title: "when" },
  { title: "entity", least: 8 },
]

/** Narrower than this a job has two lines. */
const leastForTable = 76

/** Why it waits or failed, under its line. Who cancelled a job knows why. */
const reasonOf = ({ lastError, lastFault, outcome, status }: ListedJob) =>
  lastError === null || status === "completed" || outcome === "cancelled"
    ? undefined
    : `${lastFault === null ? "" : `${lastFault}: `}${lastError}`

const table = (screen: typeof Screen.Service, jobs: ReadonlyArray<ListedJob>, now: number) => {
  const entityOf = ({ entityId, entityType }: ListedJob) => oneLine(`${entityType} ${entityId}`)
  const [titles = "", ...rows] = Table.lines(
    screen,
    columns,
    jobs.map((job) => [
      job.jobId,
      JobWords.wordOf(job),
      job.failedAttempts === 0 ? "" : `${job.failedAttempts}`,
      JobWords.whenOf(job, now),
      entityOf(job),
    ]),
    (cell, row, column) => {
      const job = jobs[row]
      return column === 1 && job !== undefined ? JobWords.tintOf(screen, job.status)(cell) : cell
    },
  )
  const isNarrow = screen.width < leastForTable
  const stacked = (job: ListedJob) => [
    `${JobWords.tintOf(screen, job.status)(JobWords.wordOf(job))}  ${fit(`${JobWords.whenOf(job, now)}  ${entityOf(job)}`, screen.width - 12)}`,
    screen.dim(`  ${job.jobId}`),
  ]
  return [
    ...(isNarrow ? [] : [titles]),
    ...jobs.flatMap((job, at) => {
      const reason = reasonOf(job)
      return [
        ...(isNarrow ? stacked(job) : [rows[at] ?? ""]),
        ...(reason === undefined ? [] : [`    ${fit(oneLine(reason), screen.width - 4)}`]),
      ]
    }),
  ]
}

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const status = Option.getOrUndefined(given.status)
    if (given.failed && status !== undefined && status !== "failed") {
      return yield* new WrongUsage({
        reason: `--failed and --status ${status} exclude each other`,
        advice: "say one of them",
      })
    }
    const filter = {
      status: given.failed ? "failed" : status,
      entityType: Option.getOrUndefined(given.type),
      fault: Option.getOrUndefined(given.fault),
    } as const
    // One more than is shown tells whether there are more.
    const found = yield* Effect.flatMap(EmbeddingQueue, (queue) =>
      queue.listJobs({ ...filter, limit: given.limit + 1 }),
    ).pipe(Effect.provide(access.queue))
    const jobs = found.slice(0, given.limit)
    const more = found.length > jobs.length
    if (given.json) {
      const told = jobs.map(({ completedAt, lastError, lastFault, ...job }) => ({
        ...job,
        error: lastError,
        fault: lastFault,
        endedAt: completedAt,
      }))
      return yield* Output.print(Output.Jobs, { jobs: told, more })
    }
    if (jobs.length === 0) {
      const all = Object.values(filter).every((value) => value === undefined)
      return yield* Console.log(all ? "No jobs." : given.failed ? "No failed jobs." : "No such jobs.")
    }
    yield* Console.log(
      [
        ...table(screen, jobs, yield* Clock.currentTimeMillis),
        ...(more ? [screen.dim(`These are the newest ${jobs.length}; --limit shows more.`)] : []),
      ].join("\n"),
    )
  })
