/**
 * `embedbox retry`: puts failed jobs in line again. Which ones must be said, since all of them is a lot to mean by
 * accident.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Fault, JobNotFound } from "../Domain/Errors.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { Access } from "./Access.js"
import { WrongUsage } from "./Failure.js"
import * as JobWords from "./JobWords.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given {
  readonly id: Option.Option<string>
  readonly all: boolean
  readonly type: Option.Option<string>
  readonly fault: Option.Option<Fault>
  readonly error: Option.Option<string>
  readonly cancelled: boolean
  readonly json: boolean
}

const chosen = "--all, --type, --fault, --error or --cancelled"

const one = (jobId: string) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const retried = yield* queue.retryFailed({ jobId })
    if (retried > 0) return { retried, note: undefined }
    const { job } = yield* Effect.flatMap(
      queue.getJob(jobId),
      Effect.orElseFail(() => new JobNotFound({ jobId })),
    )
    return { retried, note: `nothing to retry: the job is ${JobWords.standingOf(job)}` }
  })

const some = (given: Given) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const filter = {
      entityType: Option.getOrUndefined(given.type),
      fault: Option.getOrUndefined(given.fault),
      errorContains: Option.getOrUndefined(given.error),
    }
    const exhausted = given.cancelled && !given.all ? 0 : yield* queue.retryFailed(filter)
    const cancelled = given.cancelled ? yield* queue.retryFailed({ ...filter, outcome: "cancelled" }) : 0
    return { retried: exhausted + cancelled, note: undefined }
  })

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const filtered =
      given.all || given.cancelled || [given.type, given.fault, given.error].some(Option.isSome)
    if (Option.isNone(given.id) && !filtered) {
      return yield* new WrongUsage({
        reason: `retry wants to know which jobs: name one, or say ${chosen}`,
        advice: "see what failed with: embedbox jobs --failed",
      })
    }
    if (Option.isSome(given.id) && filtered) {
      return yield* new WrongUsage({
        reason: `a job that is named needs no ${chosen}`,
        advice: "name one job, or choose some by options",
      })
    }
    const { note, retried } = yield* Effect.provide(
      Option.match(given.id, { onNone: () => some(given), onSome: one }),
      access.queue,
    )
    if (given.json) return yield* Output.print(Output.Retried, { retried })
    if (retried === 0) return yield* Console.log(note ?? "nothing to retry")
    yield* Console.log(
      `${screen.green("retrying")} ${JobWords.counted(retried, "job")} ${screen.dim("in line again, with fresh attempts")}`,
    )
  })
