/** The queue of a shell, as those see it who keep it: apart from the shell because few who save and search ever ask. */
import type { Fault } from "../../Domain/Errors.js"
import type { JobStatus, Outcome, QueueStats } from "../../Domain/Job.js"
import type { BaseEntity, CallOptions } from "./Basics.js"

/** A job and what it still boxes. */
export interface QueueItem<T extends BaseEntity = BaseEntity> {
  readonly jobId: string
  readonly entityType: string
  readonly entityId: string
  readonly status: JobStatus
  /** How it ended; `null` while it has not. */
  readonly outcome: Outcome | null
  readonly priority: number
  readonly retryCount: number
  readonly maxRetries: number
  readonly lastError: string | null
  /** Milliseconds since the epoch. */
  readonly scheduledFor: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly completedAt: number | null
  /** The boxed entity; nothing where the job has completed, or what it boxes is damaged. */
  readonly entity: T | undefined
}

/** Which failed jobs are tried again; all but the cancelled when nothing is named. */
export interface RetryOptions extends CallOptions {
  readonly jobId?: string | undefined
  readonly entityType?: string | undefined
  /** Whose fault the last failure was. */
  readonly fault?: Fault | undefined
  /** Part of the last error; the case of ASCII letters does not matter. */
  readonly errorContains?: string | undefined
  readonly outcome?: "exhausted" | "cancelled" | undefined
}

/** Care for the queue. */
export interface QueueManagement {
  /** How many jobs stand where. */
  readonly getStats: (options?: CallOptions) => Promise<QueueStats>
  /** Removes receipts of jobs that completed longer ago than this. Answers how many; never touches an entity. */
  readonly cleanup: (olderThanMs: number, options?: CallOptions) => Promise<number>
  /**
   * Frees jobs that were in hand for longer than this and whose worker is silent, counting a crash each. Answers how
   * many. Default 300000.
   */
  readonly resetStuckJobs: (stuckAfterMs?: number, options?: CallOptions) => Promise<number>
  /** Puts failed jobs in line again, with fresh attempts. Answers how many. */
  readonly retryFailed: (options?: RetryOptions) => Promise<number>
  /** Ends a job that has not ended: it stops the work and keeps the entity. */
  readonly cancel: (jobId: string, options?: CallOptions) => Promise<void>
  /** No job is begun while paused, by any process. What is in hand goes on. */
  readonly pause: (options?: CallOptions) => Promise<void>
  /** The contrary of `pause`. */
  readonly resume: (options?: CallOptions) => Promise<void>
  /** The newest job of an entity. Without its type, an id that several types share rejects. */
  readonly getStatusByEntityId: <T extends BaseEntity = BaseEntity>(
    entityId: string,
    entityType?: T["entityType"],
    options?: CallOptions,
  ) => Promise<QueueItem<T> | null>
}
