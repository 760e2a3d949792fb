/** The tools on jobs and on the whole: how embeddings stand, what failed and why, and trying it again. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { JobNotFound } from "../../Domain/Errors.js"
import type { Job, JobStatus } from "../../Domain/Job.js"
import { clipped } from "../../Domain/Text.js"
import { EmbeddingQueue } from "../../EmbeddingQueue.js"
import { EntityService } from "../../EntityService.js"
import * as Parameters from "../Parameters.js"
import * as Telling from "../Telling.js"
import * as Tool from "../Tool.js"

/** Longest that an assistant is kept waiting, in seconds. */
const longestWait = 50

const mostListed = 100

const told = (job: Job) => ({
  job: job.jobId,
  id: job.entityId,
  type: job.entityType,
  status: job.status,
  outcome: job.outcome,
  ...(job.successor === null ? {} : { successor: job.successor }),
  ...(job.lastError === null || job.status === "completed"
    ? {}
    : { error: clipped(job.lastError, 500), fault: job.lastFault }),
  failed_attempts: job.retryCount,
  created: Telling.time(job.createdAt),
  updated: Telling.time(job.updatedAt),
})

export const make = Effect.gen(function* () {
  const service = yield* EntityService
  const queue = yield* EmbeddingQueue

  const look = (jobId: string) =>
    Effect.gen(function* () {
      const item = yield* queue.getJob(jobId)
      if (Option.isSome(item)) return told(item.value.job)
      // Its receipt may be cleared away while what it stored is there.
      const { entityId, entityType, status } = yield* Effect.flatMap(
        service.getAsyncJobStatus(jobId),
        Effect.mapError(() => new JobNotFound({ jobId: clipped(jobId, 80) })),
      )
      return { job: jobId, id: entityId, type: entityType, status }
    })

  const isOver = (status: JobStatus) => status === "completed" || status === "failed"

  const jobStatus = Tool.make(
    {
      name: "job_status",
      title: "How a job stands",
      description:
        "How the embedding of a note stands: pending, processing, completed or failed, and why. It can wait for the end.",
      needs: "trusted",
      nature: "reads",
      parameters: Schema.Struct({
        job: Parameters.job,
        wait_seconds: Parameters.whole("How long to wait for the end at most,", 0, longestWait, 0),
      }),
    },
    (given) =>
      Effect.gen(function* () {
        const before = yield* look(given.job)
        if (given.wait_seconds === 0 || isOver(before.status)) return before
        // How it ended is what the next look tells.
        yield* Effect.either(service.awaitJob(given.job)).pipe(
          Effect.timeoutOption(Duration.seconds(given.wait_seconds)),
        )
        return yield* look(given.job)
      }),
  )

  const listJobs = Tool.make(
    {
      name: "list_jobs",
      title: "List jobs",
      description: "Embedding jobs, newest first: what waits, is in work, is done or failed, and why.",
      needs: "trusted",
      nature: "reads",
      parameters: Schema.Struct({
        status: Parameters.choice("Only jobs that stand so.", "pending", "processing", "completed", "failed"),
        type: Parameters.optionalText("Only jobs of notes of this type."),
        limit: Parameters.whole("How many at most,", 1, mostListed, 20),
      }),
    },
    (given) =>
      Effect.map(
        queue.listJobs({ status: given.status, entityType: given.type, limit: given.limit + 1 }),
        (jobs) => ({ jobs: jobs.slice(0, given.limit).map(told), more: jobs.length > given.limit }),
      ),
  )

  const retryJob = Tool.make(
    {
      name: "retry_job",
      title: "Try a job again",
      description: "Put a job that failed or was cancelled in line again, with fresh attempts.",
      needs: "trusted",
      nature: "switches",
      parameters: Schema.Struct({ job: Parameters.job }),
    },
    (given) =>
      Effect.gen(function* () {
        const retried = (yield* queue.retryFailed({ jobId: given.job })) > 0
        const now = yield* look(given.job)
        return {
          ...now,
          retried,
          note: retried ? "It is in line again." : `There is nothing to try again: the job is ${now.status}.`,
        }
      }),
  )

  const retryAll = Tool.make(
    {
      name: "retry_failed_jobs",
      title: "Try all failed jobs again",
      description:
        "Put all jobs that failed in line again, with fresh attempts. Cancelled ones are left alone.",
      needs: "owner",
      nature: "switches",
      parameters: Schema.Struct({}),
    },
    () => Effect.map(queue.retryFailed(), (retried) => ({ retried })),
  )

  const indexStatus = Tool.make(
    {
      name: "index_status",
      title: "How the index stands",
      description:
        "How many notes are found by meaning, how many wait or failed, when the rest will be done, and who works on it.",
      needs: "public",
      nature: "reads",
      parameters: Schema.Struct({}),
    },
    () =>
      Effect.gen(function* () {
        const status = yield* service.indexStatus
        const workers = (yield* queue.workers).filter(({ alive }) => alive)
        return {
          ready: status.ready,
          pending: status.pending,
          failed: status.failed,
          stale: status.stale,
          coverage: Number(status.coverage.toFixed(4)),
          oldest_wait_seconds: Math.round(status.oldestMillis / 1000),
          seconds_left: status.millisLeft === undefined ? null : Math.round(status.millisLeft / 1000),
          is_paused: (yield* queue.workAhead).paused,
          workers: workers.length,
          workers_without_model: workers.filter(({ provider }) => provider.state === "open").length,
          model: status.searched,
          configured_model: status.configured,
        }
      }),
  )

  return [jobStatus, listJobs, retryJob, retryAll, indexStatus]
})
