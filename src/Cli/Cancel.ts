/** `embedbox cancel`: stops a job, and says what became of it, since it may have ended in the meantime. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { Access } from "./Access.js"
import * as JobWords from "./JobWords.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

export interface Given {
  readonly id: string
  readonly json: boolean
}

const stop = (jobId: string) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const before = yield* queue.getJob(jobId)
    const job = yield* queue.cancel(jobId)
    const lived = Option.exists(before, (item) => item.job.completedAt === null)
    return { job, cancelled: lived && job.outcome === "cancelled" }
  })

export const run = ({ id, json }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { cancelled, job } = yield* Effect.provide(stop(id), access.queue)
    if (json) return yield* Output.print(Output.Cancelled, { ...job, cancelled })
    const entity = oneLine(`${job.entityType} ${job.entityId}`)
    yield* Console.log(
      cancelled
        ? `${screen.green("cancelled")} ${entity} ${screen.dim("the note is kept; `embedbox retry` embeds it after all")}`
        : `nothing to cancel: the job is ${JobWords.standingOf(job)} ${entity}`,
    )
  })
