/**
 * How boxes enter the queue. One path for one box and for a thousand: what is there is looked up for all of them at
 * once, then each is written by statements of a fixed text. A box that waits already is replaced by its successor,
 * which takes its place in line or a better one; and since a replacement makes nothing longer, only a box more than
 * before is held against the bound.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import { v7 as timeOrderedId } from "uuid"
import { type EntityKey, keyText } from "../Domain/Entity.js"
import { QueueFull, type StorageError } from "../Domain/Errors.js"
import { type Job, JobId, type Outcome } from "../Domain/Job.js"
import { distinctRuns } from "../Domain/Runs.js"
import type { Storage } from "../Storage.js"
import * as Rows from "./Rows.js"
import type { Lane, Statements } from "./Statements.js"
import type { Transitions } from "./Transitions.js"

/** Attempts beyond the first, where the caller does not say. */
export const defaultMaxRetries = 3

export interface EnqueueOptions {
  /** The higher number goes first. Default 0. */
  readonly priority?: number | undefined
  /** Attempts beyond the first. Default 3. */
  readonly maxRetries?: number | undefined
  /** Not before this many milliseconds from now. Default 0. */
  readonly delayMs?: number | undefined
  /** Groups jobs of one import. */
  readonly batchId?: string | undefined
}

/** What is to be boxed, and how. */
export interface Entry<A> {
  readonly content: A
  readonly options?: EnqueueOptions | undefined
}

/** How often a bulk writer that waits for room looks again. */
const roomPoll = Schedule.spaced("100 millis")

/** Time-ordered, so that the index of ids grows at its end. */
const newJobId = (now: number) => JobId.make(timeOrderedId({ msecs: now }))

type Start = Pick<
  Job,
  "entityType" | "entityId" | "generation" | "priority" | "scheduledFor" | "maxRetries"
> & {
  readonly status: "pending" | "completed"
  readonly outcome: Outcome | null
  readonly batchId: string | null
  readonly now: number
}

/** A job as it is at its beginning. */
const newJob = ({ now, ...start }: Start): Job => ({
  ...start,
  jobId: newJobId(now),
  successor: null,
  retryCount: 0,
  crashCount: 0,
  attemptToken: null,
  leaseUntil: null,
  claimedAt: null,
  claimedBy: null,
  lastError: null,
  lastFault: null,
  createdAt: now,
  updatedAt: now,
  completedAt: start.status === "completed" ? now : null,
})

export const make = <A>(context: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
  readonly transitions: Transitions
  readonly announce: (job: Job) => Effect.Effect<void>
  readonly encode: (content: A) => Effect.Effect<string, ParseError>
  readonly key: (content: A) => EntityKey
  readonly maxWaiting: number
}) => {
  const { announce, encode, key, maxWaiting, statements, storage, transitions } = context

  const take = (n: number) => Rows.taken(statements.takeGenerations(n))

  const insert = (job: Job, place: { readonly lane: Lane | null; readonly line: number }) =>
    Effect.zipRight(statements.insertJob(job, place), announce(job))

  /** The first statement writes: a deferred transaction that began by reading could not go on. */
  const enterRun = (entries: Arr.NonEmptyReadonlyArray<Entry<A>>) =>
    Effect.gen(function* () {
      const taken = yield* take(entries.length)
      const now = yield* Clock.currentTimeMillis
      const rows = yield* Rows.replaced(statements.replaceable(entries.map(({ content }) => key(content))))
      const there = Arr.groupBy(rows, keyText)
      let generation = taken.generation - entries.length
      let waiting = taken.waiting

      return yield* Effect.forEach(entries, ({ content, options = {} }) =>
        Effect.gen(function* () {
          generation += 1
          const its = key(content)
          const replaced = there[keyText(its)] ?? []
          const pending = replaced.find((row) => row.status === "pending")
          if (pending === undefined && waiting >= maxWaiting) {
            return Either.left(new QueueFull({ waiting, limit: maxWaiting }))
          }
          if (pending === undefined) waiting += 1
          const wanted = now + Math.max(0, options.delayMs ?? 0)
          const scheduledFor = Math.min(pending?.scheduledFor ?? wanted, wanted)
          const job = newJob({
            ...its,
            generation,
            status: "pending",
            outcome: null,
            priority: Math.max(options.priority ?? 0, pending?.priority ?? Number.NEGATIVE_INFINITY),
            scheduledFor,
            maxRetries: options.maxRetries ?? defaultMaxRetries,
            batchId: options.batchId ?? null,
            now,
          })
          yield* Effect.forEach(replaced, (row) => transitions.supersede(row, job.jobId), { discard: true })
          yield* insert(job, {
            lane: scheduledFor > now ? "delayed" : "ready",
            line: pending?.line ?? generation,
          })
          yield* statements.insertBox(generation, yield* encode(content))
          return Either.right(job)
        }),
      )
    })

  const enqueueAll = (
    entries: ReadonlyArray<Entry<A>>,
  ): Effect.Effect<ReadonlyArray<Either.Either<Job, QueueFull>>, StorageError> =>
    storage
      .write(
        Effect.forEach(
          distinctRuns(entries, ({ content }) => keyText(key(content))),
          enterRun,
        ),
      )
      .pipe(
        Effect.map((runs) => runs.flat()),
        Effect.withSpan("EmbeddingQueue.enqueue"),
      )

  const enqueue = (content: A, options: EnqueueOptions = {}): Effect.Effect<Job, QueueFull | StorageError> =>
    // A refusal rolls back what little was written.
    storage
      .write(Effect.flatMap(enterRun([{ content, options }]), ([entered]) => entered))
      .pipe(Effect.withSpan("EmbeddingQueue.enqueue"))

  const enterStored = (its: EntityKey): Effect.Effect<Job, StorageError> =>
    Effect.gen(function* () {
      const { generation } = yield* take(1)
      const now = yield* Clock.currentTimeMillis
      const job = newJob({
        ...its,
        generation,
        status: "completed",
        outcome: "stored",
        priority: 0,
        scheduledFor: now,
        maxRetries: 0,
        batchId: null,
        now,
      })
      yield* insert(job, { lane: null, line: generation })
      return job
    }).pipe(storage.write)

  const waiting = storage.read(Rows.waitingCount(statements.waiting()))

  return {
    enqueue,
    enqueueAll,
    enterStored,
    nextGeneration: storage.write(Effect.map(take(1), ({ generation }) => generation)),
    waiting,
    awaitRoom: Effect.asVoid(
      Effect.repeat(waiting, { until: (count) => count < maxWaiting, schedule: roomPoll }),
    ),
  }
}
