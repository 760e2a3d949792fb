/**
 * How free the host is while notes are saved, before and now: the time of `say("add …")`, and how late the event loop is
 * meanwhile. Before is `legacy.ts` with the same model, which is the bundled one.
 *
 *     npx tsx scratchpad/host/responsiveness.ts [--notes 30]
 */
import * as Effect from "effect/Effect"
import { EmbeddingModel, FlagEmbedding } from "fastembed"
import * as Path from "node:path"
import * as Folders from "../bench/embed/folders.js"
import {
  argument,
  notes,
  percentile,
  round,
  say,
  temporaryFolder,
  timed,
  withLoopDelay,
} from "../bench/support.js"
import { openKnowledge } from "./knowledge.js"
import { type Model, openEntities } from "./legacy.js"

const count = argument("notes", 30)

/** The bundled model's weights as fastembed takes them, on this thread. */
const here = (folder: string) =>
  Effect.gen(function* () {
    const exported = yield* Folders.make(folder)
    const loaded = yield* Effect.promise(() =>
      FlagEmbedding.init({
        model: EmbeddingModel.CUSTOM,
        modelAbsoluteDirPath: exported,
        modelName: "model.onnx",
      }),
    )
    const embed = async (texts: ReadonlyArray<string>) => {
      const vectors: Array<ReadonlyArray<number>> = []
      for await (const batch of loaded.embed([...texts])) vectors.push(...batch)
      return vectors
    }
    return { dimensions: 384, embed } satisfies Model
  })

/** Adds note after note, as a chat does. */
const measure = (name: string, add: (text: string) => Promise<unknown>) =>
  Effect.gen(function* () {
    yield* Effect.promise(() => add("The model is loaded before the clock starts"))
    const { max, p99, value } = yield* withLoopDelay(
      Effect.forEach(notes(count), (text) =>
        Effect.zipLeft(
          Effect.map(timed(Effect.promise(() => add(text))), ([ms]) => ms),
          Effect.sleep("5 millis"),
        ),
      ),
    )
    say(
      `${name}: add p50 ${round(percentile(value, 0.5))} ms, p99 ${round(percentile(value, 0.99))} ms; ` +
        `event loop p99 ${round(p99)} ms, at most ${round(max)} ms`,
    )
  })

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const model = yield* here(folder)
  const before = yield* Effect.acquireRelease(
    Effect.sync(() => openEntities(Path.join(folder, "before.sqlite"), model)),
    (opened) => Effect.sync(() => opened.close()),
  )
  yield* measure("before", (content) => before.createEntity({ content }))
  const knowledge = yield* Effect.acquireRelease(
    Effect.promise(() => openKnowledge({ database: Path.join(folder, "now.sqlite") })),
    (opened) => Effect.promise(opened.close),
  )
  yield* measure("now   ", (text) => knowledge.say(`add ${text}`))
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
