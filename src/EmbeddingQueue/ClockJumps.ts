/**
 * What a queue does about a clock that is not to be trusted. Its rows bear times of the wall clock, since they must
 * outlive the process; and that clock is set by people, by the network, and stands still while a laptop sleeps. Set
 * back, it would strand every job that waits for a time: such a job was last touched in the future, and its times are
 * moved back by as much. Set forward, it makes every lease look lapsed: that shows against the clock that only runs
 * forward, and then whoever lives is given one lease's time to show it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { StorageError } from "../Domain/Errors.js"
import type { Storage } from "../Storage.js"
import * as Rows from "./Rows.js"
import type { Statements } from "./Statements.js"

/** Processes on one machine share its clock; readings of it in one moment differ by less than this. */
const slackMillis = 1000

const monotonicMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

interface Seen {
  readonly wall: number
  readonly monotonic: number
  /** By the monotonic clock: until then lapsed leases mean nothing. */
  readonly graceUntil: number
}

export const make = (context: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
  readonly leaseMillis: number
}) =>
  Effect.gen(function* () {
    const { leaseMillis, statements, storage } = context
    const seen = yield* Ref.make<Seen>({
      wall: yield* Clock.currentTimeMillis,
      monotonic: yield* monotonicMillis,
      graceUntil: Number.NEGATIVE_INFINITY,
    })

    /** Moves the times of jobs back that were touched in the future; how many. A look without the write lock first. */
    const setBack: Effect.Effect<number, StorageError> = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const after = now + slackMillis
      const count = yield* storage.read(Rows.count(statements.ahead(after)))
      if (count === 0) return 0
      yield* Effect.logWarning("the clock was set back: times of waiting jobs go with it").pipe(
        Effect.annotateLogs({ jobs: count }),
      )
      yield* storage.write(
        Effect.zipRight(statements.setBackWaiting(after, now), statements.setBackHeld(after, now)),
      )
      return count
    })

    /** Whether a lease that looks lapsed is. Ask at every look for lapsed leases. */
    const leasesCount: Effect.Effect<boolean> = Effect.gen(function* () {
      const wall = yield* Clock.currentTimeMillis
      const monotonic = yield* monotonicMillis
      return yield* Ref.modify(seen, (before) => {
        const jumped = wall - before.wall - (monotonic - before.monotonic) > slackMillis
        const graceUntil = jumped ? monotonic + leaseMillis : before.graceUntil
        return [monotonic >= graceUntil, { wall, monotonic, graceUntil }] as const
      })
    })

    return { setBack, leasesCount }
  })

export type ClockJumps = Effect.Effect.Success<ReturnType<typeof make>>
