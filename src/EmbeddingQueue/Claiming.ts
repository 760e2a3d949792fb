/**
 * Who may take a job, and for how long. Looking comes before taking: a claim needs the write lock, a look does
 * not, so an idle worker costs readers and writers nothing. Jobs that are due are taken in the order of the index,
 * suspects one at a time with nothing beside them, and a box that cannot be read is ended, not stumbled over. A claim is
 * committed and not flushed: the end of this process leaves it to its lease, and after a loss of power, which may take it
 * back, there is nobody whose claim it was.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import type { StorageError } from "../Domain/Errors.js"
import type { Claim } from "../Domain/Job.js"
import type { Statement, Storage } from "../Storage.js"
import * as Step from "../Storage/Step.js"
import * as Rows from "./Rows.js"
import type { ClaimStamp, Statements } from "./Statements.js"
import type { Transitions } from "./Transitions.js"

/** What a worker learns without taking the write lock. */
export interface WorkAhead {
  readonly paused: boolean
  /** Something can be claimed now, as far as the clock tells. */
  readonly ready: boolean
  /** Some of that was put off, and its time has come. */
  readonly delayed: boolean
  /** A suspect is due, to be claimed with nothing beside it. */
  readonly suspect: boolean
  /** When the next job of the future is due, in milliseconds since the epoch. */
  readonly nextDue: number | undefined
}

/** What is claimed. */
export interface DequeueOptions {
  /** `false` leaves suspects in their lane. */
  readonly suspects?: boolean | undefined
  /** What the caller has learned just now, in the place of another look. */
  readonly ahead?: WorkAhead | undefined
}

const unflushed = { flush: false }

/** A job that was claimed and cannot be worked on. */
interface Unclaimable {
  readonly row: Rows.LineRow
  readonly reason: string
}

export const make = <A>(context: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
  readonly transitions: Transitions
  readonly decode: (json: string) => Either.Either<A, ParseError>
  readonly leaseMillis: number
  readonly owner: string
}) => {
  const { decode, leaseMillis, owner, statements, storage, transitions } = context
  const probe = storage.query(Rows.probe(statements.probe()))

  const workAhead: Effect.Effect<WorkAhead, StorageError> = Effect.zipWith(
    probe,
    Clock.currentTimeMillis,
    (row, now) => {
      const due = (at: number | null) => at !== null && at <= now
      const later = [row.nextDelayed, row.nextSuspect].flatMap((at) => (at !== null && at > now ? [at] : []))
      return {
        paused: row.paused === 1,
        ready: row.ready === 1 || due(row.nextDelayed),
        delayed: due(row.nextDelayed),
        suspect: due(row.nextSuspect),
        nextDue: later.length === 0 ? undefined : Math.min(...later),
      }
    },
  )

  /** The claim, or why there is none. */
  const toClaim = (row: Rows.LineRow, suspect: boolean): Either.Either<Claim<A>, Unclaimable> => {
    const token = row.attemptToken
    if (token === null) return Either.left({ row, reason: "it bears no token" })
    return Either.mapBoth(decode(row.content ?? ""), {
      onLeft: ({ message }) => ({ row, reason: `the box cannot be read: ${message}` }),
      onRight: (content): Claim<A> => ({ job: row, content, token, suspect }),
    })
  }

  /** Its neighbours are claimed by now: they must reach the caller whatever happens to this one. */
  const giveUp = ({ reason, row }: Unclaimable) =>
    Effect.zipRight(
      Effect.logError("a box cannot be read; its job ends as failed").pipe(
        Effect.annotateLogs({ jobId: row.jobId, reason }),
      ),
      Effect.catchAll(storage.write(transitions.giveUp(row, reason)), (error) =>
        Effect.logError("that cannot be written now; its lease will end").pipe(
          Effect.annotateLogs({ jobId: row.jobId, reason: error.reason }),
        ),
      ),
    )

  const toClaims = (rows: ReadonlyArray<Rows.LineRow>, suspect: boolean) => {
    const [unclaimable, claims] = Arr.separate(rows.map((row) => toClaim(row, suspect)))
    return Effect.as(Effect.forEach(unclaimable, giveUp, { discard: true }), claims)
  }

  /** Claims what was picked, in that order. */
  const claimed = Step.fn(function* (picked: Statement, stamp: ClaimStamp) {
    const rows: Array<Rows.LineRow> = []
    for (const generation of yield* Rows.generations(picked)) {
      rows.push(...(yield* Rows.lineRows(statements.claim(generation, stamp))))
    }
    return rows
  })

  const claimedReady = Step.fn(function* (n: number, stamp: ClaimStamp, promote: boolean) {
    if (promote) yield* statements.promote(stamp.now)
    return yield* claimed(statements.ready(n), stamp)
  })

  const claimSuspect = (stamp: ClaimStamp) =>
    Effect.flatMap(storage.transact(claimed(statements.suspect(stamp.now), stamp), unflushed), (rows) =>
      toClaims(rows, true),
    )

  const claimReady = (n: number, stamp: ClaimStamp, promote: boolean) =>
    Effect.flatMap(storage.transact(claimedReady(n, stamp, promote), unflushed), (rows) =>
      toClaims(rows, false),
    )

  const dequeueBatch = Effect.fnUntraced(function* (n: number, options: DequeueOptions = {}) {
    const ahead = options.ahead ?? (yield* workAhead)
    const now = yield* Clock.currentTimeMillis
    if (ahead.paused || n < 1) return []
    const stamp = { now, leaseUntil: now + leaseMillis, owner }
    if (options.suspects !== false && ahead.suspect) {
      const claims = yield* claimSuspect(stamp)
      if (claims.length > 0) return claims
    }
    return ahead.ready ? yield* claimReady(n, stamp, ahead.delayed) : []
    // What was claimed must reach the caller: an interruption in between would strand it until its lease ends.
  }, Effect.uninterruptible)

  return { workAhead, dequeueBatch }
}
