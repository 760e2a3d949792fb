/**
 * What happens to the jobs of one claim: embed them outside any transaction, then store them all in one. Whatever
 * goes wrong is charged to the right party. A batch that fails by the fault of an item is halved until that item
 * stands alone, so its neighbours are stored; a claim that is gone is skipped, its siblings are not; and on every
 * way out, interruption included, a job that is still in hand is given back.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Chunker } from "../Chunker.js"
import type { EmbeddedChunk } from "../Domain/Chunk.js"
import type { Entity } from "../Domain/Entity.js"
import { EmbeddingError, type StorageError } from "../Domain/Errors.js"
import type { Claim } from "../Domain/Job.js"
import type { Embedder } from "../Embedder.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityRepository } from "../EntityRepository.js"
import { Storage } from "../Storage.js"
import * as Step from "../Storage/Step.js"
import * as Traced from "../Storage/Traced.js"
import type { Breaker } from "./Breaker.js"

type Claims = ReadonlyArray<Claim<Entity>>

/** How a job left the worker's hand. */
export interface End {
  readonly claim: Claim<Entity>
  readonly how: "stored" | "failed" | "lost" | "released"
}

export interface Listener {
  /** Jobs leave the worker's hand. */
  readonly left: (ends: ReadonlyArray<End>) => Effect.Effect<void>
  /** Nobody works on these any more, but that could not be written: they are still in hand, to be given back. */
  readonly stuck: (claims: Claims) => Effect.Effect<void>
}

/** When the model of an attempt was ready, in milliseconds since the epoch. */
interface Readiness {
  readyAt: number | undefined
}

