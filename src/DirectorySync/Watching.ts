/**
 * A folder kept in step for as long as somebody watches. What the system tells of changes is taken for a hint and nothing
 * more: events come late, twice, for half of a file, or not at all. A hint starts a run over the folder, after a moment of
 * quiet, so that thousands of changes are one run; and a run decides by what it finds. What nobody hints at, a run now and
 * then finds. Our own writes are hints as well, and the run that they start finds nothing to do.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StorageError } from "../Domain/Errors.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityRepository } from "../EntityRepository.js"
import type { SyncOutcome } from "./Outcome.js"

/** The system cannot tell of changes in this folder. */
export class FolderUnwatchable extends Schema.TaggedError<FolderUnwatchable>()("FolderUnwatchable", {
  folder: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `the folder ${this.folder} cannot be watched: ${this.reason}`
  }
}

/** When a run begins. */
export interface Pace {
  /** So long after the last hint, … */
  readonly quiet: Duration.DurationInput
  /** … but not longer after the first. */
  readonly patience: Duration.DurationInput
  /** So long after a run that found something it looks once more: of new folders the system tells late, or in part. */
  readonly echo: Duration.DurationInput
  /** How often to look whether somebody wrote into the box. */
  readonly boxInterval: Duration.DurationInput
  /** How often to run without a hint. */
  readonly reconcileInterval: Duration.DurationInput
}

export const defaultPace: Pace = {
  quiet: "300 millis",
  patience: "5 seconds",
  echo: "1 second",
  boxInterval: "1 second",
  reconcileInterval: "5 minutes",
}

/** What to do about an error of the system's watcher. */
const reasonOf = (cause: unknown): string => {
  const text = cause instanceof Error ? cause.message : String(cause)
  return /no space left on device|ENOSPC|inotify_add_watch/iu.test(text)
    ? "this system watches no more folders: raise its limit with `sysctl fs.inotify.max_user_watches=524288`, or run a sync now and then instead"
    : /too many open files|EMFILE|inotify_init/iu.test(text)
      ? "this user has too many watchers: raise the limit with `sysctl fs.inotify.max_user_instances=512`"
      : text
}

/** Calls `hint` whenever something below the folder may have changed, until the scope closes. */
const subscribe = (folder: string, hint: () => void): Effect.Effect<void, FolderUnwatchable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const { default: watcher } = await import("@parcel/watcher")
        // An error means that events were lost: a hint like any other.
        return watcher.subscribe(folder, hint, { ignore: ["**/node_modules/**", "**/.git/**"] })
      },
      catch: (cause) => new FolderUnwatchable({ folder, reason: reasonOf(cause) }),
    }),
    (subscription) => Effect.promise(() => subscription.unsubscribe()),
  ).pipe(Effect.asVoid)

/** Hints, counted, and who waits for them. */
const makeHints = Effect.gen(function* () {
  const count = yield* Ref.make(0)
  const latch = yield* Effect.makeLatch()
  const give = Effect.zipRight(
    Ref.update(count, (before) => before + 1),
    latch.open,
  )

  /** Waits for a hint, and then until there are no more. */
  const settled = ({ patience, quiet }: Pace) =>
    Effect.gen(function* () {
      yield* latch.await
      const start = yield* Clock.currentTimeMillis
      const isOver = Effect.gen(function* () {
        // Closed first: a hint from now on is either seen below or opens it for the next run.
        yield* latch.close
        const before = yield* Ref.get(count)
        yield* Effect.sleep(quiet)
        const waited = (yield* Clock.currentTimeMillis) - start
        return (yield* Ref.get(count)) === before || waited >= Duration.toMillis(patience)
      })
      yield* Effect.repeat(isOver, { until: (over) => over })
    })

  return { give, settled }
})

/** Something was done, or could not be done yet. */
const isNews = (outcome: SyncOutcome) =>
  outcome._tag === "Skipped"
    ? outcome.kind === "transient"
    : outcome._tag === "Saved" || outcome._tag === "Exported"
      ? outcome.change !== "unchanged"
      : outcome._tag !== "Unexported"

export const make = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository

  /**
   * Runs at once, and then whenever there was a hint. Never ends by itself. Before a run that nobody hinted at, `forget` is
   * done: it is to read what the others need not.
   */
  const watch = <E>(
    folder: string,
    run: Stream.Stream<SyncOutcome, E>,
    pace: Pace,
    forget: Effect.Effect<void>,
  ): Stream.Stream<SyncOutcome, E | FolderUnwatchable | StorageError> =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const hints = yield* makeHints
        // Watched from before the first run: what changes during it is not missed.
        yield* subscribe(folder, () => Effect.runSync(hints.give))
        // A write takes a generation, and a deletion leaves fewer; neither can be missed, whoever it was.
        const state = Effect.zipWith(
          queue.highestGeneration,
          repository.countAll,
          (generation, count) => `${generation}/${count}`,
        )
        const seen = yield* Ref.make(yield* state)
        const lookAtBox = Effect.gen(function* () {
          const now = yield* state
          if ((yield* Ref.getAndSet(seen, now)) !== now) yield* hints.give
        })
        const trouble = yield* Deferred.make<never, StorageError>()
        yield* Effect.repeat(lookAtBox, Schedule.spaced(pace.boxInterval)).pipe(
          Effect.catchAll((error) => Deferred.fail(trouble, error)),
          Effect.forkScoped,
        )
        yield* Effect.forkScoped(
          Effect.repeat(Effect.zipRight(forget, hints.give), Schedule.spaced(pace.reconcileInterval)),
        )
        const scope = yield* Effect.scope
        const echo = Effect.forkIn(Effect.delay(hints.give, pace.echo), scope)
        const runAndEcho = Stream.unwrap(
          Effect.map(Ref.make(false), (found) =>
            run.pipe(
              Stream.tap((outcome) => (isNews(outcome) ? Ref.set(found, true) : Effect.void)),
              Stream.concat(Stream.drain(Stream.fromEffect(Effect.whenEffect(echo, Ref.get(found))))),
            ),
          ),
        )
        return Stream.repeatEffect(hints.settled(pace)).pipe(
          Stream.flatMap(() => runAndEcho),
          Stream.interruptWhenDeferred(trouble),
        )
      }),
    )

  return { watch }
})
