/**
 * How near embedding comes to what the machine can do: `npm run bench:embed [-- --texts 1000 --rounds 3 --json]`. One
 * corpus and one model, in turns: Embedbox's pipeline from create to stored, its `Embedder` alone, a bare onnxruntime
 * session that is fed ready-made runs in the grouping that is best for it, in as many processes and threads; what is left
 * of a pipeline when all that is ours is taken away; and, with
 * the same weights in the graph that an exporter would write, the bare session, `fastembed` as it comes (32 bits, padding
 * to 512) and `@huggingface/transformers`. The pipeline is measured once by itself, and once while questions are asked
 * and the event loop is watched.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { StorageError } from "../../src/Domain/Errors.js"
import { Embedder } from "../../src/Embedder.js"
import * as BundledModel from "../../src/Embedder/BundledModel.js"
import * as FastEmbed from "../../src/Embedder/FastEmbed.js"
import * as Grouping from "../../src/Embedder/Grouping.js"
import { type BundledName, models } from "../../src/Embedder/models.js"
import * as Processes from "../../src/Embedder/Processes.js"
import type { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import * as Shell from "../../src/Shell.js"
import * as Config from "../../src/Shell/Config.js"
import * as BarePipeline from "./embed/barePipeline.js"
import * as Corpus from "./embed/corpus.js"
import * as Folders from "./embed/folders.js"
import * as Rival from "./embed/rival.js"
import * as Tokens from "./embed/tokens.js"
import {
  allStored,
  argument,
  median,
  percentile,
  report,
  round,
  say,
  temporaryFolder,
  timed,
  withLoopDelay,
} from "./support.js"

const count = argument("texts", 1_000)
const rounds = argument("rounds", 3)
/** The slow ones are given fewer texts; what counts is the time for each. */
const few = argument("few", 24)
const name: BundledName = process.argv.includes("--float32") ? "all-MiniLM-L6-v2-float32" : "all-MiniLM-L6-v2"

/** Of five layers all, of the last one keys and values: the rest of it is computed for the first token alone. */
const productsPerToken = 5 * (4 * 384 ** 2 + 2 * 384 * 1536) + 2 * 384 ** 2

