/**
 * The notice board on which each process with a worker says how it stands, so that anyone who opens the file can tell
 * a queue that is slow from one at which nobody works, or whose provider is down. A row outlives a process that was
 * killed; readers leave out what is certainly dead and call silent what has not reported for a lease, and whoever
 * reclaims jobs clears such rows away.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { StorageError } from "../Domain/Errors.js"
import { clipped } from "../Domain/Text.js"
import type { Worker, WorkerReport } from "../Domain/Worker.js"
import type { Storage } from "../Storage.js"
import * as Owner from "./Owner.js"
import * as Rows from "./Rows.js"
import type { Statements } from "./Statements.js"

/** How long a silent worker's row is kept, in milliseconds: a day. */
const keptMillis = 86_400_000

/** Longest reason that is kept, in UTF-16 code units. */
const longestReason = 1000

/** How long a process that ends waits for the database to take its name off: others will see that it is gone. */
const patience = "1 second"

const providerOf = ({ failures, reason, until }: Rows.WorkerRow): WorkerReport["provider"] =>
  until === null || reason === null ? { state: "closed" } : { state: "open", failures, until, reason }

/** Signs off at the end of the scope, if it has reported by then. */
export const make = ({
  leaseMillis,
  owner,
  statements,
  storage,
}: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
  readonly leaseMillis: number
  readonly owner: string
}) =>
  Effect.gen(function* () {
    const onBoard = yield* Ref.make(false)

    const report = ({ failed, inHand, provider, stored }: WorkerReport): Effect.Effect<void, StorageError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        yield* Ref.set(onBoard, true)
        const well = { failures: 0, until: null, reason: null }
        yield* storage.write(
          statements.postNotice({
            ...(provider.state === "closed"
              ? well
              : {
                  failures: provider.failures,
                  until: Math.round(provider.until),
                  reason: clipped(provider.reason, longestReason),
                }),
            owner,
            now,
            inHand,
            stored,
            failed,
          }),
        )
      })

    const takeOff = Effect.gen(function* () {
      if (!(yield* Ref.get(onBoard))) return
      yield* storage.write(statements.removeNotice(owner))
      yield* Ref.set(onBoard, false)
    })

    // For finalizers: they are uninterruptible, and a timeout must be able to interrupt what it times.
    const signOff: Effect.Effect<void> = Effect.timeout(Effect.interruptible(takeOff), patience).pipe(
      Effect.catchAllCause((cause) => Effect.logDebug("a worker could not be signed off", cause)),
    )

    // Clocks are set back and forth: what stands far in the future is as silent as what lies far in the past.
    const silentFor = (beatAt: number, now: number) => Math.abs(now - beatAt)

    const workers: Effect.Effect<ReadonlyArray<Worker>, StorageError> = Effect.gen(function* () {
      const rows = yield* storage.read(Rows.workers(statements.notices()))
      const now = yield* Clock.currentTimeMillis
      return rows
        .filter((row) => !Owner.isDead(row.owner))
        .map((row): Worker => {
          const { beatAt, failed, inHand, owner, startedAt, stored } = row
          const alive = silentFor(beatAt, now) <= leaseMillis
          const { host, pid } = Owner.partsOf(owner)
          const provider = providerOf(row)
          return { owner, host, pid, startedAt, beatAt, alive, inHand, stored, failed, provider }
        })
    })

    /** Clears away what dead processes left, and what has been silent for a day. */
    const sweep: Effect.Effect<void, StorageError> = Effect.gen(function* () {
      const rows = yield* storage.read(Rows.workers(statements.notices()))
      const now = yield* Clock.currentTimeMillis
      const gone = rows.filter((row) => Owner.isDead(row.owner) || silentFor(row.beatAt, now) > keptMillis)
      yield* Effect.forEach(gone, (row) => storage.write(statements.removeNotice(row.owner)), {
        discard: true,
      })
    })

    yield* Effect.addFinalizer(() => signOff)

    return { report, signOff, workers, sweep }
  })

export type Workers = Effect.Effect.Success<ReturnType<typeof make>>
