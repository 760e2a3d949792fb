/**
 * Where settings may be written besides the environment, for the programs that people start: a file in the current folder,
 * a file of the user's, and flags. Flags go before the environment, the environment before the folder's file, and that
 * before the user's. What is found is laid over the `ConfigProvider`, so that everything behind it knows of one kind of
 * setting only. A host that imports the Layers reads no files: a library does not look into its caller's folders.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Asked, Effective } from "../Cli/Access.js"
import { reasonOf } from "../Domain/FileTrouble.js"
import { type Fallbacks, InvalidSettings, load, problemOf, settings, userFolder } from "./Config.js"
import type { Setting } from "./Config/Setting.js"
import * as Strangers from "./Config/Strangers.js"
import * as Values from "./Values.js"

/** A setting, and who says what it is: `default`, `environment`, a flag or a file. */
export interface Origin {
  readonly name: string
  readonly setting: Setting<unknown>
  /** Nothing: nobody says, so it is the default. */
  readonly text: string | undefined
  readonly source: string
}

/** One place and what stands there. */
interface Source {
  readonly name: string
  readonly texts: ReadonlyMap<string, string>
}

/** The names that a file may have, in a folder. */
export const fileNames = ["embedbox.json", "embedbox.yaml", "embedbox.yml"]

const known: ReadonlyMap<string, Setting<unknown>> = new Map(Object.entries(settings))

const Written = Schema.Record({
  key: Schema.String,
  value: Schema.Union(Schema.String, Schema.Number, Schema.Boolean, Schema.Array(Schema.String)),
})
const decode = Schema.decodeUnknownEither(Written)

const wrong = (problem: string) => new InvalidSettings({ problems: [problem] })

/** As the variable would have it. */
const textOf = (value: string | number | boolean | ReadonlyArray<string>): string =>
  typeof value === "string"
    ? value
    : typeof value === "boolean"
      ? value
        ? "on"
        : "off"
      : typeof value === "number"
        ? String(value)
        : value.length === 0
          ? "none"
          : value.join(",")

/** A path that is relative is meant from the file it stands in. */
const placed = (file: string, text: string, { value }: Setting<unknown>) =>
  value.isPath !== true || text.startsWith("~") || text === ":memory:" || text === "none"
    ? text
    : path.resolve(path.dirname(file), text)

const unknownName = (name: string, where: string) =>
  wrong(`${where}: there is no setting "${name}"; \`embedbox config\` lists them all`)

const readFile = (file: string) =>
  Effect.gen(function* () {
    const text = yield* Effect.tryPromise({
      try: () => fs.readFile(file, "utf8"),
      catch: (cause) => wrong(`${file} cannot be read: ${reasonOf(cause)}`),
    })
    const { parseDocument } = yield* Effect.promise(() => import("yaml"))
    const document = parseDocument(text, { version: "1.2", schema: "core", logLevel: "silent" })
    const [problem] = document.errors
    if (problem !== undefined)
      return yield* wrong(`${file}: ${problem.message.split("\n")[0]?.replace(/:$/u, "") ?? "is not YAML"}`)
    const value: unknown = document.contents === null ? {} : document.toJS({ maxAliasCount: 0 })
    const written = yield* Either.mapLeft(decode(value), () =>
      wrong(`${file}: settings are written as \`name: value\`, a line each`),
    )
    const texts = new Map<string, string>()
    for (const [name, given] of Object.entries(written)) {
      const setting = known.get(name)
      if (setting === undefined) return yield* unknownName(name, file)
      texts.set(name, placed(file, textOf(given), setting))
    }
    const source: Source = { name: file, texts }
    return source
  })

const isThere = (file: string) =>
  Effect.promise(() =>
    fs.access(file).then(
      () => true,
      () => false,
    ),
  )

/** The file of a folder, if it has one; of two nobody could tell which is meant. */
const fileOf = (folder: string) =>
  Effect.gen(function* () {
    const files = fileNames.map((name) => path.join(folder, name))
    const found = yield* Effect.filter(files, isThere)
    if (found.length > 1) return yield* wrong(`there are both ${found.join(" and ")}: keep one of them`)
    return found
  })

