/**
 * How near embedding comes to what the machine can do: `npm run bench:embed [-- --texts 1000 --rounds 3 --processes 1
 * --json]`. One corpus and one model, in turns: Embedbox's pipeline from create to stored, its `Embedder` alone, a bare
 * onnxruntime session that is fed ready-made runs in the grouping that is best for it, in as many processes and threads;
 * what is left of a pipeline when all that is ours is taken away; and, with the same weights in the graph that an
 * exporter would write, the bare session, `fastembed` as it comes (32 bits, padding to 512) and
 * `@huggingface/transformers`. The pipeline is measured once by itself, and once while questions are asked and the event
 * loop is watched. The bare session has its turn before and after each of the others, and a share is of the two nearest,
 * as a machine that others use is now quick and now slow; those of fastembed and transformers, which are far behind, are
 * of its median.
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
import * as Processor from "./embed/processor.js"
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

/** Those of the environment, but for the number of processes where one is given. */
const loadSettings = Effect.map(Config.load(), (settings) => ({
  ...settings,
  processes: argument("processes", 0) || settings.processes,
}))

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
          yield* allStored("20 millis")
        }),
      )
    }).pipe(Effect.provide(shell))
  })

/** What the texts took, by a shell that has worked for a while. */
const pipeline = (
  texts: ReadonlyArray<string>,
  before: ReadonlyArray<string>,
  database: string,
  settings: Config.Settings,
) =>
  Effect.flatMap(Processes.Processes, ({ pids }) =>
    withShell(database, settings, (store) =>
      Effect.zipRight(store(before), Processor.watched(store(texts), pids)),
    ),
  )

/**
 * The same while somebody asks ten times a second, and the event loop is watched: both take their share of the cores.
 * He asks from the first text on, and what he waits until the shell has worked for a while is told apart: meanwhile a
 * process may come up, or come back from having been idle.
 */
