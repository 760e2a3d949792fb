/**
 * How a job stands and how it ends, as the holder of a receipt learns it. Apart from reading and writing entities,
 * because it lives by rules of its own: a receipt outlives its job (the row it was stored by still bears it), a job
 * that was superseded ends when its successor does, and the end may be written by another process, of which this
 * one hears nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { notEmbedded } from "../Domain/Chunk.js"
import type { EntityKey } from "../Domain/Entity.js"
import {
  InsideTransaction,
  JobFailed,
  JobNotFound,
  NotSearchable,
  type StorageError,
} from "../Domain/Errors.js"
import type { Job, JobId, JobStatus } from "../Domain/Job.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityRepository } from "../EntityRepository.js"
import { Storage } from "../Storage.js"

/** How a job stands. */
export interface AsyncJobStatus {
  readonly status: JobStatus
  readonly entityId: string
  readonly entityType: string
  /** Why it failed, why the last attempt did, or why it waits where a worker cannot ask its provider. */
  readonly error: string | undefined
}

/** A job that has completed. */
export interface EndedJob extends EntityKey {
  readonly jobId: JobId
  readonly outcome: Job["outcome"]
}

/** The end, or the job whose end is still to come. */
type Look = { readonly ended: EndedJob } | { readonly waitFor: JobId }

/** How often a job that another process may end is asked after. */
const defaultPoll: Duration.DurationInput = "250 millis"

/** What follows jobs. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository

  /** Why nobody can embed anything now, as a worker told it last. */
  const outage = Effect.map(queue.workers, (workers) => {
    const told = workers.filter(({ alive }) => alive).map(({ provider }) => provider)
    const [down] = told.flatMap((provider) => (provider.state === "open" ? [provider.reason] : []))
    return told.every(({ state }) => state === "open") ? down : undefined
  })

  const getAsyncJobStatus = (jobId: string) =>
    Effect.gen(function* () {
      const item = yield* queue.getJob(jobId)
      if (Option.isSome(item)) {
        const { entityId, entityType, lastError, status } = item.value.job
        const error = lastError ?? (status === "pending" ? yield* outage : undefined)
        return Option.some<AsyncJobStatus>({ status, entityId, entityType, error })
      }
      // The receipt may be cleaned up while what it stored is still there.
      return Option.map(
        yield* repository.findByJob(jobId),
        ({ entity }): AsyncJobStatus => ({
          status: "completed",
          entityId: entity.id,
          entityType: entity.entityType,
          error: undefined,
        }),
      )
    })

  /** Looks at a job, or at whatever took its place. */
  const look = (jobId: string): Effect.Effect<Look, JobFailed | JobNotFound | StorageError> =>
    Effect.gen(function* () {
      const item = yield* queue.getJob(jobId)
      if (Option.isNone(item)) {
        const { entity, jobId: storedBy } = yield* Effect.flatMap(
          repository.findByJob(jobId),
          Effect.orElseFail(() => new JobNotFound({ jobId })),
        )
        return {
          ended: { jobId: storedBy, entityType: entity.entityType, entityId: entity.id, outcome: "stored" },
        }
      }
      const { entityId, entityType, jobId: known, lastError, outcome, status, successor } = item.value.job
      if (status === "failed") {
        return yield* new JobFailed({ jobId, entityType, entityId, reason: lastError ?? "unknown" })
      }
      if (outcome === "superseded" && successor !== null) return yield* look(successor)
      return status === "completed"
        ? { ended: { jobId: known, entityType, entityId, outcome } }
        : { waitFor: known }
    })

  const awaitJob = (
    jobId: string,
    { pollEvery = defaultPoll }: { readonly pollEvery?: Duration.DurationInput | undefined } = {},
  ) =>
    Effect.gen(function* () {
      // Subscribed before the first look, so that no end falls between them.
      const changes = yield* queue.subscribe
      const followed = yield* Ref.make(jobId)
      const lookAgain = Effect.gen(function* () {
        const found = yield* look(yield* Ref.get(followed))
        if ("ended" in found) return Option.some(found.ended)
        if (yield* storage.isInside) return yield* new InsideTransaction({ jobId })
        yield* Ref.set(followed, found.waitFor)
        return Option.none()
      })
      const hints = Stream.merge(
        changes.pipe(
          Stream.filter((change) => change.status === "completed" || change.status === "failed"),
          Stream.map((change): string | undefined => change.jobId),
        ),
        Stream.map(Stream.tick(pollEvery), () => undefined),
      )
      return yield* hints.pipe(
        // One after the other: a change is compared with the job that the look before it found.
        Stream.mapEffect((changed) =>
          Effect.flatMap(Ref.get(followed), (id) =>
            changed === undefined || changed === id ? lookAgain : Effect.succeedNone,
          ),
        ),
        Stream.filterMap((end) => end),
        Stream.runHead,
        // The ticks never end.
        Effect.flatMap(Effect.orDie),
      )
    }).pipe(Effect.scoped, Effect.withSpan("EntityService.awaitJob"))

  const awaitSearchable = (jobId: string, timeout: Duration.DurationInput) =>
    awaitJob(jobId).pipe(
      Effect.timeoutFail({
        duration: timeout,
        onTimeout: () =>
          new NotSearchable({ jobId, reason: `it was not embedded within ${Duration.format(timeout)}` }),
      }),
      // What is stored is searched from its commit on.
      Effect.filterOrFail(
        ({ outcome }) => outcome !== "deleted",
        () => new NotSearchable({ jobId, reason: "it was deleted" }),
      ),
      Effect.tap((ended) =>
        Effect.flatMap(repository.find(ended), (row) =>
          Option.exists(row, ({ inputHash }) => inputHash === notEmbedded)
            ? new NotSearchable({ jobId, reason: `entities of type "${ended.entityType}" are not embedded` })
            : Effect.void,
        ),
      ),
    )

  return { getAsyncJobStatus, awaitJob, awaitSearchable }
})
