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
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import { type EntityKey, keyText } from "../Domain/Entity.js"
import { QueueFull, type StorageError } from "../Domain/Errors.js"
import { type Job, JobId, type Outcome } from "../Domain/Job.js"
import { distinctRuns } from "../Domain/Runs.js"
import { timeOrderedId } from "../Domain/TimeOrderedId.js"
import type { Storage } from "../Storage.js"
import * as Step from "../Storage/Step.js"
import * as Traced from "../Storage/Traced.js"
import * as Rows from "./Rows.js"
import type { Statements } from "./Statements.js"
import type { Announce, Transitions } from "./Transitions.js"

/** Attempts beyond the first, where the caller does not say. */
export const defaultMaxRetries = 3

/** What a writer may say about a job. */
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
  /** Its writer has looked, in the same transaction: no box of this key is there. Default false. */
  readonly isNew?: boolean | undefined
}

/** How often a bulk writer that waits for room looks again. */
const roomPoll = Schedule.spaced("100 millis")

/** How often the log says that somebody waits for room, in milliseconds: once a minute. */
const sayEvery = 60_000

/** What a job begins with; the rest of it is the same for all. */
interface Start {
  readonly key: EntityKey
  readonly generation: number
  readonly status: "pending" | "completed"
  readonly outcome: Outcome | null
  readonly priority: number
  readonly scheduledFor: number
  readonly maxRetries: number
  readonly batchId: string | null
  readonly now: number
}

// Field by field: this runs for every create, and copying whole objects is a tenth of its time.
const newJob = (start: Start): Job => ({
  // What was made just now is what it should be.
  jobId: JobId.make(timeOrderedId(start.now), { disableValidation: true }),
  entityType: start.key.entityType,
  entityId: start.key.entityId,
  generation: start.generation,
  status: start.status,
  outcome: start.outcome,
  successor: null,
  priority: start.priority,
  scheduledFor: start.scheduledFor,
  maxRetries: start.maxRetries,
  retryCount: 0,
  crashCount: 0,
  attemptToken: null,
  leaseUntil: null,
  claimedAt: null,
  claimedBy: null,
  lastError: null,
  lastFault: null,
  batchId: start.batchId,
  createdAt: start.now,
  updatedAt: start.now,
  completedAt: start.status === "completed" ? start.now : null,
})

export const make = <A>(context: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
  readonly transitions: Transitions
  readonly announce: Announce
  readonly encode: (content: A) => Either.Either<string, ParseError>
  readonly key: (content: A) => EntityKey
  readonly maxWaiting: number
}) => {
  const { announce, encode, key, maxWaiting, statements, storage, transitions } = context

  const take = (n: number) => Rows.taken(statements.takeGenerations(n))

  /** The first statement writes: a deferred transaction that began by reading could not go on. */
  const enterRun = Step.fn(function* (entries: Arr.NonEmptyReadonlyArray<Entry<A>>) {
    const taken = yield* take(entries.length)
    const now = yield* Step.now
    const unknown = entries.filter(({ isNew }) => isNew !== true).map(({ content }) => key(content))
    const rows = unknown.length === 0 ? [] : yield* Rows.replaced(statements.replaceable(unknown))
    const there = Arr.groupBy(rows, keyText)
    const entered: Array<Either.Either<Job, QueueFull>> = []
    let generation = taken.generation - entries.length
    let waiting = taken.waiting
    for (const { content, options = {} } of entries) {
      generation += 1
      const its = key(content)
      const replaced = rows.length === 0 ? [] : (there[keyText(its)] ?? [])
      const pending = replaced.find((row) => row.status === "pending")
      if (pending === undefined && waiting >= maxWaiting) {
        entered.push(Either.left(new QueueFull({ waiting, limit: maxWaiting })))
        continue
      }
      if (pending === undefined) waiting += 1
      const wanted = now + Math.max(0, options.delayMs ?? 0)
      const scheduledFor = Math.min(pending?.scheduledFor ?? wanted, wanted)
      const job = newJob({
        key: its,
        generation,
        status: "pending",
        outcome: null,
        priority: Math.max(options.priority ?? 0, pending?.priority ?? Number.NEGATIVE_INFINITY),
        scheduledFor,
        maxRetries: options.maxRetries ?? defaultMaxRetries,
        batchId: options.batchId ?? null,
        now,
      })
      for (const row of replaced) yield* transitions.supersede(row, job.jobId)
      const lane = scheduledFor > now ? "delayed" : "ready"
      yield* statements.insertJob(job, { lane, line: pending?.line ?? generation })
      yield* statements.insertBox(generation, yield* Step.fromEither(encode(content)))
      entered.push(Either.right(job))
    }
    yield* announce(Arr.getRights(entered))
    return entered
  })

  const enterRuns = Step.fn(function* (entries: ReadonlyArray<Entry<A>>) {
    const entered: Array<Either.Either<Job, QueueFull>> = []
    for (const run of distinctRuns(entries, ({ content }) => keyText(key(content)))) {
      entered.push(...(yield* enterRun(run)))
    }
    return entered
  })

  const enqueueAll = (
    entries: ReadonlyArray<Entry<A>>,
  ): Step.Step<ReadonlyArray<Either.Either<Job, QueueFull>>, StorageError> =>
    storage.transact(enterRuns(entries))

  const enqueue = (content: A, options: EnqueueOptions = {}): Effect.Effect<Job, QueueFull | StorageError> =>
    storage.transact(enterRun([{ content, options }])).pipe(
      Effect.flatMap(([entered]) => entered ?? Effect.dieMessage("a box was neither taken nor refused")),
      Traced.span("EmbeddingQueue.enqueue"),
    )

  const enterDone = Step.fn(function* (its: EntityKey) {
    const { generation } = yield* take(1)
    const now = yield* Step.now
    const replaced = yield* Rows.replaced(statements.replaceable([its]))
    const job = newJob({
      key: its,
      generation,
      status: "completed",
      outcome: "stored",
      priority: 0,
      scheduledFor: now,
      maxRetries: 0,
      batchId: null,
      now,
    })
    for (const row of replaced) yield* transitions.supersede(row, job.jobId)
    yield* statements.insertJob(job, { lane: null, line: generation })
    yield* announce([job])
    return job
  })

  const enterStored = (its: EntityKey): Step.Step<Job, StorageError> => storage.transact(enterDone(its))

  const waiting = storage.query(Rows.waitingCount(statements.waiting()))

  const isFull = Effect.map(waiting, (count) => count >= maxWaiting)

  const said = Ref.unsafeMake(Number.NEGATIVE_INFINITY)

  /** An import waits for each file anew: that is one piece of news, not ten thousand. */
  const sayFull = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (Math.abs(now - (yield* Ref.get(said))) < sayEvery) return
    yield* Ref.set(said, now)
    yield* Effect.logWarning("the queue is full: waiting until a worker has made room")
  })

  const awaitRoom = Effect.whenEffect(
    Effect.zipRight(sayFull, Effect.repeat(isFull, { while: (full) => full, schedule: roomPoll })),
    isFull,
  ).pipe(Effect.asVoid)

  return {
    enqueue,
    enqueueAll,
    enterStored,
    nextGeneration: storage.transact(Step.map(take(1), ({ generation }) => generation)),
    highestGeneration: storage.query(Rows.generation(statements.generation())),
    awaitRoom,
  }
}
