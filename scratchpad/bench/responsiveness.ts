/**
 * Why Embedbox exists, in figures: how free the event loop stays, and how long `createEntity` takes, while real notes
 * are embedded by the real model; side by side, in one run, with the seed's old way, which embedded on the caller's
 * thread: `npm run bench:responsiveness [-- --notes 2000 --old 100 --json]`. The old way is `createEntitySync` with
 * the same model in this very process; it is given fewer notes, since it would need minutes for all.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Path from "node:path"
import { Embedder } from "../../src/Embedder.js"
import * as BundledModel from "../../src/Embedder/BundledModel.js"
import type { Lane } from "../../src/Embedder/Lanes.js"
import { defaultModel, models } from "../../src/Embedder/models.js"
import * as Session from "../../src/Embedder/Session.js"
import * as EntityRegistry from "../../src/EntityRegistry.js"
import { EntityService } from "../../src/EntityService.js"
import * as Shell from "../../src/Shell.js"
import * as Config from "../../src/Shell/Config.js"
import {
  allStored,
  argument,
  notes,
  percentile,
  report,
  round,
  say,
  temporaryFolder,
  timed,
  withLoopDelay,
} from "./support.js"

const count = argument("notes", 2_000)
const oldCount = argument("old", 100)

/** A pause between two creates, as a caller has who does something else too. */
const pause = "5 millis"

const summary = (
  creates: ReadonlyArray<number>,
  loop: { readonly p50: number; readonly p99: number; readonly max: number },
) => ({
  createP50Ms: round(percentile(creates, 0.5)),
  createP99Ms: round(percentile(creates, 0.99)),
  createMaxMs: round(Math.max(...creates)),
  eventLoopP50Ms: round(loop.p50),
  eventLoopP99Ms: round(loop.p99),
  eventLoopMaxMs: round(loop.max),
})

/** Creates note after note while the worker embeds them, and goes on measuring until the last one is stored. */
const embedbox = Effect.gen(function* () {
  const service = yield* EntityService
  const warm = yield* service.createEntity({
    id: "warm-up",
    content: "the model is loaded before the clock starts",
  })
  yield* service.awaitJob(warm.jobId)
  const loop = yield* withLoopDelay(
    timed(
      Effect.gen(function* () {
        const creates = yield* Effect.forEach(notes(count), (content, i) =>
          timed(service.createEntity({ id: `note-${i}`, content })).pipe(
            Effect.map(([ms]) => ms),
            Effect.zipLeft(Effect.sleep(pause)),
          ),
        )
        yield* allStored("50 millis")
        return creates
      }),
    ),
  )
  const [ms, creates] = loop.value
  return { ...summary(creates, loop), notes: count, notesPerSecond: round((count / ms) * 1000) }
})

/** The seed's old way: the model in this process, asked on this thread, before the create returns. */
const onThisThread = Layer.effect(
  Embedder,
  Effect.gen(function* () {
    const settings = yield* Config.load()
    const { folder } = yield* BundledModel.ensure({ cacheDir: settings.cacheDir })
    const model = models[defaultModel]
    const session = yield* Session.load({ model, folder, threads: 2 })
    const here: Lane = (effect) => effect
    return Embedder.of({
      fingerprint: model.fingerprint,
      dimensions: model.dimensions,
      generateEmbedding: (text) =>
        Effect.map(session.embed([text], here), ([vector = new Float32Array()]) => vector),
      generateEmbeddings: (texts) => session.embed(texts, here),
      embedQuery: (text) => session.embedQuery(text, here),
      split: (passages) => Effect.forEach(passages, (passage) => session.split(passage)),
    })
  }),
)

const oldWay = Effect.gen(function* () {
  const service = yield* EntityService
  yield* service.createEntitySync({ id: "warm-up", content: "the model is loaded before the clock starts" })
  const loop = yield* withLoopDelay(
    timed(
      Effect.forEach(notes(oldCount), (content, i) =>
        timed(service.createEntitySync({ id: `note-${i}`, content })).pipe(
          Effect.map(([ms]) => ms),
          Effect.zipLeft(Effect.sleep(pause)),
        ),
      ),
    ),
  )
  const [ms, creates] = loop.value
  return { ...summary(creates, loop), notes: oldCount, notesPerSecond: round((oldCount / ms) * 1000) }
})

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const settings = yield* Config.load()
  const withDatabase = (name: string) => ({ ...settings, database: Path.join(folder, name) })
  say(`embedding ${count} notes with ${settings.model} while they are created, one every 5 ms …`)
  const now = yield* Effect.provide(embedbox, Shell.layerWith(withDatabase("now.sqlite")))
  say(`the old way: ${oldCount} notes embedded on the caller's thread …`)
  const old = yield* Effect.provide(
    oldWay,
    Shell.services(settings).pipe(
      Layer.provide(
        Layer.mergeAll(Shell.storage(withDatabase("old.sqlite")), onThisThread, EntityRegistry.layerOpen),
      ),
    ),
  )
  const row = (name: string, a: number, b: number) =>
    say(`  ${name.padEnd(24)}${a.toFixed(2).padStart(10)}${b.toFixed(2).padStart(12)}`)
  say(`  ${"milliseconds".padEnd(24)}${"Embedbox".padStart(10)}${"the old way".padStart(12)}`)
  row("createEntity p50", now.createP50Ms, old.createP50Ms)
  row("createEntity p99", now.createP99Ms, old.createP99Ms)
  row("event loop delay p50", now.eventLoopP50Ms, old.eventLoopP50Ms)
  row("event loop delay p99", now.eventLoopP99Ms, old.eventLoopP99Ms)
  row("notes per second", now.notesPerSecond, old.notesPerSecond)
  report({ ...now, old })
})

// Standard output is for the figures.
const logs = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Layer.merge(NodeContext.layer, logs)))).catch(
  (error: unknown) => {
    say(String(error))
    process.exitCode = 1
  },
)
