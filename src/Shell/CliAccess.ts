/**
 * The shell, as the command line sees it. Everything is imported and opened when a command asks for it and not
 * before, because `--help` and `status` must answer at once. Commands log warnings only, and let go quickly when
 * they are interrupted: what they had in hand goes back into the queue.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Access, BadSettings, PlaceTag } from "../Cli/Access.js"

const shell = Effect.promise(() => import("../Shell.js"))

const config = Effect.promise(() => import("./Config.js"))

const settings = Effect.flatMap(config, ({ load }) =>
  Effect.mapError(
    load({ logLevel: "warning", drainTimeout: "2 seconds" }),
    ({ problems }) => new BadSettings({ problems }),
  ),
)

type Settings = Effect.Effect.Success<typeof settings>
type Module = Effect.Effect.Success<typeof shell>

/** A layer of the shell with its settings, its place and its logs. */
const opened = <Services, E>(make: (shell: Module, settings: Settings) => Layer.Layer<Services, E>) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const { database, model, ...found } = yield* settings
      const logging = yield* Effect.promise(() => import("./Logging.js"))
      return make(yield* shell, { database, model, ...found }).pipe(
        Layer.merge(Layer.succeed(PlaceTag, { database, model })),
        Layer.provideMerge(logging.layer(found, { liveLine: true })),
      )
    }),
  )

/** What commands work on. */
export const layer: Layer.Layer<Access> = Layer.succeed(Access, {
  settings: Effect.map(config, (module) => Object.values(module.settings)),
  queue: opened((module, found) => Layer.provide(module.queue(found), module.storage(found))),
  database: Layer.unwrapEffect(
    Effect.map(
      Effect.promise(() => import("../Doctor.js")),
      (doctor) =>
        opened((module, found) =>
          doctor.layer.pipe(Layer.provide(module.queue(found)), Layer.provideMerge(module.storage(found))),
        ),
    ),
  ),
  services: opened((module, found) => module.layerWithoutWorkerWith(found)),
  working: opened((module, found) => module.layerWith(found)),
})
