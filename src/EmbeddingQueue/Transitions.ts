/**
 * How a job changes its state, each rule in one place. Everything here runs inside a transaction of the queue's
 * and is told to the world after its commit. The one rule to know: a job that leaves its worker's hand without
 * being stored looks first whether a newer box of its entity waits. If so there is nothing left to do for the
 * older text, and it ends as superseded; so an old text can never stand in line behind a newer one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import type { SqlError } from "@effect/sql/SqlError"
import type { EmbeddingError, Fault } from "../Domain/Errors.js"
import type { Job, JobId, Outcome } from "../Domain/Job.js"
import * as Backoff from "./Backoff.js"
import * as Rows from "./Rows.js"
import type * as Statements from "./Statements.js"

export interface Context {
  readonly statements: Statements.Statements
  readonly backoff: Backoff.Backoff
  /** Tells followers of the queue, once the transaction has committed. */
  readonly announce: (job: Job) => Effect.Effect<void>
}

/** The job as it stands after the change, or nothing where its state had changed before. */
export type Changed = Effect.Effect<Option.Option<Job>, SqlError | ParseError>

type Next =
  | {
      readonly to: "line"
      readonly scheduledFor: number
      readonly retryCount: number
      readonly crashCount: number
      readonly error: string | null
      readonly fault: Fault | null
    }
  | { readonly to: "failed"; readonly crashCount: number; readonly error: string; readonly fault: Fault }

export const make = ({ announce, backoff, statements }: Context) => {
  const changed = (rows: Rows.Rows<SqlError>): Changed =>
    Effect.tap(Rows.job(rows), Option.match({ onNone: () => Effect.void, onSome: announce }))

  const end = (
    job: Pick<Job, "generation">,
    status: "completed" | "failed",
    outcome: Outcome,
    detail: {
      readonly successor?: JobId
      readonly crashCount?: number
      readonly error?: string
      readonly fault?: Fault
    } = {},
  ): Changed =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const ended = yield* changed(
        statements.endLive(job.generation, {
          status,
          outcome,
          successor: detail.successor ?? null,
          crashCount: detail.crashCount ?? null,
          lastError: detail.error ?? null,
          lastFault: detail.fault ?? null,
          now,
        }),
      )
      // A failed box is the entity and keeps it; a completed job lets go of it.
      if (status === "completed") yield* statements.deleteBox(job.generation)
      return ended
    })

  const supersede = (job: Pick<Job, "generation">, successor: JobId): Changed =>
    end(job, "completed", "superseded", { successor })

  /** The successor that makes a job pointless: a newer live box of the same entity. */
  const newer = (job: Job) => Rows.jobId(statements.newerLive(job, job.generation))

  const leaveHand = (job: Job, next: Next): Changed =>
    Effect.gen(function* () {
      const successor = yield* newer(job)
      if (Option.isSome(successor)) return yield* supersede(job, successor.value)
      if (next.to === "failed") {
        const { crashCount, error, fault } = next
        return yield* end(job, "failed", "exhausted", { crashCount, error, fault })
      }
      const now = yield* Clock.currentTimeMillis
      return yield* changed(
        statements.putBack(job.generation, {
          lane: next.crashCount > 0 ? "suspect" : next.scheduledFor > now ? "delayed" : "ready",
          scheduledFor: next.scheduledFor,
          retryCount: next.retryCount,
          crashCount: next.crashCount,
          lastError: next.error,
          lastFault: next.fault,
          now,
        }),
      )
    })

  return {
    changed,
    end,
    supersede,
    newer,

    /** Given back as it was: nobody's fault, nothing counted. */
    release: (job: Job): Changed => leaveHand(job, { ...job, to: "line", error: null, fault: null }),

    /** Only faults of the item spend an attempt; after the last one the job ends as failed. */
    fail: (job: Job, error: EmbeddingError): Changed =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        if (error.fault !== "item") {
          return yield* leaveHand(job, {
            ...job,
            to: "line",
            scheduledFor:
              error.retryAfterMillis === undefined ? job.scheduledFor : now + error.retryAfterMillis,
            error: error.reason,
            fault: error.fault,
          })
        }
        const failures = job.retryCount + 1
        if (failures > job.maxRetries) {
          return yield* leaveHand(job, { ...job, to: "failed", error: error.reason, fault: "item" })
        }
        return yield* leaveHand(job, {
          to: "line",
          scheduledFor: now + (yield* Backoff.delayMillis(backoff, failures)),
          retryCount: failures,
          crashCount: job.crashCount,
          error: error.reason,
          fault: "item",
        })
      }),

    /** What it holds can never be embedded: no further attempt makes sense. */
    giveUp: (job: Job, error: string): Changed =>
      leaveHand(job, { ...job, to: "failed", error, fault: "item" }),

    /**
     * Its worker, or the process that computed for it, died with it in hand. From now on it is claimed alone, so that the next crash convicts or
     * acquits it; one that crashes its worker alone in hand too often ends as failed.
     */
    crashed: (held: Rows.HeldRow, reason = "its worker ended with it in hand"): Changed =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const crashCount = held.crashCount + 1
        const error = crashCount === 1 ? reason : `${reason} (${crashCount} times by now)`
        if (held.alone === 1 && crashCount > held.maxRetries) {
          return yield* leaveHand(held, { to: "failed", crashCount, error, fault: "item" })
        }
        const wait = held.crashCount === 0 ? 0 : yield* Backoff.delayMillis(backoff, held.crashCount)
        return yield* leaveHand(held, {
          to: "line",
          scheduledFor: now + wait,
          retryCount: held.retryCount,
          crashCount,
          error,
          fault: "host",
        })
      }),
  }
}

export type Transitions = ReturnType<typeof make>
