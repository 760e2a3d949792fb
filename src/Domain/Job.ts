/**
 * A box seen as work. One shape serves the queue, the receipts and the readers; the boxed entity is beside it,
 * because a completed job has let go of its content and keeps only its receipt.
 *
 * @example
 * import { Job } from "embedbox"
 * import * as Schema from "effect/Schema"
 *
 * export const isEnded = (job: Job.Job) => job.status === "completed" || job.status === "failed"
 * export const decode = Schema.decodeUnknown(Job.JobId)
 */
import * as Schema from "effect/Schema"
import { EntityId, type EntityKey, EntityType, Millis } from "./Entity.js"
import { Fault } from "./Errors.js"

/** The id of a job: what a receipt bears. */
export const JobId = Schema.NonEmptyString.pipe(Schema.brand("JobId"))
export type JobId = typeof JobId.Type

/** A fresh random id per claim: only its holder may end, renew or release the job. */
export const AttemptToken = Schema.NonEmptyString.pipe(Schema.brand("AttemptToken"))
export type AttemptToken = typeof AttemptToken.Type

/** How a job stands: see the queue's comment for its way. */
export const JobStatus = Schema.Literal("pending", "processing", "completed", "failed")
export type JobStatus = typeof JobStatus.Type

/**
 * How a job ended. `stored`: its entity and vectors are in place. `superseded`: a newer write took over (see
 * `successor`). `deleted`: its entity was deleted. `exhausted`: its attempts or crashes ran out. `cancelled`:
 * someone stopped it. The first three are `completed`, the last two `failed`.
 */
export const Outcome = Schema.Literal("stored", "superseded", "deleted", "exhausted", "cancelled")
export type Outcome = typeof Outcome.Type

/** Times in milliseconds since the epoch. */
export const Job = Schema.Struct({
  jobId: JobId,
  entityType: EntityType,
  entityId: EntityId,
  /** Rises with every accepted write. */
  generation: Schema.Int,
  status: JobStatus,
  outcome: Schema.NullOr(Outcome),
  /** The job that took over, when the outcome is `superseded`. */
  successor: Schema.NullOr(JobId),
  /** The higher number goes first. */
  priority: Schema.Int,
  scheduledFor: Millis,
  maxRetries: Schema.Int,
  /** Failed attempts that were the item's fault. */
  retryCount: Schema.Int,
  /** How often its worker died with it in hand. */
  crashCount: Schema.Int,
  attemptToken: Schema.NullOr(AttemptToken),
  leaseUntil: Schema.NullOr(Millis),
  claimedAt: Schema.NullOr(Millis),
  /** Which process holds it: host:pid:random. */
  claimedBy: Schema.NullOr(Schema.String),
  lastError: Schema.NullOr(Schema.String),
  lastFault: Schema.NullOr(Fault),
  batchId: Schema.NullOr(Schema.String),
  createdAt: Millis,
  updatedAt: Millis,
  completedAt: Schema.NullOr(Millis),
})
export interface Job extends Schema.Schema.Type<typeof Job> {}

/**
 * An attempt that went wrong: the claim was given up for a reason. What ends well, or is given back at a shutdown,
 * leaves none. The newest twenty of a job are kept, also when it is tried again. Times in milliseconds since the epoch.
 */
export const Attempt = Schema.Struct({
  /** Counts from 1 over the life of the job. */
  attempt: Schema.Int,
  startedAt: Schema.NullOr(Millis),
  endedAt: Millis,
  /** Which process had it: host:pid:random. */
  worker: Schema.NullOr(Schema.String),
  /** What worked on it died, or fell silent. */
  crashed: Schema.Boolean,
  fault: Fault,
  error: Schema.String,
})
export interface Attempt extends Schema.Schema.Type<typeof Attempt> {}

/** A job as lists show it. */
export const ListedJob = Schema.Struct({
  ...Job.fields,
  /** Attempts that went wrong so far; trying a failed job again does not clear it. */
  failedAttempts: Schema.Int,
})
export interface ListedJob extends Schema.Schema.Type<typeof ListedJob> {}

/** Which jobs are meant; what is not named does not matter. */
export interface JobFilter {
  readonly status?: JobStatus | undefined
  readonly outcome?: Outcome | undefined
  /** Whose fault the last failure was. */
  readonly fault?: Fault | undefined
  readonly entityType?: string | undefined
  /** Part of the last error; the case of ASCII letters does not matter. */
  readonly errorContains?: string | undefined
}

/** A job and what it boxes; a completed job has let go of its content, and that of another may be unreadable. */
export interface QueueItem<A> {
  readonly job: Job
  readonly content: A | undefined
}

/** A live box: its content is there. */
export interface Box<A> extends QueueItem<A> {
  readonly content: A
}

/** A box in a worker's hand. `token` fences everything its holder does. */
export interface Claim<A> extends Box<A> {
  readonly token: AttemptToken
  /** Claimed alone, because its worker died once: hold nothing else beside it. */
  readonly suspect: boolean
}

/** Told to whoever follows the queue, after the commit that made it true. */
export interface JobChange extends EntityKey {
  readonly jobId: JobId
  readonly status: JobStatus
  readonly outcome: Outcome | null
}

/** How many jobs stand where. */
export interface QueueStats {
  readonly pending: number
  readonly processing: number
  readonly failed: number
  readonly completed: number
}

/** What a reader is told of an entity's embedding. */
export type EmbeddingState =
  | { readonly state: "ready"; readonly jobId: JobId }
  | { readonly state: "pending" | "processing"; readonly jobId: JobId }
  | { readonly state: "failed"; readonly jobId: JobId; readonly reason: string }

/** What a caller holds after a write. */
export interface Receipt {
  readonly entityId: EntityId
  readonly jobId: JobId
}
