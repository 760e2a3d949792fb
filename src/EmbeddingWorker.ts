/**
 * The actor that empties the queue: a scoped fiber that looks for work, claims as much as it has hands for, and
 * gives each batch to a fiber of its own. It wakes when this process enqueues, looks again at every poll interval
 * for what other processes enqueued, and in between sleeps no longer than until the next job is due. Its heart
 * beats in another fiber, so that a long embedding never loses its lease. When its scope closes it stops claiming,
 * lets what is in hand finish within the drain time, and gives the rest back; it is built last and ends first.
 *
 * @example
 * import { EmbeddingWorker } from "embedbox"
 *
 * // Beside `Shell.layerWithoutWorkerWith(settings)`, for a worker of one's own.
 * export const gentle = EmbeddingWorker.layerWith({ batchSize: 1, concurrency: 1, drainTimeout: "30 seconds" })
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Chunker } from "./Chunker.js"
import type { Entity } from "./Domain/Entity.js"
import type { StorageError } from "./Domain/Errors.js"
import type { AttemptToken, Claim } from "./Domain/Job.js"
import { bounded } from "./Domain/Runs.js"
import type { WorkerReport } from "./Domain/Worker.js"
import { Embedder } from "./Embedder.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import type { Backoff } from "./EmbeddingQueue/Backoff.js"
import * as Batch from "./EmbeddingWorker/Batch.js"
import * as Breaker from "./EmbeddingWorker/Breaker.js"
import * as Reporting from "./EmbeddingWorker/Reporting.js"
import type { EntityRepository } from "./EntityRepository.js"
import type { Storage } from "./Storage.js"

/** How a worker works. */
export interface Settings {
  /** How often to look for what other processes enqueued. */
  readonly pollInterval: Duration.DurationInput
  /** Jobs that are embedded and stored together. */
  readonly batchSize: number
  /** Batches under way at once; `auto` is one more than the embedder works on, so that it never waits for the next. */
  readonly concurrency: number | "auto"
  /** Deadline of one attempt. */
  readonly maxProcessingTime: Duration.DurationInput
  /** How often the leases of what is in hand are renewed: a third of the lease or less. */
  readonly heartbeatInterval: Duration.DurationInput
  /** How long what is in hand may take to finish at shutdown. */
  readonly drainTimeout: Duration.DurationInput
  /** How a provider that is down is asked again. */
  readonly providerBackoff: Backoff
}

/** The seed's numbers, where it names any. */
export const defaults: Settings = {
  pollInterval: "100 millis",
  batchSize: 1,
  concurrency: 1,
  maxProcessingTime: "5 minutes",
  heartbeatInterval: "10 seconds",
  drainTimeout: "10 seconds",
  providerBackoff: Breaker.standard,
}

/** What a worker has done since it started, and what it is doing. */
export interface WorkerStatus extends WorkerReport {
  /** When the loop last went round, in milliseconds since the epoch. */
  readonly lastBeat: number
}

/** The worker, as it runs. */
export class EmbeddingWorker extends Context.Tag("embedbox/EmbeddingWorker")<
  EmbeddingWorker,
  { readonly status: Effect.Effect<WorkerStatus> }
>() {}

/** What a look for work found. */
interface Look {
  readonly again: boolean
  /** When something becomes due, in milliseconds since the epoch. */
  readonly nextDue: number | undefined
}

/** As much text as one batch may carry, in UTF-16 code units; a longer one goes alone. */
const batchLength = 65_536

/** How long the loop rests after a failure of the database, so that it does not spin on it. */
const cooldown = Duration.seconds(1)

/** Begins a worker, in the scope of the caller. */
export const make = (
  given: Partial<Settings> = {},
): Effect.Effect<
  typeof EmbeddingWorker.Service,
  never,
  Scope.Scope | EmbeddingQueue | EntityRepository | Chunker | Embedder | Storage