const beset = (
  texts: ReadonlyArray<string>,
  before: ReadonlyArray<string>,
  database: string,
  settings: Config.Settings,
) =>
  Effect.flatMap(Effect.all([Embedder, Processes.Processes]), ([embedder, { pids }]) =>
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
        yield* store(before)
        const first = latencies.splice(0)
        const loop = yield* withLoopDelay(Processor.watched(store(texts), pids))
        yield* Fiber.interrupt(asking)
        return { ...loop.value, loopP99: loop.p99, first, latencies }
      }),
    ),
  )

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const settings = yield* loadSettings
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
  /** What a turn over the corpus took: texts a second, and milliseconds of the processor for a text. */
  const figure = (turn: { readonly ms: number; readonly processor: number }) => ({
    perSecond: perSecond(corpus.length, turn.ms),
    processor: turn.processor / corpus.length,
  })
  const ofOurs = (turn: { readonly ms: number; readonly host: number; readonly children: number }) =>
    figure({ ms: turn.ms, processor: turn.host + turn.children })
  /** The processes get every so many-th run, sorted by length, so that none is left with the long ones. */
  const bare = (grouping: Grouping.Bounds, rival = session) =>
    Effect.suspend(() => {
      const runs = Grouping.byLength(
        ids.map(({ length }) => length),
        grouping,
      ).map((group) => group.map((at) => ids[at] ?? []))
      const shares = (process: number) => ({ runs: runs.filter((_, at) => at % processes === process) })
      return Effect.map(rival.race(shares), figure)
    })
  const alone = { enough: 0, waste: 0 }
  const groupings = [alone, Grouping.bounds, { enough: 512, waste: 0.05 }]

  // What is measured first would pay for what is loaded and compiled late.
  yield* embedder.generateEmbeddings(corpus)
  const tried = yield* Effect.forEach(groupings, (grouping) =>
    Effect.map(bare(grouping), ({ perSecond }) => perSecond),
  )
  const best = groupings[tried.indexOf(Math.max(...tried))] ?? alone
  say(
    `bare session, texts/s: ${tried.map(round).join(", ")} alone, to ${Grouping.bounds.enough} and to 512 tokens`,
  )

  const some = corpus.slice(0, few)
  // Other texts than those of the corpus: those would be found in the cache. Short and many: until a thousand have gone
  // through a shell, V8 compiles beside the model, a quarter of what this process works then.
  const before = Array.from(
    { length: 1_500 },
    (_, at) => `Again ${at}: ${(corpus[at % corpus.length] ?? "").slice(0, 80)}`,
  )
  const measured: Record<string, Array<number>> = {}
  const note = (name: string, value: number) => void (measured[name] ??= []).push(value)
  const typical = (name: string) => median(measured[name] ?? [])
  const first: Array<number> = []
  const latencies: Array<number> = []
  for (let turn = 0; turn < rounds; turn++) {
    const sqlite = (name: string) => Path.join(folder, `${turn}-${name}.sqlite`)
    const turns = {
      service: Effect.map(Processor.watched(embedder.generateEmbeddings(corpus), pids), ofOurs),
      pipeline: Effect.map(pipeline(corpus, before, sqlite("pipeline"), settings), ofOurs),
      barePipeline: Processor.watched(BarePipeline.run(corpus, sqlite("bare"), texts), pids).pipe(
        Effect.map(({ host, value }) => figure({ ms: value.ms, processor: host + value.processor })),
      ),
      sessionExported: bare(best, plain),
      pipelineBeset: Effect.map(beset(corpus, before, sqlite("beset"), settings), (turn) => {
        note("loopP99", turn.loopP99)
        first.push(...turn.first)
        latencies.push(...turn.latencies)
        return ofOurs(turn)
      }),
    }
    let session = yield* bare(best)
    for (const [name, effect] of Object.entries(turns)) {
      const found = yield* effect
      const after = yield* bare(best)
      note(name, found.perSecond)
      note(`${name} processor`, found.processor)
      note(`${name} share`, (2 * found.perSecond) / (session.perSecond + after.perSecond))
      note("session", after.perSecond)
      note("session processor", after.processor)
      session = after
    }
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

  const transformersBest = Math.max(...kinds.map(typical))
  const giga = (typical("session") * tokens * productsPerToken) / corpus.length / 1e9
  const cell = (value: number, digits: number) =>
    (Number.isNaN(value) ? "" : value.toFixed(digits)).padStart(10)
  const shareOf = (name: string) => (name in measured ? typical(`${name} share`) : Number.NaN)
  const row = (what: string, name: string, share = shareOf(name)) =>
    say(
      `  ${what.padEnd(42)}${cell(typical(name), 1)}${cell(share, 2)}${cell(typical(`${name} processor`), 2)}`,
    )
  const heading = ["texts/s", "share", "CPU ms"].map((title) => title.padStart(10))
  say(`  ${"".padEnd(42)}${heading.join("")}`)
  row("bare session, ideal runs", "session", 1)
  row("bare session, the graph as exported", "sessionExported")
  row("bare pipeline, nothing of ours", "barePipeline")
  row("Embedder", "service")
  row("pipeline, create to stored", "pipeline")
  row("pipeline, watched and with questions", "pipelineBeset")
  const apart = (name: string) => typical(name) / typical("session")
  row("@huggingface/transformers, 8 bits", "transformers-q8", apart("transformers-q8"))
  row("@huggingface/transformers, 32 bits", "transformers-fp32", apart("transformers-fp32"))
  row("fastembed as it comes, 32 bits", "fastembed", apart("fastembed"))
  say(`  bare session: ${giga.toFixed(0)} of ${typical("peak").toFixed(0)} billion products a second`)
  const waits = (latencies: ReadonlyArray<number>) =>
    `p50 ${round(percentile(latencies, 0.5))}, p99 ${round(percentile(latencies, 0.99))} ms of ${latencies.length}`
  say(`  question during import: ${waits(latencies)}; while the import begins: ${waits(first)}`)
  say(`  event loop p99 ${round(typical("loopP99"))} ms`)
  const children = (yield* pids).map(residentMemory)
  say(
    `  memory at most: this process ${residentMemory(process.pid).toFixed(0)} MB, children ${children.map((mb) => mb.toFixed(0)).join(", ")} MB`,
  )
  const figures = (wanted: (name: string) => boolean) =>
    Object.fromEntries(
      Object.keys(measured)
        .filter(wanted)
        .map((name) => [name.replace(" processor", ""), round(typical(name))]),
    )
  report({
    model: name,
    texts: corpus.length,
    tokens,
    processes,
    perSecond: figures((name) => !name.includes(" ") && name !== "loopP99" && name !== "peak"),
    processorMs: figures((name) => name.endsWith(" processor")),
    ratios: {
      serviceToSession: round(typical("service share")),
      pipelineToSession: round(typical("pipeline share")),
      pipelineToBarePipeline: round(typical("pipeline share") / typical("barePipeline share")),
      barePipelineToSession: round(typical("barePipeline share")),
      pipelineToFastembed: round(typical("pipeline") / typical("fastembed")),
      pipelineToTransformers: round(typical("pipeline") / transformersBest),
      sessionToPeak: round(giga / typical("peak")),
    },
    queryP50Ms: round(percentile(latencies, 0.5)),
    queryP99Ms: round(percentile(latencies, 0.99)),
    firstQueriesP99Ms: round(percentile(first, 0.99)),
    eventLoopP99Ms: round(typical("loopP99")),
    childrenMb: children.map(Math.round),
  })
})

// Standard output is for the figures.
const logs = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))
const withPool = Layer.unwrapEffect(Effect.map(loadSettings, pool))

Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(withPool), Effect.provide(Layer.merge(NodeContext.layer, logs))),
).then(
  () => process.exit(0),
  (error: unknown) => {
    say(String(error))
    process.exit(1)
  },
)
