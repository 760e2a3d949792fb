/**
 * Follows a set of jobs to their end, whoever works on them. What this process ends is heard at once; what another
 * process ends is found by asking, oldest first and a few at a time, because jobs end about in the order in which
 * they were entered and nobody wants to ask for 100,000 of them at every tick.
 *
 * @example
 * import { EntityService, JobProgress } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const savedAndEmbedded = (contents: ReadonlyArray<string>) =>
 *   Effect.gen(function* () {
 *     const entities = yield* EntityService.EntityService
 *     const tracker = yield* JobProgress.make()
 *     for (const content of contents) yield* tracker.add((yield* entities.createEntity({ content })).jobId)
 *     return yield* tracker.finished // those that failed
 *   }).pipe(Effect.scoped)
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Iterable from "effect/Iterable"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StorageError } from "./Domain/Errors.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"

/** How far a set of jobs is. */
export interface Progress {
  readonly total: number
  /** Ended: embedded, or superseded or deleted meanwhile. */
  readonly done: number
  /** Ended as `failed`; not among the done. */
  readonly failed: number
}

/** A job that ended as `failed`, and why. */
export interface Failure {
  readonly entityType: string
  readonly entityId: string
  readonly jobId: string
  readonly reason: string
}

/** Jobs on their way. */
export interface Tracker {
  /** One more job to follow; it may have ended already. */
  readonly add: (jobId: string) => Effect.Effect<void>
  readonly progress: Effect.Effect<Progress>
  /** Ends when every job that was added has ended. Answers those that failed, the first hundred of them. */
  readonly finished: Effect.Effect<ReadonlyArray<Failure>, StorageError>
}

interface State {
  readonly total: number
  readonly failed: ReadonlyArray<string>
  /** Insertion order is the order of age. */
  readonly open: Set<string>
}

/** Jobs asked for at a time. */
const glance = 100

/** Reasons that are kept: enough to see what is wrong. */
const mostFailures = 100

/** A tracker that lives as long as its scope. */
export const make = ({
  every = "250 millis",
}: { readonly every?: Duration.DurationInput } = {}): Effect.Effect<
  Tracker,
  never,
  EmbeddingQueue | Scope.Scope
> =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const state = yield* Ref.make<State>({ total: 0, failed: [], open: new Set() })

    // One fiber at a time touches the set, which is changed in place: it may hold 100,000 ids.
    const end = (jobId: string, status: string) =>
      Ref.update(state, (now) =>
        now.open.delete(jobId) && status === "failed" ? { ...now, failed: [...now.failed, jobId] } : now,
      )

    const changes = yield* queue.subscribe
    yield* Effect.forkScoped(
      Stream.runForEach(changes, ({ jobId, status }) =>
        status === "completed" || status === "failed" ? end(jobId, status) : Effect.void,
      ),
    )

    /** Asks for the oldest; goes on as long as all of them have ended. */
    const ask: Effect.Effect<boolean, StorageError> = Effect.gen(function* () {
      const { open } = yield* Ref.get(state)
      const oldest = Array.from(Iterable.take(open, glance))
      if (oldest.length === 0) return true
      yield* Effect.forEach(
        oldest,
        (jobId) =>
          Effect.flatMap(
            queue.getJob(jobId),
            Option.match({
              // A receipt that was cleaned up belongs to a job that completed.
              onNone: () => end(jobId, "completed"),
              onSome: ({ job }) =>
                job.status === "completed" || job.status === "failed" ? end(jobId, job.status) : Effect.void,
            }),
          ),
        { discard: true },
      )
      return oldest.some((jobId) => open.has(jobId)) ? false : yield* ask
    })

    const failures = Effect.gen(function* () {
      const { failed } = yield* Ref.get(state)
      const jobs = yield* Effect.forEach(failed.slice(0, mostFailures), queue.getJob)
      return jobs.flatMap(
        Option.match({
          onNone: () => [],
          onSome: ({ job }): ReadonlyArray<Failure> => [
            {
              entityType: job.entityType,
              entityId: job.entityId,
              jobId: job.jobId,
              reason: job.lastError ?? "unknown",
            },
          ],
        }),
      )
    })

    return {
      add: (jobId) =>
        Ref.update(state, (now) => {
          if (now.open.has(jobId)) return now
          now.open.add(jobId)
          return { ...now, total: now.total + 1 }
        }),
      progress: Effect.map(Ref.get(state), ({ failed, open, total }) => ({
        total,
        done: total - open.size - failed.length,
        failed: failed.length,
      })),
      finished: ask.pipe(
        Effect.repeat({ until: (all) => all, schedule: Schedule.spaced(every) }),
        Effect.zipRight(failures),
      ),
    }
  })
