/**
 * How a job changes its state, each rule in one place. Everything here runs inside a transaction of the queue's
 * and is told to the world after its commit. The one rule to know: a job that leaves its worker's hand without
 * being stored looks first whether a newer box of its entity waits. If so there is nothing left to do for the
 * older text, and it ends as superseded; so an old text can never stand in line behind a newer one. What went wrong
 * is written down in the same transaction, here and nowhere else, so that no failure goes without its record.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { EmbeddingError, Fault } from "../Domain/Errors.js"
import type { Job, JobId, Outcome } from "../Domain/Job.js"
import { clipped } from "../Domain/Text.js"
import type { Statement } from "../Storage.js"
import * as Step from "../Storage/Step.js"
import * as Backoff from "./Backoff.js"
import * as Rows from "./Rows.js"
import type * as Statements from "./Statements.js"

/** Tells followers of the queue, once the transaction has committed. */
export type Announce = (jobs: ReadonlyArray<Job>) => Step.Step<void, never>

export interface Context {
  readonly statements: Statements.Statements
  readonly backoff: Backoff.Backoff
  readonly announce: Announce
}

/** The job as it stands after the change, or nothing where its state had changed before. */
export type Changed = Step.Step<Option.Option<Job>>
/** The same where it depends on chance as well. */
export type ChangedInTime = Effect.Effect<Option.Option<Job>, Step.StepError>

/** Longest error that is kept, in UTF-16 code units: providers answer with pages of HTML. */
const longestError = 1000

/** Attempts that are kept of a job: the newest. */
const keptAttempts = 20

/** Why a claim ended without a result. */
interface Mishap {
  readonly error: string
  readonly fault: Fault
  readonly crashed: boolean
}

const mishapOf = (error: string, fault: Fault, crashed = false): Mishap => ({
  error: clipped(error, longestError),
  fault,
  crashed,
})

type Next =
  | {
      readonly to: "line"
      readonly scheduledFor: number
      readonly retryCount: number
      readonly crashCount: number
      /** Nothing where the job was given back without a reason of its own. */
      readonly mishap: Mishap | undefined
    }
  | { readonly to: "failed"; readonly crashCount: number; readonly mishap: Mishap }

export const make = ({ announce, backoff, statements }: Context) => {
  const changedAll = Step.fn(function* (rows: Statement) {
    const jobs = yield* Rows.jobs(rows)
    yield* announce(jobs)
    return jobs
  })

  const changed = (rows: Statement): Changed =>
    Step.map(changedAll(rows), ([job]) => Option.fromNullable(job))

  const end = Step.fn(function* (
    job: Pick<Job, "generation">,
    status: "completed" | "failed",
    outcome: Outcome,
    detail: {
      readonly successor?: JobId
      readonly crashCount?: number
      readonly error?: string
      readonly fault?: Fault
    } = {},
  ) {
    const ended = yield* changed(
      statements.endLive(job.generation, {
        status,
        outcome,
        successor: detail.successor ?? null,
        crashCount: detail.crashCount ?? null,
        lastError: detail.error ?? null,
        lastFault: detail.fault ?? null,
        now: yield* Step.now,
      }),
    )
    // A failed box is the entity and keeps it; a completed job lets go of it.
    if (status === "completed") yield* statements.deleteBoxes([job.generation])
    return ended
  })

  const supersede = (job: Pick<Job, "generation">, successor: JobId): Changed =>
    end(job, "completed", "superseded", { successor })

  /** The successor that makes a job pointless: a newer live box of the same entity. */
  const newer = (job: Job) =>
    Step.map(
      Rows.successor(statements.newerLive(job, job.generation)),
      Option.map(({ jobId }) => jobId),
    )

  const record = Step.fn(function* (job: Job, mishap: Mishap) {
    const endedAt = yield* Step.now
    const { claimedAt, claimedBy, generation } = job
    const attempt = yield* Rows.attemptNumber(
      statements.insertAttempt({ ...mishap, generation, startedAt: claimedAt, endedAt, worker: claimedBy }),
    )
    if (attempt > keptAttempts) yield* statements.forgetAttempts(generation, attempt - keptAttempts)
  })

  const leaveHand = Step.fn(function* (job: Job, next: Next) {
    if (next.mishap !== undefined) yield* record(job, next.mishap)
    const successor = yield* newer(job)
    if (Option.isSome(successor)) return yield* supersede(job, successor.value)
    if (next.to === "failed") {
      const { crashCount, mishap } = next
      return yield* end(job, "failed", "exhausted", { ...mishap, crashCount })
    }
    const now = yield* Step.now
    return yield* changed(
      statements.putBack(job.generation, {
        lane: next.crashCount > 0 ? "suspect" : next.scheduledFor > now ? "delayed" : "ready",
        scheduledFor: next.scheduledFor,
        retryCount: next.retryCount,
        crashCount: next.crashCount,
        lastError: next.mishap?.error ?? null,
        lastFault: next.mishap?.fault ?? null,
        now,
      }),
    )
  })

  return {
    changedAll,
    end,
    supersede,
    newer,

    /** Given back as it was: nobody's fault, nothing counted. */
    release: (job: Job): Changed => leaveHand(job, { ...job, to: "line", mishap: undefined }),

    /** Only faults of the item spend an attempt; after the last one the job ends as failed. */
    fail: (job: Job, error: EmbeddingError): ChangedInTime =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const mishap = mishapOf(error.reason, error.fault)
        if (error.fault !== "item") {
          return yield* leaveHand(job, {
            ...job,
            to: "line",
            scheduledFor:
              error.retryAfterMillis === undefined ? job.scheduledFor : now + error.retryAfterMillis,
            mishap,
          })
        }
        const failures = job.retryCount + 1
        if (failures > job.maxRetries) {
          return yield* leaveHand(job, { ...job, to: "failed", mishap })
        }
        return yield* leaveHand(job, {
          to: "line",
          scheduledFor: now + (yield* Backoff.delayMillis(backoff, failures)),
          retryCount: failures,
          crashCount: job.crashCount,
          mishap,
        })
      }),

    /** What it holds can never be embedded: no further attempt makes sense. */
    giveUp: (job: Job, error: string): Changed =>
      leaveHand(job, { ...job, to: "failed", mishap: mishapOf(error, "item") }),

    /**
     * Its worker, or the process that computed for it, died with it in hand. From now on it is claimed alone, so that
     * the next crash convicts or acquits it; one that crashes its worker alone in hand too often ends as failed.
     */
    crashed: (held: Rows.HeldRow, reason = "its worker ended with it in hand"): ChangedInTime =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const crashCount = held.crashCount + 1
        const count = crashCount === 1 ? "" : ` (${crashCount} times by now)`
        const error = clipped(reason, longestError - count.length) + count
        if (held.alone === 1 && crashCount > held.maxRetries) {
          return yield* leaveHand(held, { to: "failed", crashCount, mishap: mishapOf(error, "item", true) })
        }
        const wait = held.crashCount === 0 ? 0 : yield* Backoff.delayMillis(backoff, held.crashCount)
        return yield* leaveHand(held, {
          to: "line",
          scheduledFor: now + wait,
          retryCount: held.retryCount,
          crashCount,
          mishap: mishapOf(error, "host", true),
        })
      }),
  }
}

export type Transitions = ReturnType<typeof make>
