/**
 * What the holder of claims may do with them: keep them, end them, give them back. Everything here goes under the
 * token: a claim that is gone is told as such and changes nothing, however late its holder is.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ClaimLost, type EmbeddingError, type StorageError } from "../Domain/Errors.js"
import type { Claim, Job } from "../Domain/Job.js"
import type { Storage } from "../Storage.js"
import * as Step from "../Storage/Step.js"
import * as Rows from "./Rows.js"
import type { InHand, Statements } from "./Statements.js"
import type { Announce, ChangedInTime, Transitions } from "./Transitions.js"

/** What a claimed job becomes when it is completed. */
const completedJob = (job: Job, outcome: "stored" | "superseded", now: number): Job => ({
  ...job,
  status: "completed",
  outcome,
  attemptToken: null,
  leaseUntil: null,
  updatedAt: now,
  completedAt: now,
})

export const make = <A>(context: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
  readonly transitions: Transitions
  readonly announce: Announce
  readonly leaseMillis: number
}) => {
  const { announce, leaseMillis, statements, storage, transitions } = context

  const orLost =
    (claim: Claim<A>) =>
    (job: Option.Option<Job>): Effect.Effect<Job, ClaimLost> =>
      Effect.orElseFail(job, () => new ClaimLost({ jobId: claim.job.jobId }))

  /** Runs a transition on the job in hand, if it is still in hand. */
  const inHand = (claim: Claim<A>, transition: (held: Job) => ChangedInTime) =>
    Rows.heldRow(statements.held([claim])).pipe(
      Effect.flatMap(Option.match({ onNone: () => Effect.succeedNone, onSome: transition })),
      Effect.flatMap(orLost(claim)),
      storage.write,
    )

  const stillHeld = (claims: ReadonlyArray<Claim<A>>) =>
    Step.map(storage.query(Rows.tokens(statements.stillHeld(claims))), (tokens) => {
      const good = new Set(tokens)
      return claims.filter(({ token }) => good.has(token))
    })

  const renew = (claims: ReadonlyArray<Claim<A>>) =>
    Effect.gen(function* () {
      if (claims.length === 0) return []
      const now = yield* Clock.currentTimeMillis
      const kept = new Set(
        // Not flushed, as a claim is not.
        yield* storage.transact(Rows.tokens(statements.renew(claims, now + leaseMillis, now)), {
          flush: false,
        }),
      )
      return claims.filter(({ token }) => !kept.has(token))
    })

  const end = Step.fn(function* (claims: ReadonlyArray<Claim<A>>, outcome: "stored" | "superseded") {
    const jobs: Array<Job> = []
    if (claims.length === 0) return jobs
    const now = yield* Step.now
    for (const claim of claims) {
      const ended = yield* Rows.generations(statements.complete(claim, outcome, now))
      if (ended.length > 0) jobs.push(completedJob(claim.job, outcome, now))
    }
    yield* statements.deleteBoxes(jobs.map((job) => job.generation))
    yield* announce(jobs)
    return jobs
  })

  const completeAll = (claims: ReadonlyArray<Claim<A>>, outcome: "stored" | "superseded") =>
    storage.transact(end(claims, outcome))

  const complete = (
    claim: Claim<A>,
    outcome: "stored" | "superseded" = "stored",
  ): Effect.Effect<Job, ClaimLost | StorageError> =>
    Effect.flatMap(completeAll([claim], outcome), ([job]) => orLost(claim)(Option.fromNullable(job)))

  const crash = (claims: ReadonlyArray<InHand>, reason: string) =>
    Effect.gen(function* () {
      // All are looked at before any is put back: who was alone must not change meanwhile.
      const held = yield* Rows.heldRows(statements.held(claims))
      const jobs = yield* Effect.forEach(held, (row) => transitions.crashed(row, reason))
      return jobs.flatMap(Option.toArray)
    }).pipe(storage.write)

  return {
    stillHeld,
    renew,
    completeAll,
    complete,
    crash,
    fail: (claim: Claim<A>, error: EmbeddingError) => inHand(claim, (job) => transitions.fail(job, error)),
    release: (claim: Claim<A>) => inHand(claim, transitions.release),
  }
}
