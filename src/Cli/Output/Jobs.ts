/** Documents on jobs: see `Output`. */
import * as Schema from "effect/Schema"
import { Fault } from "../../Domain/Errors.js"
import { JobStatus, Outcome } from "../../Domain/Job.js"

/** What every document tells of a job. */
const jobFields = {
  jobId: Schema.String,
  entityType: Schema.String,
  entityId: Schema.String,
  status: JobStatus,
  outcome: Schema.NullOr(Outcome),
  /** The job that took over, when the outcome is `superseded`. */
  successor: Schema.NullOr(Schema.String),
}

/** Why a job failed, or why its last attempt did, and whose fault that was. */
const failureFields = { error: Schema.NullOr(Schema.String), fault: Schema.NullOr(Fault) }

/** `embedbox job`; times in milliseconds since the epoch. */
export const Job = Schema.Struct({
  ...jobFields,
  ...failureFields,
  /** Attempts that went wrong, oldest first: the newest twenty. */
  attempts: Schema.Array(
    Schema.Struct({
      attempt: Schema.Number,
      startedAt: Schema.NullOr(Schema.Number),
      endedAt: Schema.Number,
      /** Which process had it. */
      worker: Schema.NullOr(Schema.String),
      /** What worked on it died, or fell silent. */
      crashed: Schema.Boolean,
      fault: Fault,
      error: Schema.String,
    }),
  ),
})

/** `embedbox jobs`, newest first; times in milliseconds since the epoch. */
export const Jobs = Schema.Struct({
  jobs: Schema.Array(
    Schema.Struct({
      ...jobFields,
      priority: Schema.Number,
      /** Attempts that went wrong so far. */
      failedAttempts: Schema.Number,
      /** Attempts and crashes that count now, since it was last put in line. */
      retryCount: Schema.Number,
      maxRetries: Schema.Number,
      crashCount: Schema.Number,
      ...failureFields,
      createdAt: Schema.Number,
      /** When it is due, while it waits. */
      scheduledFor: Schema.Number,
      endedAt: Schema.NullOr(Schema.Number),
    }),
  ),
  /** There are more than the limit let through. */
  more: Schema.Boolean,
})

/** `embedbox retry` */
export const Retried = Schema.Struct({ retried: Schema.Number })

/** `embedbox cancel`: how the job stands now, and whether this is what ended it. */
export const Cancelled = Schema.Struct({
  ...jobFields,
  cancelled: Schema.Boolean,
})

/** `embedbox pause`, `embedbox resume` */
export const Paused = Schema.Struct({ paused: Schema.Boolean })
