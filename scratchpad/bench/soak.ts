/**
 * Hours of a daemon's life in minutes: 100,000 small notes through the whole pipeline with the fake embedder, a tenth
 * of them changed and some deleted, while one worker lives through it all and another is killed with SIGKILL every 2
 * to 5 seconds: `npm run bench:soak [-- --entities 100000 --seed 1 --json]`. It must show that nothing grows which
 * should not: the memory of the creating process and of the long-lived worker, the tables of the queue, the WAL. In
 * the end everything acknowledged is looked for, and the doctor examines the file. Exit code 1 when a bound is broken.
 *
 * V8 lets garbage lie until it is worth its while: left alone, the creator swings between 162 and 250 MB, always back
 * to the same, and which half has the higher median is a matter of how fast the work went (0.82 to 1.19, on two cores
 * that others used too). So both processes are started with a young generation of the size that it may grow to anyway
 * (16 MB semi-spaces), and an old one that is collected when it has grown by a fifth. That changes nothing of what is
 * kept, and a leak shows. The same without flags: `npm run build && npx tsx scratchpad/bench/soak.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Path from "node:path"
import * as Doctor from "../../src/Doctor.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import * as Shell from "../../src/Shell.js"
import * as Config from "../../src/Shell/Config.js"
import * as Ledger from "./soak/Ledger.js"
import * as Samples from "./soak/Samples.js"
import * as Verdict from "./soak/Verdict.js"
import * as Workers from "./soak/Workers.js"
import { argument, report, say, temporaryFolder, timed } from "./support.js"

const entities = argument("entities", 100_000)
const seed = argument("seed", 1)

/** The creators are at most so many jobs ahead of the workers: what waits must not be what grows. */
const backlog = 5_000

const bounds: Verdict.Bounds = {
  ratio: 1.1,
  walMb: 128,
  // The gate is looked after 20 times a second, and creators pass meanwhile.
  waiting: backlog * 1.1,
  // Every receipt in the table is explained by the age at which it goes; a busy worker may be some seconds late.
  receiptSeconds: Workers.cleanup.ageSeconds + Workers.cleanup.intervalSeconds + 5,
}

const sampleLine = (sample: Samples.Sample) =>
  `  ${sample.seconds.toFixed(0).padStart(5)} s` +
  `  creator ${sample.creator.resident.toFixed(0)} (${sample.creator.anonymous.toFixed(0)}) MB` +
  `  worker ${sample.worker.resident.toFixed(0)} (${sample.worker.anonymous.toFixed(0)}) MB` +
  `  waiting ${sample.pending}  receipts ${sample.completed}` +
  `  WAL ${sample.walMb.toFixed(1)} MB  file ${sample.fileMb.toFixed(0)} MB`

/** Writes all and waits until all is embedded, while workers come and go; answers what was seen. */
const soak = (database: string, ledger: Ledger.Ledger) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const kills = yield* Ref.make(0)
    const gate = yield* Effect.makeLatch(true)
    const samples: Array<Samples.Sample> = []
    const steady = yield* Workers.start("long-lived", database)
    const began = performance.now()

    const sampling = Samples.take({ database, worker: steady.pid, began }).pipe(
      Effect.tap((sample) => {
        samples.push(sample)
        if (samples.length % 10 === 1) say(sampleLine(sample))
      }),
      Effect.repeat(Schedule.spaced("1 second")),
    )
    const gatekeeping = queue.getStats.pipe(
      Effect.tap(({ pending }) => (pending < backlog ? gate.open : gate.close)),
      Effect.repeat(Schedule.spaced("50 millis")),
    )
    const drained = queue.getStats.pipe(
      Effect.repeat({
        schedule: Schedule.spaced("100 millis"),
        while: ({ pending, processing }) => pending + processing > 0,
      }),
    )
    const killing = Workers.killed(
      database,
      seed,
      Ref.update(kills, (count) => count + 1),
    )
    const meanwhile = Effect.all([sampling, gatekeeping, killing, steady.alive], {
      concurrency: "unbounded",
      discard: true,
    })
    const [ms] = yield* timed(
      Effect.raceFirst(Effect.zipRight(Ledger.write(ledger, seed, gate.await), drained), meanwhile),
    )
    return { samples, seconds: ms / 1000, kills: yield* Ref.get(kills) }
  }).pipe(Effect.scoped)

const judged = (database: string) =>
  Effect.gen(function* () {
    const doctor = yield* Doctor.Doctor
    const ledger = Ledger.make(entities)
    say(`${entities} notes, seed ${seed}; resident memory, and in brackets the part with no file behind it:`)
    const seen = yield* soak(database, ledger)
    const { errors, takenBack } = yield* Workers.told(database)
    for (const error of errors.slice(0, 20)) say(error)
    say("examining the file, and looking for everything acknowledged …")
    const violations = Doctor.violationCount(yield* doctor.examine)
    const compared = yield* Ledger.compare(ledger)
    return Verdict.figuresOf({
      ...seen,
      entities,
      updates: ledger.updates,
      deletes: ledger.deletes,
      takenBack,
      errors: errors.length,
      violations,
      compared,
    })
  })

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const database = Path.join(folder, "soak.sqlite")
  const settings = { ...(yield* Config.load()), database, model: "fake" as const }
  const figures = yield* Effect.provide(
    judged(database),
    Doctor.layer.pipe(Layer.provideMerge(Shell.layerWithoutWorkerWith(settings))),
  )
  for (const line of Verdict.lines(figures)) say(line)
  const broken = Verdict.broken(figures, bounds)
  for (const what of broken) say(`BROKEN: ${what}`)
  report({ ...figures, heapFlags: Workers.heapFlags, broken })
  if (broken.length > 0) process.exitCode = 1
})

// Standard output is for the figures.
const logs = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

// Ctrl+C ends the workers, too, and takes the files away; a run that was cut short has shown nothing, and says so.
NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(logs)), {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, onExit) => {
    if (Exit.isSuccess(exit)) return onExit(0)
    const problem = Cause.squash(exit.cause)
    say(problem instanceof Error ? problem.message : String(problem))
    onExit(1)
  },
})
