/**
 * From samples to figures, and from figures to what is broken. Memory is judged by medians of two halves, after the
 * first tenth: one sample says nothing about a process that collects its garbage now and then.
 */
import { median, round } from "../support.js"
import type { Memory, Sample } from "./Samples.js"

export interface Outcome {
  readonly samples: ReadonlyArray<Sample>
  readonly entities: number
  readonly updates: number
  readonly deletes: number
  readonly seconds: number
  readonly kills: number
  /** Jobs that were found in dead hands. */
  readonly takenBack: number
  /** Errors that workers logged. */
  readonly errors: number
  readonly violations: number
  readonly compared: { readonly [what in "stored" | "missing" | "stale" | "deleted" | "unembedded"]: number }
}

export interface Bounds {
  /** Memory, second half to first half; a run below a minute is not judged by it. */
  readonly ratio: number
  readonly walMb: number
  /** Jobs that wait. */
  readonly waiting: number
  /** Age of a receipt, in seconds. */
  readonly receiptSeconds: number
}

/** To the hundredth above: no bound is kept by rounding. */
const roundUp = (value: number) => Math.ceil(value * 100) / 100

/** A shorter run, in samples, is over before a process has its caches and its heap. */
const shortest = 60

const halves = (samples: ReadonlyArray<Sample>, of: (sample: Sample) => Memory) => {
  const middle = Math.floor(samples.length / 2)
  const first = samples.slice(Math.floor(samples.length / 10), middle)
  const second = samples.slice(middle)
  const medianOf = (half: ReadonlyArray<Sample>, part: keyof Memory) =>
    median(half.map((sample) => of(sample)[part]))
  const [a, b] = [medianOf(first, "resident"), medianOf(second, "resident")]
  return {
    firstHalfMb: round(a),
    secondHalfMb: round(b),
    ratio: samples.length < shortest ? undefined : roundUp(b / a),
    anonymousRatio: roundUp(medianOf(second, "anonymous") / medianOf(first, "anonymous")),
    /** Right after a collection of all garbage: what is really in use, more or less. */
    firstHalfLeastMb: round(Math.min(...first.map((sample) => of(sample).resident))),
    secondHalfLeastMb: round(Math.min(...second.map((sample) => of(sample).resident))),
    largestMb: round(Math.max(...samples.map((sample) => of(sample).resident))),
  }
}

export const figuresOf = (outcome: Outcome) => {
  const { compared, samples, seconds, ...counts } = outcome
  const most = (of: (sample: Sample) => number) => Math.max(...samples.map(of))
  return {
    ...counts,
    ...compared,
    seconds: round(seconds),
    entitiesPerSecond: round(counts.entities / seconds),
    creator: halves(samples, ({ creator }) => creator),
    worker: halves(samples, ({ worker }) => worker),
    mostQueueRows: most(
      ({ completed, failed, pending, processing }) => completed + failed + pending + processing,
    ),
    mostWaiting: most(({ pending }) => pending),
    mostFailed: most(({ failed }) => failed),
    /** A box without a live job, or the other way round. */
    mostStrayBoxes: most(({ boxes, failed, pending, processing }) =>
      Math.abs(boxes - failed - pending - processing),
    ),
    oldestReceiptSeconds: roundUp(most(({ oldestReceipt }) => oldestReceipt)),
    largestWalMb: roundUp(most(({ walMb }) => walMb)),
    fileMb: round(most(({ fileMb }) => fileMb)),
  }
}

export type Figures = ReturnType<typeof figuresOf>

const memoryLine = (name: string, memory: Figures["worker"]) =>
  `${name.padEnd(12)} ${memory.firstHalfMb} MB, then ${memory.secondHalfMb} MB: ` +
  `${memory.ratio ?? "too short a run to judge"} (without files ${memory.anonymousRatio}); ` +
  `least ${memory.firstHalfLeastMb}, then ${memory.secondHalfLeastMb}; at most ${memory.largestMb}`

/** The figures for people. */
export const lines = (figures: Figures): ReadonlyArray<string> => [
  `${figures.entities} notes, ${figures.updates} updates and ${figures.deletes} deletes in ${figures.seconds} s: ${figures.entitiesPerSecond} notes/s`,
  `${figures.kills} workers killed, ${figures.takenBack} jobs taken back from them, ${figures.errors} errors logged`,
  "memory, median of the first half (without the first tenth) and of the second:",
  memoryLine("  creator", figures.creator),
  memoryLine("  worker", figures.worker),
  `rows of the queue at most ${figures.mostQueueRows}, waiting ${figures.mostWaiting}, a receipt kept ${figures.oldestReceiptSeconds} s`,
  `WAL at most ${figures.largestWalMb} MB, database ${figures.fileMb} MB`,
  `${figures.stored} notes stored: ${figures.missing} missing, ${figures.stale} stale, ${figures.deleted} that should be gone, ` +
    `${figures.unembedded} not embedded; ${figures.violations} violations`,
]

/** Every bound that was broken, in words. Nothing: all is well. */
export const broken = (figures: Figures, bounds: Bounds): ReadonlyArray<string> => {
  const checks: ReadonlyArray<readonly [value: number | undefined, bound: number, what: string]> = [
    [figures.creator.ratio, bounds.ratio, "memory of the creator, second half to first"],
    [figures.worker.ratio, bounds.ratio, "memory of the worker, second half to first"],
    [figures.largestWalMb, bounds.walMb, "MB of the WAL"],
    [figures.mostWaiting, bounds.waiting, "waiting jobs"],
    [figures.oldestReceiptSeconds, bounds.receiptSeconds, "seconds that a receipt was kept"],
    [figures.mostFailed, 0, "failed boxes"],
    [figures.mostStrayBoxes, 0, "boxes without a live job, or live jobs without a box"],
    [figures.violations, 0, "violations found by the doctor"],
    [figures.missing, 0, "acknowledged entities that are missing"],
    [figures.stale, 0, "entities that are not as they were last acknowledged"],
    [figures.deleted, 0, "entities that were deleted or never made"],
    [figures.unembedded, 0, "entities that are not embedded"],
  ]
  // Not a number is not within bounds either.
  return checks.flatMap(([value, bound, what]) =>
    value === undefined || value <= bound ? [] : [`${what}: ${value}, at most ${bound}`],
  )
}