export const make = (
  breaker: Breaker,
  listener: Listener,
  settings: { readonly maxProcessingTime: Duration.DurationInput },
) =>
  Effect.gen(function* () {
    const chunker = yield* Chunker
    const queue = yield* EmbeddingQueue
    const repository = yield* EntityRepository
    const storage = yield* Storage

    const most = Duration.toMillis(settings.maxProcessingTime)
    const within = Duration.format(Duration.decode(settings.maxProcessingTime))

    const deadline = Effect.fnUntraced(function* (model: Readiness) {
      yield* Effect.sleep(most)
      if (model.readyAt === undefined) {
        return yield* new EmbeddingError({
          fault: "provider",
          reason: `the model was not ready within ${within}`,
        })
      }
      yield* Effect.sleep(Math.max(0, model.readyAt + most - (yield* Clock.currentTimeMillis)))
      return yield* new EmbeddingError({
        fault: "item",
        reason: `embedding took longer than ${within}`,
      })
    })

    /**
     * Gives the model the time of an attempt to be ready, and then the attempt its own. What is not ready in time is
     * tried again like a provider that is down; it goes on meanwhile. One race for both, since two cost a lone job more
     * than its claim.
     */
    const inTime = <A>(
      work: (model: typeof Embedder.Service) => Effect.Effect<A, EmbeddingError>,
    ): Effect.Effect<A, EmbeddingError> =>
      Effect.suspend(() => {
        const model: Readiness = { readyAt: undefined }
        const attempt = Effect.flatMap(chunker.prepare, (embedder) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            model.readyAt = now
            return work(embedder)
          }),
        )
        return Effect.raceFirst(attempt, deadline(model))
      })

    /** The embedded chunks of each claim, in order. */
    const embed = (
      claims: Claims,
    ): Effect.Effect<ReadonlyArray<ReadonlyArray<EmbeddedChunk>>, EmbeddingError> =>
      inTime((model) =>
        chunker.embed(
          claims.map((claim) => claim.content),
          model,
        ),
      ).pipe(
        // A defect in an embedder is somebody's bug; the job it met pays, so that it cannot loop for ever.
        Effect.catchAllDefect((defect) =>
          Effect.fail(
            new EmbeddingError({
              fault: "item",
              reason: `the embedder broke: ${String(defect)}`,
              cause: defect,
            }),
          ),
        ),
        // An interruption that nobody here asked for: whatever the embedder leans on has ended. Taken for ours, it
        // would give the jobs back without a word and take them again at once, for ever.
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.fail(
                new EmbeddingError({ fault: "host", reason: "the embedder was interrupted from within" }),
              )
            : Effect.failCause(cause),
        ),
        Traced.span("EmbeddingWorker.embed", { jobs: claims.length }),
      )

    /** Entities, vectors and the ends of their jobs, in one transaction; a claim that is gone takes no part. */
    const storeHeld = Step.fn(function* (embedded: ReadonlyMap<Claim<Entity>, ReadonlyArray<EmbeddedChunk>>) {
      const held = yield* queue.stillHeld([...embedded.keys()])
      const stored = yield* repository.storeAll(
        held.map((claim) => ({
          entity: claim.content,
          generation: claim.job.generation,
          jobId: claim.job.jobId,
          inputHash: chunker.inputHash(claim.content),
          chunks: embedded.get(claim) ?? [],
        })),
      )
      const [late, inPlace] = Arr.partition(held, (_, at) => stored[at] === true)
      yield* queue.completeAll(inPlace, "stored")
      yield* queue.completeAll(late, "superseded")
      return new Set(held)
    })

    const store = (claims: Claims, embedded: ReadonlyArray<ReadonlyArray<EmbeddedChunk>>) =>
      Effect.flatMap(storage.transact(storeHeld(new Map(Arr.zip(claims, embedded)))), (held) =>
        listener.left(claims.map((claim) => ({ claim, how: held.has(claim) ? "stored" : "lost" }))),
      ).pipe(Traced.span("EmbeddingWorker.store", { jobs: claims.length }))

    /** Gives claims back, all or none: a database that is locked or full is waited for once, not once per job. */
    const giveBack = (claims: Claims): Effect.Effect<void, StorageError> =>
      storage
        .write(
          Effect.forEach(claims, (claim) =>
            queue.release(claim).pipe(
              Effect.as("released" as const),
              Effect.catchTag("ClaimLost", () => Effect.succeed("lost" as const)),
            ),
          ),
        )
        .pipe(
          Effect.flatMap((ends) =>
            listener.left(claims.map((claim, at) => ({ claim, how: ends[at] ?? "lost" }))),
          ),
        )

    /** The same on a way out, where nothing may fail. */
    const release = (claims: Claims) =>
      Effect.catchAll(claims.length === 0 ? Effect.void : giveBack(claims), (error) =>
        Effect.zipRight(
          Effect.logWarning("jobs cannot be given back now; it is tried again").pipe(
            Effect.annotateLogs({ jobs: claims.length, reason: error.reason }),
          ),
          listener.stuck(claims),
        ),
      )

    const fail = (claim: Claim<Entity>, error: EmbeddingError) =>
      Effect.gen(function* () {
        const job = yield* queue.fail(claim, error)
        yield* Effect.logWarning(job.status === "failed" ? "job failed for good" : "attempt failed").pipe(
          Effect.annotateLogs({
            jobId: job.jobId,
            entity: `${job.entityType}/${job.entityId}`,
            fault: error.fault,
            reason: error.reason,
            retryCount: job.retryCount,
            maxRetries: job.maxRetries,
          }),
        )
        return job.status === "failed" ? ("failed" as const) : ("released" as const)
      }).pipe(
        Effect.catchTag("ClaimLost", () => Effect.succeed("lost" as const)),
        Effect.flatMap((how) => listener.left([{ claim, how }])),
      )

    const crashed = (claims: Claims, error: EmbeddingError) =>
      Effect.gen(function* () {
        const jobs = yield* queue.crash(claims, error.reason)
        const convicted = new Set(jobs.filter((job) => job.status === "failed").map((job) => job.jobId))
        yield* Effect.logWarning("what computed died; its texts are tried again one by one").pipe(
          Effect.annotateLogs({ reason: error.reason, jobs: jobs.length, failedForGood: convicted.size }),
        )
        yield* listener.left(
          claims.map((claim) => ({ claim, how: convicted.has(claim.job.jobId) ? "failed" : "released" })),
        )
      })

    const failed = (claims: Claims, error: EmbeddingError): Effect.Effect<void, StorageError> =>
      Effect.gen(function* () {
        const [first, ...rest] = claims
        if (first === undefined) return
        if (error.fault === "item") {
          if (rest.length === 0) return yield* fail(first, error)
          const middle = Math.ceil(claims.length / 2)
          yield* attempt(claims.slice(0, middle))
          yield* attempt(claims.slice(middle))
          return
        }
        if (error.crashed === true) return yield* crashed(claims, error)
        const wait = yield* breaker.failed(error)
        yield* Effect.logWarning("embedding is not possible now; no attempt is spent").pipe(
          Effect.annotateLogs({ fault: error.fault, reason: error.reason, retryInMillis: Math.round(wait) }),
        )
        yield* release(claims)
      })

    const attempt = (claims: Claims): Effect.Effect<void, StorageError> =>
      Effect.matchEffect(embed(claims), {
        onFailure: (error) => failed(claims, error),
        onSuccess: (embedded) => Effect.zipRight(breaker.succeeded, store(claims, embedded)),
      })

    /**
     * Brings every claim to an end of some kind. `remaining` tells which of them are still in hand. Fails only
     * when the database does, with all claims given back.
     */
    const process = (claims: Claims, remaining: Effect.Effect<Claims>): Effect.Effect<void, StorageError> =>
      Effect.interruptible(attempt(claims)).pipe(
        Effect.onExit((exit) =>
          Exit.isSuccess(exit)
            ? Effect.void
            : Effect.zipRight(
                Cause.isInterruptedOnly(exit.cause)
                  ? Effect.logDebug("interrupted: giving jobs back")
                  : Effect.logError("storing failed: giving jobs back", exit.cause),
                Effect.flatMap(remaining, release),
              ),
        ),
        // From its first moment: an interruption before the finalizer stands would strand the claims.
        Effect.uninterruptible,
      )

    return { process, giveBack }
  })
