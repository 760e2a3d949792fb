/**
 * The box and its life. A job goes pending → processing → completed or failed; each rule of that walk is in one place:
 * how a box comes in is in `Entering`, who may take it in `Claiming`, what its holder may do in `Holding`, what befalls
 * it without one in `Housekeeping`, and how a job changes its state, whoever wants it, in `Transitions`. Safety rests
 * on two things only: the token, which a claim bears and every later statement of its holder names, and SQLite's
 * one-writer transactions. So any number of processes may work on one file, a late worker can do no harm, and nothing
 * depends on timers being right. The queue is generic over what it boxes: it knows a Schema and a key, nothing of
 * embeddings.
 *
 * @example
 * import { EmbeddingQueue } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const tidied = Effect.gen(function* () {
 *   const queue = yield* EmbeddingQueue.EmbeddingQueue
 *   yield* queue.retryFailed({ fault: "item" })
 *   yield* queue.cleanup(7 * 24 * 60 * 60 * 1000) // receipts older than a week
 *   return yield* queue.getStats // { pending, processing, failed, completed }
 * })
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Decoding from "./Domain/Decoding.js"
import { type Entity, Entity as EntitySchema, type EntityKey, keyOf } from "./Domain/Entity.js"
import {
  AmbiguousEntityId,
  type ClaimLost,
  type EmbeddingError,
  type JobNotFound,
  type QueueFull,
  type StorageError,
} from "./Domain/Errors.js"
import {
  type Attempt,
  type Box,
  type Claim,
  type Job,
  type JobChange,
  type ListedJob,
  type QueueItem,
  type QueueStats,
} from "./Domain/Job.js"
import type { Readable } from "./Domain/Unreadable.js"
import type { Worker, WorkerReport } from "./Domain/Worker.js"
import * as Backoff from "./EmbeddingQueue/Backoff.js"
import * as Boxes from "./EmbeddingQueue/Boxes.js"
import * as Claiming from "./EmbeddingQueue/Claiming.js"
import * as ClockJumps from "./EmbeddingQueue/ClockJumps.js"
import * as Entering from "./EmbeddingQueue/Entering.js"
import * as Holding from "./EmbeddingQueue/Holding.js"
import * as Housekeeping from "./EmbeddingQueue/Housekeeping.js"
import * as Lists from "./EmbeddingQueue/Lists.js"
import * as Owner from "./EmbeddingQueue/Owner.js"
import * as Rows from "./EmbeddingQueue/Rows.js"
import * as Statements from "./EmbeddingQueue/Statements.js"
import * as Transitions from "./EmbeddingQueue/Transitions.js"
import * as Workers from "./EmbeddingQueue/Workers.js"
import type { Announce } from "./EmbeddingQueue/Transitions.js"
import { type Statement, Storage } from "./Storage.js"
import * as Step from "./Storage/Step.js"

export type { EnqueueOptions, Entry } from "./EmbeddingQueue/Entering.js"
export { defaultMaxRetries } from "./EmbeddingQueue/Entering.js"

/** Which live boxes are read. */
export interface LivePage {
  /** Only these types; all when empty. */
  readonly entityTypes: ReadonlyArray<string>
  /** Keys after this one, in the order of (type, id). */
  readonly after: readonly [entityType: string, entityId: string]
  readonly limit: number
}

/** What a queue does. Times are milliseconds. */
export interface Queue<A> {
  /**
   * Boxes `content`. A pending or failed box of the same key is superseded: the new one takes its place in line,
   * or a better one. Durable when it returns, unless inside a transaction of the caller's: then with its commit.
   */
  readonly enqueue: (
    content: A,
    options?: Entering.EnqueueOptions,
  ) => Effect.Effect<Job, QueueFull | StorageError>
  /** Boxes several in one transaction, each as `enqueue` does: for each, in order, its job or why there is none. */
  readonly enqueueAll: (
    entries: ReadonlyArray<Entering.Entry<A>>,
  ) => Step.Step<ReadonlyArray<Either.Either<Job, QueueFull>>, StorageError>
  /** Waits until fewer boxes wait than may, and says so in the log. Not inside a transaction: no worker could make room. */
  readonly awaitRoom: Effect.Effect<void, StorageError>
  /**
   * Enters a job that is done already (embedded inline, or nothing to embed), so that its receipt can be asked for. A box
   * that waits is superseded by it.
   */
  readonly enterStored: (key: EntityKey) => Step.Step<Job, StorageError>
  /** A number higher than that of any write before. Only inside a transaction. */
  readonly nextGeneration: Step.Step<number, StorageError>
  /** The highest that was given: who sees it unchanged knows that nothing was written since, by any process. */
  readonly highestGeneration: Step.Step<number, StorageError>

