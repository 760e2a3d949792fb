/** The methods of `QueueManagement`, each one of the queue's. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Entity } from "../../Domain/Entity.js"
import type { Job, QueueItem as FullQueueItem } from "../../Domain/Job.js"
import type { EmbeddingQueue } from "../../EmbeddingQueue.js"
import * as Arguments from "./Arguments.js"
import { asSaid, type Plain, type Told } from "./Calls.js"
import type * as Interfaces from "./Interfaces.js"
import type * as Queue from "./QueueManagement.js"

const jobOf = (job: Job): Omit<Queue.QueueItem, "entity"> => ({
  jobId: job.jobId,
  entityType: job.entityType,
  entityId: job.entityId,
  status: job.status,
  outcome: job.outcome,
  priority: job.priority,
  retryCount: job.retryCount,
  maxRetries: job.maxRetries,
  lastError: job.lastError,
  scheduledFor: job.scheduledFor,
  createdAt: job.createdAt,
  updatedAt: job.updatedAt,
  completedAt: job.completedAt,
})

const itemOf = <T extends Interfaces.BaseEntity>({
  content,
  job,
}: FullQueueItem<Entity>): Queue.QueueItem<T> => ({
  ...jobOf(job),
  entity: content === undefined ? undefined : asSaid<T>(content),
})

/** The queue, for those who keep it. */
export const make = (
  queue: typeof EmbeddingQueue.Service,
  call: Plain,
  told: Told,
): Queue.QueueManagement => {
  return {
    getStats: (options) => call(() => queue.getStats, options),
    cleanup: (olderThanMs, options) =>
      call(
        () => Effect.flatMap(Arguments.ofCleanup({ olderThanMs }), () => queue.cleanup(olderThanMs)),
        options,
      ),
    resetStuckJobs: (stuckAfterMs, options) =>
      call(
        () => Effect.flatMap(Arguments.ofReset({ stuckAfterMs }), () => queue.resetStuckJobs(stuckAfterMs)),
        options,
      ),
    retryFailed: (options) =>
      told((said = {}) => Effect.flatMap(Arguments.ofRetry(said), queue.retryFailed), options),
    cancel: (jobId, options) =>
      call(
        () => Effect.flatMap(Arguments.ofJob({ jobId }), () => Effect.asVoid(queue.cancel(jobId))),
        options,
      ),
    pause: (options) => call(() => queue.pause, options),
    resume: (options) => call(() => queue.resume, options),
    getStatusByEntityId: <T extends Interfaces.BaseEntity>(
      entityId: string,
      entityType?: T["entityType"],
      options?: Interfaces.CallOptions,
    ) =>
      call(
        () =>
          Effect.flatMap(Arguments.ofEntity({ entityId, entityType }), () =>
            Effect.map(
              queue.getStatusByEntityId(entityId, entityType),
              Option.match({ onNone: () => null, onSome: itemOf<T> }),
            ),
          ),
        options,
      ),
  }
}
