// @effect-diagnostics processEnv:off
/**
 * The queue against its model: random interleavings of everything that writers, workers, clocks and deaths do. A
 * failure prints the shortest list of operations that still fails, and the seed that repeats it:
 * `EMBEDBOX_MODEL_SEED=… npx vitest run test/model`. More runs: `EMBEDBOX_MODEL_RUNS`.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterAll } from "vitest"
import * as Fs from "node:fs"
import { temporaryDatabase } from "../support.js"
import * as Comparing from "./Comparing.js"
import * as Machine from "./Machine.js"
import { leaseMillis } from "./Model.js"
import { type Operation, plan, type Plan, print, workers } from "./Operations.js"

const wanted = process.env["EMBEDBOX_MODEL_RUNS"]
const seed = process.env["EMBEDBOX_MODEL_SEED"]

/** As many runs as are wanted; where nobody says, no more of them than fit into a test run on a busy machine. */
const settings = (share: number) => {
  const runs = Math.ceil(Number(wanted ?? 60) * share)
  const bounded = wanted === undefined && seed === undefined
  return {
    fastCheck: {
      numRuns: runs,
      ...(seed === undefined ? {} : { seed: Number(seed) }),
      ...(bounded ? { interruptAfterTimeLimit: Math.max(10_000, 14_000 * share) } : {}),
    },
    timeout: 120_000 + runs * 3_000,
  }
}

/** Longest list of operations. */
const most = 60

let steps = 0
/** How often each thing was seen to happen: a model test that never meets a lost claim proves nothing. */
const seen = new Map<string, number>()
const see = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

const step = (machine: Machine.Machine, operation: Operation) =>
  Effect.gen(function* () {
    const after = `after step ${++steps}: ${print(operation)}`
    const { actual, expected } = yield* machine.perform(operation)
    expect(actual, `the answer ${after}`).toEqual(expected)
    for (const what of [actual].flat()) if (typeof what === "string") see(`${operation.op}: ${what}`)
    yield* Comparing.compare(machine, steps, after)
  })

/** Everyone who has claims is gone; then one worker does all that is left, as it should. */
const drain = (machine: Machine.Machine) =>
  Effect.gen(function* () {
    const { model } = machine
    const all = (...operations: ReadonlyArray<Operation>) =>
      Effect.forEach(operations, (operation) => step(machine, operation), { discard: true })
    // A clock that jumped back has left leases that are good for longer than a lease.
    const leases = [...model.jobs.values()].map((job) => job.leaseUntil ?? 0)
    yield* all(
      { op: "resume" },
      { op: "clock", millis: Math.max(leaseMillis, ...leases.map((until) => until - model.now)) + 1 },
      { op: "reclaim", by: 0 },
      { op: "retryFailed", type: undefined, outcome: undefined },
      { op: "retryFailed", type: undefined, outcome: "cancelled" },
    )
    const waiting = () => [...model.jobs.values()].filter((job) => job.status === "pending")
    for (let round = 0; waiting().length > 0; round++) {
      expect(round, "rounds of the worker that drains").toBeLessThan(100)
      const due = Math.min(...waiting().map((job) => job.scheduledFor))
      yield* all(
        { op: "clock", millis: Math.max(0, due - model.now) },
        { op: "claim", by: 0, n: 2, suspects: true },
        { op: "work", by: 0, from: 0, take: 2, fault: undefined },
      )
    }
    yield* Comparing.compareEnd(machine)
    for (const { crashCount, outcome } of model.jobs.values()) {
      see(`outcome: ${outcome}${crashCount > 0 ? ", crashed before" : ""}`)
    }
  })

const run = ({ operations }: Plan, filename?: string) =>
  Effect.gen(function* () {
    const machine = yield* Machine.make(filename)
    yield* Effect.forEach(operations, (operation) => step(machine, operation), { discard: true })
    yield* drain(machine)
  })

it.scoped.prop(
  `${workers} workers, any interleaving: what is read, answered and stored is what the model says`,
  [plan(most)],
  ([given]) => run(given),
  settings(1),
)

it.scoped.prop(
  "the same on a file, which every process opens for itself and again after its restart",
  [plan(most)],
  ([given]) =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* run(given, filename)
      expect(Fs.existsSync(filename)).toBe(true)
    }),
  settings(1 / 4),
)

afterAll(() => {
  if (wanted === undefined) return
  const lines = [...seen]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, times]) => `  ${what} ${times}`)
  process.stdout.write(`${steps} steps\n${lines.join("\n")}\n`)
})