  readonly dequeue: Effect.Effect<Option.Option<Claim<A>>, StorageError>
  /** Claims up to `n` jobs, or one suspect and nothing beside it. */
  readonly dequeueBatch: (
    n: number,
    options?: Claiming.DequeueOptions,
  ) => Effect.Effect<ReadonlyArray<Claim<A>>, StorageError>
  /** Ends the job and lets go of its content. Call it first in the transaction that stores the result. */
  readonly complete: (
    claim: Claim<A>,
    outcome?: "stored" | "superseded",
  ) => Effect.Effect<Job, ClaimLost | StorageError>
  /** The same for several: answers the jobs that were ended; claims that are gone are left out. */
  readonly completeAll: (
    claims: ReadonlyArray<Claim<A>>,
    outcome: "stored" | "superseded",
  ) => Step.Step<ReadonlyArray<Job>, StorageError>
  /** Those that are still good: in a transaction, they stay so until its end. */
  readonly stillHeld: (claims: ReadonlyArray<Claim<A>>) => Step.Step<ReadonlyArray<Claim<A>>, StorageError>
  /** An `item` fault spends an attempt and backs off, or ends the job; any other puts it back unharmed. */
  readonly fail: (claim: Claim<A>, error: EmbeddingError) => Effect.Effect<Job, ClaimLost | StorageError>
  /**
   * What computed for these claims died. A crash is counted for each, and from now on they are claimed one by one;
   * one that was alone in hand at `maxRetries` + 1 crashes ends as failed. Claims that are gone are left out.
   */
  readonly crash: (
    claims: ReadonlyArray<Claim<A>>,
    reason: string,
  ) => Effect.Effect<ReadonlyArray<Job>, StorageError>
  /** Extends the lease of every claim that is still good, in one statement; answers those that are lost. */
  readonly renew: (claims: ReadonlyArray<Claim<A>>) => Effect.Effect<ReadonlyArray<Claim<A>>, StorageError>
  /** Gives the job back to its place in line; nothing is counted. */
  readonly release: (claim: Claim<A>) => Effect.Effect<Job, ClaimLost | StorageError>

  readonly getJob: (jobId: string) => Effect.Effect<Option.Option<QueueItem<A>>, StorageError>
  /** The newest job of an entity. Without its type an id that several types share is an error. */
  readonly getStatusByEntityId: (
    entityId: string,
    entityType?: string,
  ) => Effect.Effect<Option.Option<QueueItem<A>>, AmbiguousEntityId | StorageError>
  /**
   * The live box of a key: where there are two, the one of the highest generation. One that cannot be read is
   * `StorageError` ("InvalidRow"): it is there, and what lies behind it is older.
   */
  readonly liveBox: (key: EntityKey) => Effect.Effect<Option.Option<Box<A>>, StorageError>
  /** The same of several keys, in no particular order; a key without a live box is left out. */
  readonly liveBoxesOf: (
    keys: ReadonlyArray<EntityKey>,
  ) => Step.Step<ReadonlyArray<Readable<Box<A>>>, StorageError>
  /** Whether any of these keys has a live box: all that a writer of new entities needs to know, and cheaper. */
  readonly hasLive: (keys: Arr.NonEmptyReadonlyArray<EntityKey>) => Step.Step<boolean, StorageError>
  /** The keys, one of each type, that have this id and a live box. */
  readonly liveByEntityId: (entityId: string) => Effect.Effect<ReadonlyArray<EntityKey>, StorageError>
  readonly liveBoxes: (page: LivePage) => Effect.Effect<ReadonlyArray<Readable<Box<A>>>, StorageError>
  /**
   * Jobs without what they box, newest first: failed and completed ones by their end, all others by their write. The
   * page after is had with the last job of this one.
   */
  readonly listJobs: (page?: Lists.ListPage) => Effect.Effect<ReadonlyArray<ListedJob>, StorageError>
  /** What went wrong with a job so far, oldest first: its newest twenty attempts. Empty where nobody knows the job. */
  readonly attempts: (jobId: string) => Effect.Effect<ReadonlyArray<Attempt>, StorageError>
  /** Those that can be read. */
  readonly failedBoxes: (entityType?: string) => Effect.Effect<ReadonlyArray<Box<A>>, StorageError>
  /** How many entities (not jobs) of these types, or of all when empty, wait or have failed. */
  readonly waitingEntities: (
    entityTypes: ReadonlyArray<string>,
  ) => Effect.Effect<{ readonly pending: number; readonly failed: number }, StorageError>
  readonly getStats: Effect.Effect<QueueStats, StorageError>
  readonly workAhead: Effect.Effect<Claiming.WorkAhead, StorageError>
  /** How long what heads the line has been due, in milliseconds; 0 where nothing is. */
  readonly lag: Effect.Effect<number, StorageError>

