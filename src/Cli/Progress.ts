/**
 * Shows how far long work is, on standard error. On a terminal some lines move; elsewhere a plain line comes now and
 * then, since a log with a thousand copies of a bar helps nobody. The rate is that of the last seconds, because the
 * first texts wait for the model to load; that has a line of its own, lest it look like work that does not get on.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { counted, span } from "../Domain/Phrases.js"
import type { StorageError } from "../Domain/Errors.js"
import { Embedder } from "../Embedder.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityService } from "../EntityService.js"
import type { Progress, Tracker } from "../JobProgress.js"
import { PlaceTag } from "./Access.js"
import { oneLine, Screen } from "./Screen.js"

/** What is shown: one way for terminals, one for everybody else. */
export interface Shown {
  readonly plain: string
  readonly moving: ReadonlyArray<string>
}

interface Sample {
  readonly at: number
  readonly ended: number
}

/** The milliseconds over which the rate is taken. */
const window = 10_000

/** Work that is under way. */
export interface Work extends Progress {
  /** Chunks that wait, where somebody counted. */
  readonly chunksLeft?: number | undefined
}

/** Counts, rate and time left, in words. */
export const words = ({ chunksLeft, done, failed, total }: Work, perSecond: number): string => {
  const left = total - done - failed
  return [
    `${done + failed} of ${total}`,
    ...(perSecond > 0 ? [`${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`] : []),
    ...(chunksLeft === undefined || left === 0 ? [] : [`about ${counted(chunksLeft, "chunk")}`]),
    ...(perSecond > 0 && left > 0 ? [`${span((left * 1000) / perSecond)} left`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(", ")
}

/** A bar of `width` characters. */
export const bar = ({ done, failed, total }: Progress, width: number): string => {
  const filled = total === 0 ? 0 : Math.floor(((done + failed) / total) * width)
  return "█".repeat(filled) + "░".repeat(width - filled)
}

/** Of a narrow screen the bar takes no more than a fifth. */
const barWidth = (screenWidth: number) => Math.min(24, Math.floor(screenWidth / 5))

/** What tells how far work is; each look at it takes a sample for the rate. */
export const ofWork = (
  label: string,
  work: Effect.Effect<Work>,
): Effect.Effect<Effect.Effect<Shown>, never, Screen> =>
  Effect.gen(function* () {
    const samples = yield* Ref.make<ReadonlyArray<Sample>>([])
    const { width } = yield* Screen
    return Effect.gen(function* () {
      const now = yield* work
      // As long as nobody knows how much there is, nothing can be said.
      if (now.total === 0) return { plain: "", moving: [`${label} …`] }
      const sample = { at: yield* Clock.currentTimeMillis, ended: now.done + now.failed }
      const [first = sample] = yield* Ref.updateAndGet(samples, (before) => [
        ...before.filter(({ at }) => at >= sample.at - window),
        sample,
      ])
      const seconds = (sample.at - first.at) / 1000
      const text = words(now, seconds > 0 ? (sample.ended - first.ended) / seconds : 0)
      return { plain: `${label}: ${text}`, moving: [`${label} ${bar(now, barWidth(width))} ${text}`] }
    })
  })

/** How often the database is asked what is in work. */
const lookEvery = "500 millis"

/** And how often what waits is counted, which costs more the more notes there are. */
const countEvery = "2 seconds"

/** How many notes in work are named. */
const named = 3

/**
 * The same for the jobs of a tracker, with what is in work, the chunks that wait and whether the model is being loaded.
 * That is for the eye only: where it cannot be read, it is not shown.
 */
export const ofJobs = (
  label: string,
  tracker: Tracker,
): Effect.Effect<
  Effect.Effect<Shown>,
  never,
  Embedder | EmbeddingQueue | EntityService | PlaceTag | Scope.Scope | Screen
> =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const service = yield* EntityService
    const embedder = yield* Embedder
    const { model } = yield* PlaceTag
    const screen = yield* Screen
    const inWork = yield* Ref.make<ReadonlyArray<string>>([])
    const chunks = yield* Ref.make<number | undefined>(undefined)
    const isLoading = yield* Ref.make(false)

    const isOver = Effect.map(tracker.progress, ({ done, failed, total }) => done + failed === total)
    const jobs = Effect.map(queue.listJobs({ status: "processing", limit: named }), (some) =>
      some.map(({ entityId }) => oneLine(entityId)),
    )
    const look = Effect.flatMap(isOver, (over) =>
      Effect.flatMap(over ? Effect.succeed([]) : jobs, (some) => Ref.set(inWork, some)),
    )
    const count = Effect.flatMap(isOver, (over) =>
      over
        ? Effect.void
        : Effect.flatMap(service.indexStatus, ({ chunksLeft }) => Ref.set(chunks, chunksLeft)),
    )
    const again = (read: Effect.Effect<void, StorageError>, every: Duration.DurationInput) =>
      read.pipe(
        Effect.catchAll((error) => Effect.logDebug("progress cannot be read", error)),
        Effect.schedule(Schedule.spaced(every)),
        Effect.forkScoped,
      )
    yield* again(look, lookEvery)
    yield* again(count, countEvery)

    // Not before there is something to embed. A model that cannot be loaded is the worker's to tell.
    yield* Effect.gen(function* () {
      yield* Effect.repeat(tracker.progress, {
        until: ({ total }) => total > 0,
        schedule: Schedule.spaced(lookEvery),
      })
      yield* Ref.set(isLoading, true)
      yield* Effect.ignore(embedder.prepare ?? Effect.void)
      yield* Ref.set(isLoading, false)
    }).pipe(Effect.forkScoped)

    const shown = yield* ofWork(
      label,
      Effect.zipWith(tracker.progress, Ref.get(chunks), (progress, chunksLeft) => ({
        ...progress,
        chunksLeft,
      })),
    )
    return Effect.gen(function* () {
      const { moving, plain } = yield* shown
      const names = yield* Ref.get(inWork)
      const loading = (yield* Ref.get(isLoading)) ? [`loading the model ${model} …`] : []
      return {
        plain: [...loading, ...(plain === "" ? [] : [plain])].join("; "),
        moving: [
          ...loading.map((line) => screen.dim(line)),
          ...moving,
          ...(names.length === 0 ? [] : [screen.dim(`  ${names.join(", ")}`)]),
        ],
      }
    })
  })

/** How often lines are drawn anew, and how often a plain one is written. */
const drawEvery = "100 millis"
const writeEvery = "5 seconds"

/** Shows it as long as the scope lasts; then takes it away. */
export const show = (shown: Effect.Effect<Shown>): Effect.Effect<void, never, Scope.Scope | Screen> =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const draw = Option.isSome(screen.area) ? Option.some(yield* screen.area.value) : Option.none()
    yield* shown.pipe(
      Effect.flatMap(({ moving, plain }) =>
        Option.match(draw, {
          onNone: () => (plain === "" ? Effect.void : screen.write(`${plain}\n`)),
          onSome: (to) => to(moving),
        }),
      ),
      Effect.schedule(Schedule.spaced(Option.isSome(draw) ? drawEvery : writeEvery)),
      Effect.forkScoped,
    )
  })
