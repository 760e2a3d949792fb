/**
 * How good search is, on judged questions: the product's own import, queue, worker, chunks and search, from files to
 * results, by words, by meaning and by both.
 *
 *     npm run eval                                   every set in EMBEDBOX_EVAL, or in ../shared/eval
 *     npm run eval -- --dataset <folder> [--json]    one set: corpus.jsonl, queries.jsonl and qrels.tsv, as in BEIR
 *
 * With --json the last line is { lexical, semantic, hybrid }, each with ndcg10, recall10 and hit1 in per cent: of the one
 * set, or the mean over all.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import { Config, DirectorySync, EntityService, JobProgress, Logging, Shell } from "embedbox"
import type { SearchMode } from "../src/Domain/Search.js"
import { report, say, temporaryFolder, wantsJson } from "./bench/support.js"
import * as Dataset from "./eval/Dataset.js"
import * as Measures from "./eval/Measures.js"

const modes: ReadonlyArray<SearchMode> = ["lexical", "semantic", "hybrid"]

type Figures = Readonly<Record<SearchMode, Measures.Measures>>

/** Brings a corpus in and waits until all of it is embedded. */
const bringIn = (folder: string) =>
  Effect.gen(function* () {
    const tracker = yield* JobProgress.make()
    const directory = yield* DirectorySync.DirectorySync
    yield* directory
      .importFolder(folder)
      .pipe(
        Stream.runForEach((outcome) =>
          outcome._tag === "Saved"
            ? tracker.add(outcome.jobId)
            : Effect.sync(() => say(`  skipped ${outcome.path}: ${outcome.reason}`)),
        ),
      )
    const failed = yield* tracker.finished
    for (const { entityId, reason } of failed) say(`  failed ${entityId}: ${reason}`)
    return (yield* tracker.progress).done
  }).pipe(Effect.scoped)

const measure = (dataset: Dataset.Dataset, fileNames: ReadonlyMap<string, string>) =>
  Effect.gen(function* () {
    const service = yield* EntityService.EntityService
    const figures = new Map<SearchMode, Measures.Measures>()
    for (const mode of modes) {
      const measured = yield* Effect.forEach(dataset.queries, ({ id, text }) =>
        Effect.map(service.search(text, { mode, limit: 10 }), ({ mode: made, results }) => {
          if (made !== mode) say(`  a question was searched as ${made} instead of ${mode}`)
          const found = results.map(({ entityId }) => fileNames.get(entityId) ?? "")
          return Measures.of(found, dataset.judged.get(id) ?? new Map())
        }),
      )
      figures.set(mode, Measures.mean(measured))
    }
    return figures
  })

const evaluate = (path: string) =>
  Effect.gen(function* () {
    const dataset = Dataset.read(path)
    const folder = yield* temporaryFolder
    const notes = Path.join(folder, "notes")
    const fileNames = Dataset.write(dataset, notes)
    const settings = {
      ...(yield* Config.load({ logLevel: "warning" })),
      database: Path.join(folder, "eval.sqlite"),
    }
    say(`${dataset.name}: ${dataset.documents.length} documents, ${dataset.queries.length} questions`)
    const figures = yield* Effect.provide(
      Effect.zipRight(bringIn(notes), measure(dataset, fileNames)),
      Shell.layerWith(settings).pipe(Layer.provideMerge(Logging.layer(settings, { liveLine: false }))),
    )
    const part = (mode: SearchMode) => figures.get(mode) ?? Measures.none
    for (const mode of modes) say(`  ${mode.padEnd(9)} ${Measures.words(part(mode))}`)
    const found: Figures = { lexical: part("lexical"), semantic: part("semantic"), hybrid: part("hybrid") }
    return { name: dataset.name, figures: found }
  }).pipe(Effect.scoped)

const program = Effect.gen(function* () {
  const paths = yield* Dataset.chosen(process.argv)
  if (paths.length === 0) {
    say("skipped: no judged data; set EMBEDBOX_EVAL to a folder of sets, or give --dataset <folder>")
    return report({ skipped: true })
  }
  const all = yield* Effect.forEach(paths, evaluate)
  const meanOf = (mode: SearchMode) => Measures.mean(all.map(({ figures }) => figures[mode]))
  const whole: Figures = {
    lexical: meanOf("lexical"),
    semantic: meanOf("semantic"),
    hybrid: meanOf("hybrid"),
  }
  if (!wantsJson) say(["", ...Measures.table(all)].join("\n"))
  report({
    ...whole,
    ...(all.length > 1 ? { sets: Object.fromEntries(all.map(({ figures, name }) => [name, figures])) } : {}),
  })
})

Effect.runPromise(program).catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