  /** Removes receipts of jobs that completed longer ago than this. Answers how many. Never a live box. */
  readonly cleanup: (olderThanMs: number) => Effect.Effect<number, StorageError>
  /**
   * Frees jobs in hand for longer than this whose lease has lapsed too, counting a crash each. Answers how many.
   * Default 300000.
   */
  readonly resetStuckJobs: (stuckAfterMs?: number) => Effect.Effect<number, StorageError>
  /**
   * Frees jobs whose lease lapsed or whose process is gone, counting a crash each. Answers how many. Workers that are
   * gone are taken off the board.
   */
  readonly reclaim: Effect.Effect<number, StorageError>
  /**
   * Puts failed boxes in line again, with fresh counters: one, those of a filter, or all but the cancelled. Answers
   * how many. Many take several transactions, so that writers come in between.
   */
  readonly retryFailed: (filter?: Housekeeping.RetryFilter) => Effect.Effect<number, StorageError>
  /** Ends a live job as `failed`, reason `cancelled`. The entity stays in its box. A job that has ended stays. */
  readonly cancel: (jobId: string) => Effect.Effect<Job, JobNotFound | StorageError>
  /** Ends and empties every live box of a key: its entity is being deleted. Answers how many. */
  readonly deleteBoxes: (key: EntityKey) => Effect.Effect<number, StorageError>

  /** Writes on the board how the worker of this process stands. Removed at the end of the queue's scope. */
  readonly report: (report: WorkerReport) => Effect.Effect<void, StorageError>
  /** Takes this process off the board, or leaves it to others to see that it is gone: never fails, nor waits long. */
  readonly signOff: Effect.Effect<void>
  /** Who works on this database, in any process; those that are certainly dead are left out. */
  readonly workers: Effect.Effect<ReadonlyArray<Worker>, StorageError>

  /** No job is claimed while paused, by any process. What is in hand goes on. */
  readonly pause: Effect.Effect<void, StorageError>
  readonly resume: Effect.Effect<void, StorageError>
  /** What this process did to jobs, from now on. Other processes' changes are found by asking. */
  readonly changes: Stream.Stream<JobChange>
  /** The same, in the caller's scope: whoever has it has missed nothing since. */
  readonly subscribe: Effect.Effect<Stream.Stream<JobChange>, never, Scope.Scope>
}

/** The queue of entities. */
export class EmbeddingQueue extends Context.Tag("embedbox/EmbeddingQueue")<EmbeddingQueue, Queue<Entity>>() {}

/** How a queue keeps its jobs. */
export interface Options {
  /** How long a claim is good without a heartbeat, in milliseconds. */
  readonly leaseMillis: number
  /** How an item that failed waits. */
  readonly backoff: Backoff.Backoff
  /** How many boxes may wait at most; a box beyond is refused with `QueueFull`. Infinity: as many as the disk holds. */
  readonly maxWaiting: number
}

/** What holds where nobody says otherwise. */
export const defaults: Options = {
  leaseMillis: 30_000,
  backoff: Backoff.standard,
  maxWaiting: Number.POSITIVE_INFINITY,
}

/** What a Schema without a transformation encodes is the value itself: checking it again would cost as much as its box. */
const encoderOf = <A, I>(schema: Schema.Schema<A, I>): ((content: A) => Either.Either<string, ParseError>) =>
  SchemaAST.typeAST(schema.ast) === schema.ast
    ? (content) => Either.right(JSON.stringify(content))
    : Schema.encodeEither(Schema.parseJson(schema))

