/**
 * The shell, as the command line sees it. Everything is imported and opened when a command asks for it and not
 * before, because `--help` and `status` must answer at once. Commands log warnings only, and let go quickly when
 * they are interrupted: what they had in hand goes back into the queue.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Access, BadSettings, PlaceTag, SettingsTag } from "../Cli/Access.js"

const shell = Effect.promise(() => import("../Shell.js"))
const foundation = Effect.promise(() => import("./Foundation.js"))
const config = Effect.promise(() => import("./Config.js"))
const sources = Effect.promise(() => import("./ConfigSources.js"))

const toBadSettings = ({ problems }: { readonly problems: ReadonlyArray<string> }) =>
  new BadSettings({ problems })

/** What a command line has otherwise than a daemon. */
const fallbacks = { logLevel: "warning", drainTimeout: "2 seconds" }

const settings = Effect.flatMap(config, ({ load }) => Effect.mapError(load(fallbacks), toBadSettings))

type Settings = Effect.Effect.Success<typeof settings>

/** A layer of some parts of the shell with its settings, its place and its logs. */
const opened = <Parts, Services, E>(
  parts: Effect.Effect<Parts>,
  make: (parts: Parts, settings: Settings) => Layer.Layer<Services, E>,
) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const found = yield* settings
      const { database, embeddingsModel, embeddingsUrl } = found
      const model = embeddingsUrl === undefined ? found.model : embeddingsModel
      const logging = yield* Effect.promise(() => import("./Logging.js"))
      return make(yield* parts, found).pipe(
        Layer.merge(Layer.succeed(PlaceTag, { database, model })),
        Layer.provideMerge(logging.layer(found, { liveLine: true })),
      )
    }),
  )

/** What commands work on. */
export const layer: Layer.Layer<Access> = Layer.succeed(Access, {
  configured: (asked) =>
    Layer.unwrapEffect(
      Effect.gen(function* () {
        const module = yield* sources
        // Before files and flags are laid over it.
        const environment = yield* Effect.configProviderWith(Effect.succeed)
        const effective = module
          .effective(asked, fallbacks)
          .pipe(Effect.withConfigProvider(environment), Effect.mapError(toBadSettings))
        return Layer.merge(
          Layer.succeed(SettingsTag, { effective, strangers: module.strangers }),
          Layer.catchAll(module.layer(asked), (error) => Layer.fail(toBadSettings(error))),
        )
      }),
    ),
  daemon: Effect.flatMap(
    Effect.promise(() => import("./Daemon.js")),
    ({ serve }) => Effect.catchTag(serve, "InvalidSettings", (error) => Effect.fail(toBadSettings(error))),
  ),
  queue: opened(foundation, (module, found) => Layer.provide(module.queue(found), module.storage(found))),
  database: opened(
    Effect.all([foundation, Effect.promise(() => import("../Doctor.js"))]),
    ([module, doctor], found) =>
      doctor.layer.pipe(Layer.provide(module.queue(found)), Layer.provideMerge(module.storage(found))),
  ),
  services: opened(shell, (module, found) => module.layerWithoutWorkerWith(found)),
  working: opened(shell, (module, found) => module.layerWith(found)),
})
