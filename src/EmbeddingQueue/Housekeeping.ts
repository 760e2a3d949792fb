/**
 * What is done to jobs that nobody has in hand, or whose holder is gone: taking them back, counting their crashes,
 * trying failed ones again, stopping and removing. Every one of these is a transition like any other; here is only
 * which jobs it befalls.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { EntityKey } from "../Domain/Entity.js"
import { JobNotFound, type StorageError } from "../Domain/Errors.js"
import type { Job, JobFilter } from "../Domain/Job.js"
import type { Statement, Storage } from "../Storage.js"
import type { ClockJumps } from "./ClockJumps.js"
import type { Lists } from "./Lists.js"
import type { Place } from "./ListStatements.js"
import * as Owner from "./Owner.js"
import * as Rows from "./Rows.js"
import type { Statements } from "./Statements.js"
import type { Transitions } from "./Transitions.js"
import type { Workers } from "./Workers.js"

/**
 * Which failed jobs are meant; all when nothing is named, but those that were cancelled: they were stopped on
 * purpose, and only `outcome: "cancelled"` or their own `jobId` means them.
 */
export interface RetryFilter extends Pick<JobFilter, "entityType" | "fault" | "errorContains"> {
  readonly jobId?: string | undefined
  readonly outcome?: "exhausted" | "cancelled" | undefined
}

/** One batch of reclaimed jobs per transaction, so that the write lock is never held long. */
const reclaimBatch = 100

/** The same for jobs that are tried again; one statement moves them all. */
const retryBatch = 200

export const make = ({
  clockJumps,
  lists,
  statements,
  storage,
  transitions,
  workers,
}: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
  readonly transitions: Transitions
  readonly clockJumps: ClockJumps
  readonly lists: Lists
  readonly workers: Workers
}) => {
  const reclaimRows = (rows: Statement) =>
    Effect.gen(function* () {
      const held = yield* Rows.heldRows(rows)
      yield* Effect.forEach(held, (row) => transitions.crashed(row), { discard: true })
      return held.length
    }).pipe(storage.write)

  const reclaimExpired: Effect.Effect<number, StorageError> = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const found = yield* storage.read(statements.expired(now, 1))
    if (found.length === 0) return 0
    const count = yield* reclaimRows(statements.expired(now, reclaimBatch))
    return count < reclaimBatch ? count : count + (yield* reclaimExpired)
  })

  const reclaim = Effect.gen(function* () {
    yield* clockJumps.setBack
    const owners = yield* storage.read(Rows.owners(statements.owners()))
    const orphans = yield* Effect.forEach(owners.filter(Owner.isDead), (dead) =>
      reclaimRows(statements.heldBy(dead)),
    )
    const lapsed = (yield* clockJumps.leasesCount) ? yield* reclaimExpired : 0
    // Last, since nothing depends on it.
    yield* workers.sweep
    return orphans.reduce((sum, count) => sum + count, lapsed)
  })

  const retryFailed = ({ jobId, ...given }: RetryFilter = {}) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const revive = (generations: ReadonlyArray<number>, filter: JobFilter) =>
        Effect.map(
          storage.write(transitions.changedAll(statements.revive(generations, filter, now))),
          (jobs) => jobs.length,
        )
      if (jobId !== undefined) {
        const row = yield* storage.read(Rows.jobRow(statements.byJobId(jobId)))
        return Option.isNone(row) ? 0 : yield* revive([row.value.generation], given)
      }
      const filter = { ...given, status: "failed", outcome: given.outcome ?? "exhausted" } as const
      let count = 0
      let after: Place | undefined
      // Newest first: what fails again meanwhile stands before the place that was reached, and is not met again.
      while (true) {
        const page = yield* lists.list({ ...filter, after, limit: retryBatch })
        const last = page.at(-1)
        if (last === undefined) return count
        count += yield* revive(
          page.map((row) => row.generation),
          filter,
        )
        after = last
      }
    })

  const cancel = (jobId: string) =>
    Effect.gen(function* () {
      const row = yield* Effect.flatMap(
        Rows.jobRow(statements.byJobId(jobId)),
        Effect.orElseFail(() => new JobNotFound({ jobId })),
      )
      if (row.status === "completed" || row.status === "failed") return row
      const successor = yield* transitions.newer(row)
      const ended = yield* Option.match(successor, {
        onNone: () => transitions.end(row, "failed", "cancelled", { error: "cancelled" }),
        onSome: (newer) => transitions.supersede(row, newer),
      })
      return Option.getOrElse(ended, (): Job => row)
    }).pipe(storage.write)

  const deleteBoxes = (key: EntityKey) =>
    Effect.gen(function* () {
      const live = yield* Rows.lineRows(statements.liveOfKey(key))
      yield* Effect.forEach(live, (row) => transitions.end(row, "completed", "deleted"), { discard: true })
      return live.length
    }).pipe(storage.write)

  return {
    cleanup: (olderThanMs: number) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(storage.write(statements.cleanup(now - olderThanMs)), (rows) => rows.length),
      ),
    resetStuckJobs: (stuckAfterMs = 300_000) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        reclaimRows(statements.stuck(now - stuckAfterMs, now)),
      ),
    reclaim,
    retryFailed,
    cancel,
    deleteBoxes,
  }
}
