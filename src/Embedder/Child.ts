/**
 * The entry of a process that holds the model. It is a process and not a thread because onnxruntime aborts the whole
 * process when a thread that runs it is ended. It answers requests until it is told to end or its parent is gone; the
 * signals of a terminal go to the whole group and are left to the parent, who ends its children in order. Nothing is
 * loaded before the first request: a process that died while starting would be started for ever.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as WorkerRunner from "@effect/platform/WorkerRunner"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SynchronizedRef from "effect/SynchronizedRef"
import * as BundledModel from "./BundledModel.js"
import * as Download from "./Download.js"
import * as Lanes from "./Lanes.js"
import { models } from "./models.js"
import * as Protocol from "./Protocol.js"
import * as Session from "./Session.js"
import { pack } from "./Vectors.js"

/** Lets messages in: an interruption or a question is seen between two texts. */
const turn = Effect.async<void>((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

const folderOf = ({ cacheDir, model: name }: Protocol.Setup) => {
  const model = models[name]
  const { source } = model
  return source._tag === "Bundled"
    ? BundledModel.ensure({ cacheDir, name: source.name })
    : Effect.flatMap(Download.partOf(cacheDir, model), (part) =>
        Download.ensure({
          cacheDir,
          model,
          archive: source.archive,
          retrieve: Session.retrieve({ key: source.key, archive: source.archive, part }),
        }),
      )
}

const handlers = (setup: Protocol.Setup) =>
  Effect.gen(function* () {
    const lanes = Lanes.make()
    const bulk: Lanes.Lane = (effect) => Effect.zipLeft(lanes.bulk(effect), turn)
    const state = yield* SynchronizedRef.make(Option.none<{ session: Session.Session; folder: string }>())

    // Only success is kept: what failed to load may be mended without a restart.
    const load = Effect.gen(function* () {
      const { folder } = yield* folderOf(setup)
      const session = yield* Session.load({ model: models[setup.model], folder, threads: setup.threads })
      return { session, folder }
    })
    const loaded = SynchronizedRef.modifyEffect(state, (current) =>
      Option.match(current, {
        onSome: (found) => Effect.succeed([found, current] as const),
        onNone: () => Effect.map(load, (made) => [made, Option.some(made)] as const),
      }),
    )
    const session = Effect.map(loaded, ({ session }) => session)

    return {
      Load: () => Effect.map(loaded, ({ folder }) => ({ folder })),
      EmbedTexts: ({ texts }: Protocol.EmbedTexts) =>
        Effect.flatMap(session, ({ embed }) => embed(texts, bulk)).pipe(Effect.map(pack)),
      EmbedFitting: ({ texts }: Protocol.EmbedFitting) =>
        Effect.flatMap(session, ({ embedFitting }) => embedFitting(texts, bulk)).pipe(
          Effect.map(({ places, vectors }) => ({ places, block: pack(vectors) })),
        ),
      EmbedQuery: ({ text }: Protocol.EmbedQuery) =>
        Effect.flatMap(session, ({ embedQuery }) => embedQuery(text, lanes.queries)),
      Split: ({ passages }: Protocol.Split) =>
        Effect.flatMap(session, ({ split }) => Effect.forEach(passages, (passage) => split(passage))),
      Settle: () => lanes.queries(Effect.void),
    }
  })

const runner = Layer.unwrapEffect(
  Effect.gen(function* () {
    const setup = yield* Schema.decodeUnknown(Protocol.SetupArgument)(process.argv[2])
    return WorkerRunner.layerSerialized(Protocol.Request, yield* handlers(setup))
  }),
).pipe(
  Layer.provide(NodeWorkerRunner.layer),
  Layer.provide(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, FetchHttpClient.layer)),
  // Standard output may belong to a protocol or to a pipe of the host's.
  Layer.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
)

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {})
// The parent is gone, however it went: there is nobody to work for.
process.on("disconnect", () => process.exit(0))
// It went while an answer was on its way, or before anybody listened here: that is no crash of this process.
process.on("error", () => process.exit(0))

Effect.runCallback(WorkerRunner.launch(runner), {
  onExit: (exit) => process.exit(exit._tag === "Success" ? 0 : 1),
})
