/**
 * `embedbox job`: how a job stands and what went wrong on its way; with `--wait`, its end, brought about here when
 * nobody else works.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { JobNotFound } from "../Domain/Errors.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import * as JobWords from "./JobWords.js"
import * as Output from "./Output.js"
import { oneLine, pausedNotice, Screen } from "./Screen.js"

export interface Given {
  readonly id: string
  readonly wait: boolean
  readonly json: boolean
}

const read = (jobId: string) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const service = yield* EntityService
    const item = yield* queue.getJob(jobId)
    if (Option.isSome(item)) {
      const { lastError: error, lastFault: fault, ...job } = item.value.job
      return { ...job, error, fault, attempts: yield* queue.attempts(jobId) }
    }
    // Its receipt may be cleared away while what it stored is there.
    const { entityId, entityType } = yield* Effect.flatMap(
      service.getAsyncJobStatus(jobId),
      Effect.orElseFail(() => new JobNotFound({ jobId })),
    )
    const outcome = "stored" as const
    return {
      jobId,
      entityId,
      entityType,
      status: "completed" as const,
      outcome,
      successor: null,
      error: null,
      fault: null,
      attempts: [],
    }
  })

const waitFor = (jobId: string) =>
  Effect.gen(function* () {
    yield* read(jobId)
    const queue = yield* EmbeddingQueue
    const screen = yield* Screen
    if ((yield* queue.workAhead).paused) yield* screen.write(pausedNotice)
    const service = yield* EntityService
    const ended = yield* Effect.either(service.awaitJob(jobId))
    return { job: yield* read(jobId), failure: ended._tag === "Left" ? ended.left : undefined }
  })

const text = (
  screen: typeof Screen.Service,
  job: Effect.Effect.Success<ReturnType<typeof read>>,
  now: number,
): ReadonlyArray<string> => {
  const [status = "", ...how] = JobWords.standingOf(job).split(" ")
  return [
    [JobWords.tintOf(screen, job.status)(status), ...how, "", job.entityType, oneLine(job.entityId)].join(
      " ",
    ),
    ...(job.error === null || job.status === "completed"
      ? []
      : [`${screen.dim("error")}  ${oneLine(job.error)}`]),
    ...job.attempts.map(({ attempt, crashed, endedAt, error, fault, startedAt }) => {
      const took = startedAt === null ? "" : `, after ${JobWords.span(endedAt - startedAt)}`
      const when = `attempt ${attempt} went wrong ${JobWords.span(now - endedAt)} ago${took}`
      return `${screen.dim(when)}  ${crashed ? "crash" : fault}: ${oneLine(error)}`
    }),
  ]
}

export const run = ({ id, json, wait }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { failure, job } = wait
      ? yield* Effect.provide(waitFor(id), access.working)
      : { job: yield* Effect.provide(read(id), access.services), failure: undefined }
    yield* json
      ? Output.print(Output.Job, job)
      : Console.log(text(screen, job, yield* Clock.currentTimeMillis).join("\n"))
    if (failure !== undefined) return yield* failure
  })
