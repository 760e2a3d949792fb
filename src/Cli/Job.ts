/** `embedbox job`: how a job stands; with `--wait`, its end, brought about here when nobody else works. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { JobNotFound } from "../Domain/Errors.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import * as Output from "./Output.js"
import { pausedNotice, Screen } from "./Screen.js"

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
    if (Option.isSome(item)) return { ...item.value.job, error: item.value.job.lastError }
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

export const run = ({ id, json, wait }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { failure, job } = wait
      ? yield* Effect.provide(waitFor(id), access.working)
      : { job: yield* Effect.provide(read(id), access.services), failure: undefined }
    if (json) yield* Output.print(Output.Job, job)
    else {
      const tint = {
        pending: screen.yellow,
        processing: screen.yellow,
        completed: screen.green,
        failed: screen.red,
      }
      const outcome =
        job.outcome === null ? "" : ` (${job.outcome}${job.successor === null ? "" : ` by ${job.successor}`})`
      yield* Console.log(
        [
          `${tint[job.status](job.status)}${outcome}  ${job.entityType} ${job.entityId}`,
          ...(job.error === null || job.status === "completed"
            ? []
            : [`${screen.dim("error")}  ${job.error}`]),
        ].join("\n"),
      )
    }
    if (failure !== undefined) return yield* failure
  })