> =>
  Effect.gen(function* () {
    const settings: Settings = { ...defaults, ...given }
    const queue = yield* EmbeddingQueue
    const { parallelism = 1 } = yield* Embedder
    const concurrency = settings.concurrency === "auto" ? parallelism + 1 : settings.concurrency
    // Opened by what others should know at once.
    const news = yield* Effect.makeLatch()
    const breaker = yield* Breaker.make(settings.providerBackoff, news.open)
    const inHand = yield* Ref.make<ReadonlyMap<AttemptToken, Claim<Entity>>>(new Map())
    const counts = yield* Ref.make({ stored: 0, failed: 0 })
    const lastBeat = yield* Ref.make(yield* Clock.currentTimeMillis)
    // In hand, worked on by nobody, and not given back because the database is in trouble.
    const stuck = yield* Ref.make<ReadonlyArray<Claim<Entity>>>([])
    // Opened by whatever may mean work: a job entered, a hand became free.
    const bell = yield* Effect.makeLatch()

    const batch = yield* Batch.make(
      breaker,
      {
        left: (ends) => {
          const gone = new Set(ends.map(({ claim }) => claim.token))
          const ended = (how: Batch.End["how"]) => ends.filter((end) => end.how === how).length
          return Effect.zipRight(
            Ref.update(inHand, (held) => new Map([...held].filter(([token]) => !gone.has(token)))),
            Ref.update(counts, ({ failed, stored }) => ({
              stored: stored + ended("stored"),
              failed: failed + ended("failed"),
            })),
          )
        },
        stuck: (claims) => Ref.update(stuck, (before) => [...before, ...claims]),
      },
      settings,
    )

    const stillHeld = (claims: ReadonlyArray<Claim<Entity>>) =>
      Effect.map(Ref.get(inHand), (held) => claims.filter((claim) => held.has(claim.token)))

    /**
     * What could not be given back when its time came. Until it can, the heart goes on beating for it: left to its
     * lease, it would count a crash that was none.
     */
    const giveBackStuck = Effect.gen(function* () {
      const claims = yield* Ref.get(stuck)
      if (claims.length === 0) return
      yield* batch.giveBack(yield* stillHeld(claims))
      yield* Ref.update(stuck, (now) => now.filter((claim) => !claims.includes(claim)))
      yield* Effect.logInfo("jobs that could not be given back are given back now").pipe(
        Effect.annotateLogs({ jobs: claims.length }),
      )
    })

    // ---- hands -------------------------------------------------------------------------------------------

    const hands = yield* FiberSet.make<void, never>()

    const processBatch = (claims: ReadonlyArray<Claim<Entity>>) =>
      batch.process(claims, stillHeld(claims)).pipe(
        // The batch has given its jobs back and said why.
        Effect.catchAll(() => Effect.interruptible(Effect.sleep(cooldown))),
        Effect.ensuring(bell.open),
      )

    const take = Effect.fnUntraced(function* (claims: ReadonlyArray<Claim<Entity>>) {
      yield* Ref.update(
        inHand,
        (held) => new Map([...held, ...claims.map((claim) => [claim.token, claim] as const)]),
      )
      // In line order, and no small note bound to wait for a big one.
      for (const together of bounded(
        claims,
        { most: settings.batchSize, weight: batchLength },
        ({ content }) => content.content.length,
      )) {
        yield* FiberSet.run(hands, processBatch(together))
      }
    })

    // ---- looking for work --------------------------------------------------------------------------------

    /** Rests until the bell rings, the poll interval is over, or something becomes due. */
    const rest = Effect.fnUntraced(function* (until: number | undefined) {
      const now = yield* Clock.currentTimeMillis
      const poll = Duration.toMillis(settings.pollInterval)
      const wait = until === undefined ? poll : Math.min(poll, Math.max(1, until - now))
      // Cheaper than a race, and nobody waits for the alarm to be off: it rings once too often at worst.
      const alarm = yield* Effect.fork(Effect.zipRight(Effect.sleep(wait), bell.open))
      yield* bell.await
      yield* Fiber.interruptAsFork(alarm, yield* Effect.fiberId)
      yield* bell.close
    })

    /** One look: claims what there is for free hands. Answers whether another look at once may bring more. */
    const round: Effect.Effect<Look, StorageError> = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* Ref.set(lastBeat, now)
      yield* giveBackStuck
      const busy = yield* FiberSet.size(hands)
      const provider = yield* breaker.state
      const wait = yield* breaker.remaining
      if (wait > 0) return { again: false, nextDue: now + wait }
      const probing = provider.state === "open"
      const held = [...(yield* Ref.get(inHand)).values()]
      // A probe and a suspect go alone.
      if (busy > 0 && (probing || held.some((claim) => claim.suspect)))
        return { again: false, nextDue: undefined }
      const free = concurrency - busy
      // The next free hand rings the bell.
      if (free < 1) return { again: false, nextDue: undefined }
      const ahead = yield* queue.workAhead
      // Nothing new is taken while a suspect waits for empty hands.
      const blocked = ahead.paused || (ahead.suspect && busy > 0)
      if (blocked || (!ahead.ready && !ahead.suspect)) return { again: false, nextDue: ahead.nextDue }
      const taken = yield* Effect.uninterruptible(
        Effect.tap(
          queue.dequeueBatch(probing ? 1 : free * settings.batchSize, { suspects: busy === 0, ahead }),
          take,
        ),
      )
      return { again: taken.length > 0, nextDue: ahead.nextDue }
    })

    const loop = Effect.gen(function* () {
      // Polls would drown every trace.
      const outcome = yield* Effect.exit(Effect.withTracerEnabled(round, false))
      if (Exit.isSuccess(outcome)) {
        return yield* outcome.value.again ? Effect.yieldNow() : rest(outcome.value.nextDue)
      }
      if (Cause.isInterruptedOnly(outcome.cause)) return yield* Effect.interrupt
      yield* Effect.logError("looking for work failed; trying again", outcome.cause)
      yield* Effect.sleep(cooldown)
    }).pipe(Effect.forever)

    // ---- the heart ---------------------------------------------------------------------------------------

    const heartbeat = Effect.gen(function* () {
      const lost = yield* queue.renew([...(yield* Ref.get(inHand)).values()])
      yield* Effect.forEach(
        lost,
        (claim) =>
          Effect.logInfo("a claim is gone; its result will not be stored").pipe(
            Effect.annotateLogs({ jobId: claim.job.jobId }),
          ),
        { discard: true },
      )
      yield* Ref.update(inHand, (held) => {
        const gone = new Set(lost.map((claim) => claim.token))
        return new Map([...held].filter(([token]) => !gone.has(token)))
      })
    }).pipe(
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.failCause(cause)
          : Effect.logError("renewing leases failed", cause),
      ),
      Effect.withTracerEnabled(false),
      Effect.schedule(Schedule.spaced(settings.heartbeatInterval)),
    )

    // ---- life --------------------------------------------------------------------------------------------

    const status: Effect.Effect<WorkerStatus> = Effect.gen(function* () {
      const { failed, stored } = yield* Ref.get(counts)
      return {
        inHand: (yield* Ref.get(inHand)).size,
        stored,
        failed,
        provider: yield* breaker.state,
        lastBeat: yield* Ref.get(lastBeat),
      }
    })

    // Before all that it tells of: what is added last ends first, and a worker signs off when it is drained.
    yield* Reporting.start({ status, every: settings.heartbeatInterval, news })
    const changes = yield* queue.subscribe
    yield* Effect.forkScoped(
      Stream.runForEachChunk(changes, (some) =>
        Chunk.some(some, ({ status }) => status === "pending") ? bell.open : Effect.void,
      ),
    )
    yield* Effect.forkScoped(heartbeat)
    const looking = yield* Effect.forkScoped(loop)

    const drain = Effect.gen(function* () {
      yield* Fiber.interrupt(looking)
      const left = yield* FiberSet.size(hands)
      if (left > 0) yield* Effect.logInfo(`finishing ${left} batch${left === 1 ? "" : "es"} in hand`)
      const finished = yield* Effect.timeoutOption(
        // A finalizer is uninterruptible, and a timeout must be able to interrupt what it times.
        Effect.interruptible(FiberSet.awaitEmpty(hands)),
        settings.drainTimeout,
      )
      if (finished._tag === "None") yield* Effect.logInfo("not finished in time: giving jobs back")
      // Interruption gives back what is still in hand, and waits until that is written.
      yield* FiberSet.clear(hands)
      yield* FiberSet.awaitEmpty(hands)
      yield* Effect.catchAll(giveBackStuck, ({ reason }) =>
        Effect.logWarning("jobs could not be given back; their lease will end").pipe(
          Effect.annotateLogs({ reason }),
        ),
      )
    })
    yield* Effect.addFinalizer(() => drain)

    return EmbeddingWorker.of({ status })
  })

/** A worker with other settings than the defaults, for as long as the Layer stands. */
export const layerWith = (
  settings: Partial<Settings>,
): Layer.Layer<EmbeddingWorker, never, EmbeddingQueue | EntityRepository | Chunker | Embedder | Storage> =>
  Layer.scoped(EmbeddingWorker, make(settings))

/** The worker with the seed's settings. */
export const layer: Layer.Layer<
  EmbeddingWorker,
  never,
  EmbeddingQueue | EntityRepository | Chunker | Embedder | Storage
> = layerWith({})
