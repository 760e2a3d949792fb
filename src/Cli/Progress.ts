/**
 * Shows how far long work is, on standard error. On a terminal one line moves; elsewhere a plain line comes now and
 * then, since a log with a thousand copies of a bar helps nobody. The rate is that of the last seconds, because the
 * first texts wait for the model to load.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Progress } from "../JobProgress.js"
import { Screen } from "./Screen.js"

/** What is shown: one way for terminals, one for everybody else. */
export interface Line {
  readonly plain: string
  readonly moving: string
}

interface Sample {
  readonly at: number
  readonly ended: number
}

/** The seconds over which the rate is taken. */
const span = 10_000

const remaining = (seconds: number) =>
  seconds < 90
    ? `${Math.ceil(seconds)} s`
    : seconds < 5400
      ? `${Math.ceil(seconds / 60)} min`
      : `${Math.ceil(seconds / 3600)} h`

/** Counts, rate and time left, in words. */
export const words = ({ done, failed, total }: Progress, perSecond: number): string => {
  const left = total - done - failed
  return [
    `${done + failed} of ${total}`,
    ...(perSecond > 0 ? [`${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`] : []),
    ...(perSecond > 0 && left > 0 ? [`${remaining(left / perSecond)} left`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(", ")
}

/** A bar of `width` characters. */
export const bar = ({ done, failed, total }: Progress, width: number): string => {
  const filled = total === 0 ? 0 : Math.floor(((done + failed) / total) * width)
  return "█".repeat(filled) + "░".repeat(width - filled)
}

/** A line that tells how far jobs are; each look at it takes a sample for the rate. */
export const ofJobs = (
  label: string,
  progress: Effect.Effect<Progress>,
): Effect.Effect<Effect.Effect<Line>> =>
  Effect.map(Ref.make<ReadonlyArray<Sample>>([]), (samples) =>
    Effect.gen(function* () {
      const now = yield* progress
      const sample = { at: yield* Clock.currentTimeMillis, ended: now.done + now.failed }
      const [first = sample] = yield* Ref.updateAndGet(samples, (before) => [
        ...before.filter(({ at }) => at >= sample.at - span),
        sample,
      ])
      const seconds = (sample.at - first.at) / 1000
      const text = words(now, seconds > 0 ? (sample.ended - first.ended) / seconds : 0)
      return { plain: `${label}: ${text}`, moving: `${label} ${bar(now, 24)} ${text}` }
    }),
  )

/** Shows the line as long as the scope lasts; then takes it away. */
export const show = (line: Effect.Effect<Line>): Effect.Effect<void, never, Scope.Scope | Screen> =>
  Effect.gen(function* () {
    const screen = yield* Screen
    if (screen.moves) yield* Effect.addFinalizer(() => screen.write("\r\u001b[2K"))
    yield* line.pipe(
      Effect.flatMap(({ moving, plain }) =>
        screen.write(screen.moves ? `\r\u001b[2K${moving.slice(0, screen.width - 1)}` : `${plain}\n`),
      ),
      Effect.schedule(Schedule.spaced(screen.moves ? "100 millis" : "5 seconds")),
      Effect.forkScoped,
    )
  })