/** A queue over any content that has a Schema and a key. */
export const make = <A, I>(
  of: { readonly schema: Schema.Schema<A, I>; readonly key: (content: A) => EntityKey },
  options: Partial<Options> = {},
): Effect.Effect<Queue<A>, never, Storage | Scope.Scope> =>
  Effect.gen(function* () {
    const { backoff, leaseMillis, maxWaiting } = { ...defaults, ...options }
    const storage = yield* Storage
    const owner = yield* Owner.make
    const hub = yield* Effect.acquireRelease(PubSub.sliding<JobChange>(4096), PubSub.shutdown)
    const statements = Statements.make(storage.statement)
    const encode = encoderOf(of.schema)
    const decode = Decoding.json(of.schema)
    const announce: Announce = (jobs) => storage.afterCommit(PubSub.publishAll(hub, jobs.map(changeOf)))
    const transitions = Transitions.make({ statements, backoff, announce })
    const lists = Lists.make({ storage, statements })
    const workers = yield* Workers.make({ storage, statements, leaseMillis, owner })
    const clockJumps = yield* ClockJumps.make({ storage, statements, leaseMillis })
    const housekeeping = Housekeeping.make({ storage, statements, transitions, lists, workers, clockJumps })
    const boxes = Boxes.make(decode)
    const holding = Holding.make<A>({ storage, statements, transitions, announce, leaseMillis })
    const claiming = Claiming.make({ storage, statements, transitions, decode, leaseMillis, owner })

    const entering = Entering.make({
      storage,
      statements,
      transitions,
      announce,
      encode,
      key: of.key,
      maxWaiting,
    })

    // ---- reading -----------------------------------------------------------------------------------------

    const item = (rows: Statement) => Step.map(Rows.jobRow(rows), Option.map(boxes.item))

    const open = (rows: Statement) =>
      storage.query(Step.map(Rows.jobRows(rows), (list) => list.map(boxes.open)))

    const byIdAlone = (entityId: string) =>
      Effect.gen(function* () {
        const rows = yield* Rows.jobRows(statements.newestByEntityId(entityId))
        if (rows.length > 1) {
          return yield* new AmbiguousEntityId({ entityId, entityTypes: rows.map((row) => row.entityType) })
        }
        return Option.map(Option.fromNullable(rows[0]), boxes.item)
      })

    return {
      enqueue: entering.enqueue,
      enqueueAll: entering.enqueueAll,
      awaitRoom: entering.awaitRoom,
      enterStored: entering.enterStored,
      nextGeneration: entering.nextGeneration,
      highestGeneration: entering.highestGeneration,
      dequeue: Effect.map(claiming.dequeueBatch(1), (claims) => Option.fromNullable(claims[0])),
      dequeueBatch: claiming.dequeueBatch,
      workAhead: claiming.workAhead,
      stillHeld: holding.stillHeld,
      renew: holding.renew,
      complete: holding.complete,
      completeAll: holding.completeAll,
      fail: holding.fail,
      crash: holding.crash,
      release: holding.release,
      getJob: (jobId) => storage.read(item(statements.byJobId(jobId))),
      getStatusByEntityId: (entityId, entityType) =>
        storage.read(
          entityType === undefined ? byIdAlone(entityId) : item(statements.newestByKey(entityType, entityId)),
        ),
      liveBox: (key) =>
        Effect.flatMap(open(statements.liveOfKey(key)), ([newest]) =>
          newest === undefined
            ? Effect.succeedNone
            : Effect.map(
                Either.mapLeft(newest, ({ error }) => error),
                Option.some,
              ),
        ),
      liveBoxesOf: (keys) => Step.map(open(statements.liveOfKeys(keys)), Boxes.newestOfEach),
      hasLive: (keys) => storage.query(Step.map(statements.anyLive(keys), (rows) => rows.length > 0)),
      liveByEntityId: (entityId) => storage.read(Rows.jobRows(statements.liveByEntityId(entityId))),
      liveBoxes: (page) =>
        open(statements.livePage(JSON.stringify(page.entityTypes), page.after, page.limit)),
      listJobs: (page = {}) => lists.list(page),
      attempts: (jobId) => storage.read(Rows.attempts(statements.attempts(jobId))),
      failedBoxes: (entityType) => Effect.map(open(statements.failed(entityType ?? null)), Arr.getRights),
      waitingEntities: (entityTypes) =>
        storage.read(Rows.waiting(statements.waitingEntities(JSON.stringify(entityTypes)))),
      getStats: storage.read(Rows.counts(statements.counts())),
      lag: Effect.zipWith(
        storage.read(Rows.due(statements.firstDue())),
        Clock.currentTimeMillis,
        (due, now) => (due === null ? 0 : Math.max(0, now - due)),
      ),
      cleanup: housekeeping.cleanup,
      resetStuckJobs: housekeeping.resetStuckJobs,
      reclaim: housekeeping.reclaim,
      retryFailed: housekeeping.retryFailed,
      cancel: housekeeping.cancel,
      deleteBoxes: housekeeping.deleteBoxes,
      report: workers.report,
      signOff: workers.signOff,
      workers: workers.workers,
      pause: Effect.asVoid(storage.write(statements.setPaused(true))),
      resume: Effect.asVoid(storage.write(statements.setPaused(false))),
      changes: Stream.fromPubSub(hub),
      subscribe: Stream.fromPubSub(hub, { scoped: true }),
    } satisfies Queue<A>
  })

const changeOf = ({ entityId, entityType, jobId, outcome, status }: Job): JobChange => ({
  jobId,
  entityType,
  entityId,
  status,
  outcome,
})

/** The queue of entities over `Storage`, with other settings than the defaults. */
export const layerWith = (options: Partial<Options>): Layer.Layer<EmbeddingQueue, never, Storage> =>
  Layer.scoped(EmbeddingQueue, make({ schema: EntitySchema, key: keyOf }, options))

/** The queue of entities over `Storage`. */
export const layer: Layer.Layer<EmbeddingQueue, never, Storage> = layerWith({})