const residentMemory = (pid: number): number => {
  const [, kilobytes = "0"] = /VmHWM:\s+(\d+)/.exec(Fs.readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(kilobytes) / 1024
}

/** The pool and its embedder, so that the bench can look into it. */
const pool = (settings: Config.Settings) =>
  FastEmbed.layerProcesses(name).pipe(
    Layer.provideMerge(
      Processes.layer({
        model: name,
        cacheDir: settings.cacheDir,
        processes: settings.processes,
        threads: settings.threads,
      }),
    ),
  )

const questions = ["where do I put images", "sign in without a password", "why is scrolling slow"]

/** A shell of its own over this embedder; `use` is given what embeds texts, from the first create to the last vector. */
const withShell = <A>(
  database: string,
  settings: Config.Settings,
  use: (
    store: (texts: ReadonlyArray<string>) => Effect.Effect<void, StorageError, EmbeddingQueue>,
  ) => Effect.Effect<A, StorageError, EmbeddingQueue>,
) =>
  Effect.gen(function* () {
    const embedder = yield* Embedder
    const shell = Shell.layerFrom({
      embedder: Layer.succeed(Embedder, embedder),
      settings: { ...settings, database },
    })
    return yield* Effect.gen(function* () {
      const service = yield* EntityService
      return yield* use((texts) =>
        Effect.gen(function* () {
          const outcomes = yield* service.createEntities(texts.map((content) => ({ content })))
          yield* Effect.forEach(outcomes, Either.match({ onLeft: Effect.die, onRight: () => Effect.void }))
          yield* allStored("50 millis")
        }),
      )
    }).pipe(Effect.provide(shell))
  })

/** How long the texts took, by a shell that has worked for a while, in milliseconds. */
const pipeline = (
  texts: ReadonlyArray<string>,
  before: ReadonlyArray<string>,
  database: string,
  settings: Config.Settings,
) =>
  withShell(database, settings, (store) =>
    Effect.zipRight(
      store(before),
      Effect.map(timed(store(texts)), ([ms]) => ms),
    ),
  )

/** The same while somebody asks now and then, and the event loop is watched: both take their share of the cores. */
const watched = (texts: ReadonlyArray<string>, database: string, settings: Config.Settings) =>
  Effect.flatMap(Embedder, (embedder) =>
    withShell(database, settings, (store) =>
      Effect.gen(function* () {
        const latencies: Array<number> = []
        const asking = yield* Effect.fork(
          Effect.forEach(Array.from({ length: 100_000 }), (_, at) =>
            Effect.delay(
              timed(embedder.embedQuery(questions[at % questions.length] ?? "")),
              "100 millis",
            ).pipe(Effect.map(([ms]) => latencies.push(ms))),
          ),
        )
        const loop = yield* withLoopDelay(timed(store(texts)))
        yield* Fiber.interrupt(asking)
        return { ms: loop.value[0], loopP99: loop.p99, latencies }
      }),
    ),
  )

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const settings = yield* Config.load()
  const { folder: ours } = yield* BundledModel.ensure({ cacheDir: settings.cacheDir, name })
  const exported = yield* Folders.make(folder)
  const size = Processes.defaultSize(models[name], (yield* Processes.Processes).size)
  const { pids, size: processes } = yield* Processes.Processes
  const threads = settings.threads ?? size.threads
  const embedder = yield* Embedder
  const corpus = yield* Corpus.make(count)
  const ids = yield* Tokens.of(corpus)
  const tokens = ids.reduce((sum, { length }) => sum + length, 0)
  say(`${corpus.length} texts, tokens: ${Corpus.lengths(ids.map(({ length }) => length))}`)
  say(`model ${name}, ${processes} processes of ${threads} threads`)

  const model = Path.join(ours, models[name].graph)
  const session = yield* Rival.open({ kind: "session", model, processes, threads })
  const texts = yield* Rival.open({ kind: "texts", model, processes, threads })
  const plain = yield* Rival.open({
    kind: "session",
    model: Path.join(exported, "onnx", name.endsWith("float32") ? "model.onnx" : "model_quantized.onnx"),
    processes,
    threads,
  })
  const peak = yield* Rival.open({
    kind: "peak",
    model: Path.join(exported, "peak.onnx"),
    processes,
    threads,
  })
  const fastembed = yield* Rival.open({ kind: "fastembed", model: exported, processes: 1, threads })
  const kinds = ["transformers-fp32", "transformers-q8"] as const
  const transformers = yield* Effect.forEach(kinds, (kind) =>
    Rival.open({ kind, model: exported, processes: 1, threads }),
  )

  const perSecond = (many: number, ms: number) => (many / ms) * 1000
  /** The processes get every so many-th run, sorted by length, so that none is left with the long ones. */
  const bare = (grouping: Grouping.Bounds, rival = session) =>
    Effect.gen(function* () {
      const runs = Grouping.byLength(
        ids.map(({ length }) => length),
        grouping,
      ).map((group) => group.map((at) => ids[at] ?? []))
      const { ms } = yield* rival.race((process) => ({
        runs: runs.filter((_, at) => at % processes === process),
      }))
      return perSecond(corpus.length, ms)
    })
  const alone = { enough: 0, waste: 0 }
  const groupings = [alone, Grouping.bounds, { enough: 256, waste: 0.1 }]

  // What is measured first would pay for what is loaded and compiled late.
  yield* embedder.generateEmbeddings(corpus)
  const tried = yield* Effect.forEach(groupings, (grouping) => bare(grouping))
  const best = groupings[tried.indexOf(Math.max(...tried))] ?? alone
  say(
    `bare session, texts/s: ${tried.map(round).join(", ")} alone, to ${Grouping.bounds.enough} and to 256 tokens`,
  )

  const some = corpus.slice(0, few)
  // Other texts than those of the corpus: those would be found in the cache.
  const before = corpus.slice(0, 300).map((text) => `Again: ${text.slice(0, 300)}`)
  const measured: Record<string, Array<number>> = {}
  const note = (name: string, value: number) => void (measured[name] ??= []).push(value)
  const latencies: Array<number> = []
  for (let turn = 0; turn < rounds; turn++) {
    note("session", yield* bare(best))
    const [ms] = yield* timed(embedder.generateEmbeddings(corpus))
    note("service", perSecond(corpus.length, ms))
    const piped = yield* pipeline(corpus, before, Path.join(folder, `${turn}.sqlite`), settings)
    note("pipeline", perSecond(corpus.length, piped))
    note("session", yield* bare(best))
    const barePiped = yield* BarePipeline.run(corpus, Path.join(folder, `${turn}-bare.sqlite`), texts)
    note("barePipeline", perSecond(corpus.length, barePiped))
    note("sessionExported", yield* bare(best, plain))
    const asked = yield* watched(corpus, Path.join(folder, `${turn}-watched.sqlite`), settings)
    note("pipelineWatched", perSecond(corpus.length, asked.ms))
    note("loopP99", asked.loopP99)
    latencies.push(...asked.latencies)
    // Long enough for a process that had nothing to do to come up to speed.
    const repeat = 1_000
    const { ms: peakMs } = yield* peak.race(() => ({ repeat }))
    note("peak", (processes * repeat * Folders.peakSize ** 3) / peakMs / 1e6)
    note("fastembed", perSecond(few, (yield* fastembed.race(() => ({ texts: some }))).ms))
    for (const [at, rival] of transformers.entries()) {
      note(
        kinds[at] ?? "",
        perSecond(few * 2, (yield* rival.race(() => ({ texts: corpus.slice(0, few * 2) }))).ms),
      )
    }
  }

  const typical = (name: string) => median(measured[name] ?? [])
  const transformersBest = Math.max(...kinds.map(typical))
  const giga = (typical("session") * tokens * productsPerToken) / corpus.length / 1e9
  const row = (what: string, name: string) =>
    say(
      `  ${what.padEnd(44)}${typical(name).toFixed(1).padStart(8)}${(typical(name) / typical("session")).toFixed(2).padStart(8)}`,
    )
  say(`  ${"texts per second".padEnd(44)}${"".padStart(8)}${"share".padStart(8)}`)
  row("bare session, ideal runs", "session")
  row("bare session, the graph as exported", "sessionExported")
  row("bare pipeline, nothing of ours", "barePipeline")
  row("Embedder", "service")
  row("pipeline, create to stored", "pipeline")
  row("pipeline, watched and with questions", "pipelineWatched")
  row("@huggingface/transformers, 8 bits", "transformers-q8")
  row("@huggingface/transformers, 32 bits", "transformers-fp32")
  row("fastembed as it comes, 32 bits", "fastembed")
  say(`  bare session: ${giga.toFixed(0)} of ${typical("peak").toFixed(0)} billion products a second`)
  const queryP99 = percentile(latencies, 0.99)
  say(
    `  question during import: p50 ${round(percentile(latencies, 0.5))}, p99 ${round(queryP99)} ms of ${latencies.length}`,
  )
  say(`  event loop p99 ${round(typical("loopP99"))} ms`)
  const children = (yield* pids).map(residentMemory)
  say(
    `  memory at most: this process ${residentMemory(process.pid).toFixed(0)} MB, children ${children.map((mb) => mb.toFixed(0)).join(", ")} MB`,
  )
  report({
    model: name,
    texts: corpus.length,
    tokens,
    perSecond: Object.fromEntries(Object.keys(measured).map((name) => [name, round(typical(name))])),
    ratios: {
      serviceToSession: round(typical("service") / typical("session")),
      pipelineToSession: round(typical("pipeline") / typical("session")),
      pipelineToBarePipeline: round(typical("pipeline") / typical("barePipeline")),
      barePipelineToSession: round(typical("barePipeline") / typical("session")),
      pipelineToFastembed: round(typical("pipeline") / typical("fastembed")),
      pipelineToTransformers: round(typical("pipeline") / transformersBest),
      sessionToPeak: round(giga / typical("peak")),
    },
    queryP50Ms: round(percentile(latencies, 0.5)),
    queryP99Ms: round(queryP99),
    eventLoopP99Ms: round(typical("loopP99")),
    childrenMb: children.map(Math.round),
  })
})

// Standard output is for the figures.
const logs = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))
const withPool = Layer.unwrapEffect(Effect.map(Config.load(), pool))

Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(withPool), Effect.provide(Layer.merge(NodeContext.layer, logs))),
).then(
  () => process.exit(0),
  (error: unknown) => {
    say(String(error))
    process.exit(1)
  },
)