const filesOf = (file: string | undefined) =>
  Effect.gen(function* () {
    if (file !== undefined) return [path.resolve(file)]
    const user = yield* Effect.orElseSucceed(userFolder, () => "")
    return [...(yield* fileOf(process.cwd())), ...(yield* fileOf(user))]
  })

const ofEnvironment = Effect.gen(function* () {
  const texts = new Map<string, string>()
  for (const [name, { variable }] of known) {
    const text = yield* Effect.orElseSucceed(Config.string(variable), () => "")
    if (text.trim() !== "") texts.set(name, text)
  }
  const source: Source = { name: "environment", texts }
  return source
})

/** What the environment says that nobody heeds, in a sentence each. */
export const strangers: Effect.Effect<ReadonlyArray<string>> = Effect.sync(() =>
  Strangers.strangers(
    // A ConfigProvider answers for names that it is asked for, and these are the others.
    // @effect-diagnostics-next-line processEnv:off
    Object.keys(process.env),
    Array.from(known.values(), ({ variable }) => variable),
  ),
)

const ofFlags = (flags: ReadonlyArray<readonly [name: string, text: string]>) =>
  Effect.gen(function* () {
    const stranger = flags.find(([name]) => !known.has(name))
    if (stranger !== undefined) return yield* unknownName(stranger[0], "--set")
    const source: Source = { name: "flag", texts: new Map(flags) }
    return source
  })

/** Every setting and where it comes from; one that is wrong in a file or flag is named with its place. */
export const resolve = ({ file, flags = [] }: Asked = {}): Effect.Effect<
  ReadonlyArray<Origin>,
  InvalidSettings
> =>
  Effect.gen(function* () {
    const files = yield* Effect.forEach(yield* filesOf(file), readFile)
    const sources = [yield* ofFlags(flags), yield* ofEnvironment, ...files]
    const origins = Array.from(known, ([name, setting]): Origin => {
      const source = sources.find(({ texts }) => texts.has(name))
      return source === undefined
        ? { name, setting, text: undefined, source: "default" }
        : { name, setting, text: source.texts.get(name), source: source.name }
    })
    // What the environment says wrong, `Config` tells.
    const problems = origins.flatMap(({ name, setting, source, text }) =>
      text === undefined ||
      source === "environment" ||
      (text.trim() !== "" && Either.isRight(Values.parse(setting.value, text)))
        ? []
        : [problemOf(`${name} (${source})`, text, setting)],
    )
    if (problems.length > 0) return yield* new InvalidSettings({ problems })
    return origins
  })

/** Has everything behind it read its settings from where they are said to be. */
export const layer = (asked: Asked = {}): Layer.Layer<never, InvalidSettings> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const origins = yield* resolve(asked)
      const said = origins.flatMap(({ setting, text }) =>
        text === undefined ? [] : [[setting.variable, text] as const],
      )
      const environment = yield* Effect.configProviderWith(Effect.succeed)
      return Layer.setConfigProvider(
        ConfigProvider.orElse(ConfigProvider.fromMap(new Map(said)), () => environment),
      )
    }),
  )

/** All settings as they count, with these defaults where nobody says. */
export const effective = (
  asked: Asked,
  fallbacks: Fallbacks,
): Effect.Effect<ReadonlyArray<Effective>, InvalidSettings> =>
  Effect.gen(function* () {
    const origins = yield* resolve(asked)
    const loaded = new Map<string, unknown>(
      Object.entries(yield* Effect.provide(load(fallbacks), layer(asked))),
    )
    const otherwise = new Map<string, string | undefined>(Object.entries(fallbacks))
    return origins.map(({ name, setting, source, text }) => {
      const value = loaded.get(name)
      return {
        name,
        variable: setting.variable,
        value:
          text !== undefined && setting.value.isSecret === true
            ? "(set, hidden)"
            : // A path as it was understood.
              setting.value.isPath === true && typeof value === "string"
              ? value
              : (text ?? otherwise.get(name) ?? setting.fallback),
        source,
      }
    })
  })
