/**
 * The whole of a search over many notes, as a user of the product has it: words, meaning, excerpts. The notes are made of
 * the words of the 174 guides, drawn at their frequency there, so that rare and common words are as in real text; the
 * fake embedder gives them vectors of the bundled model's length, since making them is not what is measured.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Path from "node:path"
import * as Fake from "../../../src/Embedder/Fake.js"
import { EntityService } from "../../../src/EntityService.js"
import * as Shell from "../../../src/Shell.js"
import * as Config from "../../../src/Shell/Config.js"
import { allStored, median, paragraphs, percentile, round, timed, withLoopDelay } from "../support.js"

const wordsPerNote = 80
const wordsPerQuestion = 8
const atOnce = 1_000

/** Text of words that are as frequent as in the guides. */
const makeWriter = (random: () => number) => {
  const words = paragraphs().flatMap((text) => text.match(/[\p{L}\p{N}]+/gu) ?? [])
  return (count: number) =>
    Array.from({ length: count }, () => words[Math.floor(random() * words.length)] ?? "").join(" ")
}

/** Searches `count` notes in each mode and answers what a question cost. */
export const measure = (
  folder: string,
  {
    count,
    dimensions,
    questions,
    random,
  }: {
    readonly count: number
    readonly dimensions: number
    readonly questions: number
    readonly random: () => number
  },
) =>
  Effect.gen(function* () {
    const write = makeWriter(random)
    const service = yield* EntityService
    for (let from = 0; from < count; from += atOnce) {
      const size = Math.min(atOnce, count - from)
      yield* service.createEntities(
        Array.from({ length: size }, (_, at) => ({ id: `note-${from + at}`, content: write(wordsPerNote) })),
      )
    }
    yield* allStored("50 millis")
    const asked = Array.from({ length: questions }, () => write(wordsPerQuestion))
    const modes = ["lexical", "semantic", "hybrid"] as const
    return yield* Effect.forEach(modes, (mode) =>
      Effect.gen(function* () {
        const [firstMs] = yield* timed(service.search("a first question", { mode }))
        const { max, p99, value } = yield* withLoopDelay(
          Effect.forEach(asked, (question) =>
            Effect.zipLeft(timed(service.search(question, { mode })), Effect.sleep("2 millis")),
          ),
        )
        const times = value.map(([ms]) => ms)
        return {
          mode,
          p50Ms: round(median(times)),
          p99Ms: round(percentile(times, 0.99)),
          loopP99Ms: round(p99),
          loopMaxMs: round(max),
          firstMs: Math.round(firstMs),
        }
      }),
    )
  }).pipe(
    Effect.provide(
      Layer.unwrapEffect(
        Effect.map(Config.load({ database: Path.join(folder, `whole-${count}.sqlite`) }), (settings) =>
          Shell.layerFrom({ embedder: Fake.layerWith({ dimensions }), settings }),
        ),
      ),
    ),
    Effect.provide(Logger.remove(Logger.defaultLogger)),
  )
