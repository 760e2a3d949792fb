/**
 * All settings in one place: a variable, its default, its meaning and what it may be, as data. The values of a shell,
 * the error for a bad one and the table in the README are all made from that data, so they cannot disagree. Defaults
 * are written as a user would write them and go through the same parsers. An empty variable counts as not set,
 * because compose files and CI systems set empty ones.
 *
 * @example
 * import { Config, Shell } from "embedbox"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * // The environment goes before these defaults.
 * export const MyShell = Layer.unwrapEffect(
 *   Effect.map(Config.load({ database: "notes.sqlite", batchSize: "16" }), Shell.layerWith),
 * )
 */
import { homedir } from "node:os"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Folder from "./Config/Folder.js"
import * as Logs from "./Config/Logs.js"
import * as Matrix from "./Config/Matrix.js"
import * as Place from "./Config/Place.js"
import * as Provider from "./Config/Provider.js"
import type { Setting, TableOf } from "./Config/Setting.js"
import * as Working from "./Config/Working.js"
import * as Values from "./Values.js"

/** Everything that a shell can be told. */
export interface Settings
  extends
    Place.Settings,
    Provider.Settings,
    Working.Settings,
    Folder.Settings,
    Logs.Settings,
    Matrix.Settings {}

/** Every setting with its default, in the order in which people read them. */
export const settings: TableOf<Settings> = {
  ...Place.settings,
  ...Provider.settings,
  ...Working.settings,
  ...Folder.settings,
  ...Logs.settings,
  ...Matrix.settings,
}

/** Defaults other than the table's, as they would be written into the variable. */
export type Fallbacks = { readonly [Name in keyof Settings]?: string | undefined }

/** Settings that are not as they must be: one line for each. */
export class InvalidSettings extends Schema.TaggedError<InvalidSettings>()("InvalidSettings", {
  problems: Schema.Array(Schema.String),
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

/** A value as it is told back: on one line, and not a page of it. */
const shown = (value: string) => JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)

const optional = (variable: string) => Config.withDefault(Config.string(variable), "")

/** What is wrong with a value, given under this name. */
export const problemOf = <A>(name: string, given: string, { value }: Setting<A>, fallback?: string): string =>
  `${name} is ${value.isSecret === true ? "not usable" : shown(given)}: it must be ${value.expected}` +
  (fallback === undefined ? "" : ` (default: ${fallback})`)

const read = <A>(setting: Setting<A>, fallback: Config.Config<string>): Config.Config<A> =>
  Config.all([optional(setting.variable), fallback]).pipe(
    Config.mapOrFail(([given, otherwise]) =>
      Either.mapLeft(Values.parse(setting.value, given.trim() === "" ? otherwise : given), () =>
        ConfigError.InvalidData([], problemOf(setting.variable, given, setting, otherwise)),
      ),
    ),
  )

/** Where the XDG convention puts files of a kind; a relative folder there is to be ignored. */
const place = (variable: string, otherwise: string) =>
  Config.map(optional(variable), (folder) => (Values.isAbsolutePath(folder) ? folder : otherwise))

/** The folder of the user's own settings. */
export const userFolder: Config.Config<string> = Config.map(
  place("XDG_CONFIG_HOME", `${homedir()}/.config`),
  (folder) => `${folder}/embedbox`,
)

/** All settings, read from `EMBEDBOX_*`, with some defaults of the caller's. */
export const configWith = (fallbacks: Fallbacks = {}): Config.Config<Settings> => {
  const of = <Name extends keyof Settings>(name: Name): Config.Config<Settings[Name]> =>
    read(settings[name], Config.succeed(fallbacks[name] ?? settings[name].fallback))
  const within = (name: "database" | "cacheDir", folder: Config.Config<string>, rest: string) =>
    fallbacks[name] === undefined
      ? read(
          settings[name],
          Config.map(folder, (found) => `${found}/${rest}`),
        )
      : of(name)
  return Config.all({
    database: within("database", place("XDG_DATA_HOME", "~/.local/share"), "embedbox/embedbox.sqlite"),
    model: of("model"),
    cacheDir: within("cacheDir", place("XDG_CACHE_HOME", "~/.cache"), "embedbox"),
    embeddingsUrl: of("embeddingsUrl"),
    embeddingsModel: of("embeddingsModel"),
    embeddingsDimensions: of("embeddingsDimensions"),
    embeddingsKey: of("embeddingsKey"),
    embeddingsShorten: of("embeddingsShorten"),
    embeddingsWindow: of("embeddingsWindow"),
    embeddingsQueryPrefix: of("embeddingsQueryPrefix"),
    embeddingsPassagePrefix: of("embeddingsPassagePrefix"),
    embeddingsBatchSize: of("embeddingsBatchSize"),
    embeddingsConcurrency: of("embeddingsConcurrency"),
    concurrency: of("concurrency"),
    batchSize: of("batchSize"),
    processes: of("processes"),
    threads: of("threads"),
    modelIdleTime: of("modelIdleTime"),
    pollInterval: of("pollInterval"),
    maxProcessingTime: of("maxProcessingTime"),
    leaseDuration: of("leaseDuration"),
    drainTimeout: of("drainTimeout"),
    cleanupInterval: of("cleanupInterval"),
    cleanupAge: of("cleanupAge"),
    busyBudget: of("busyBudget"),
    maxWaiting: of("maxWaiting"),
    vectorCache: of("vectorCache"),
    indexMemory: of("indexMemory"),
    syncDir: of("syncDir"),
    syncTypes: of("syncTypes"),
    syncDeletions: of("syncDeletions"),
    logFormat: of("logFormat"),
    logLevel: of("logLevel"),
    matrixHomeserver: of("matrixHomeserver"),
    matrixUser: of("matrixUser"),
    matrixToken: of("matrixToken"),
    matrixPassword: of("matrixPassword"),
    matrixOwners: of("matrixOwners"),
    matrixTrusted: of("matrixTrusted"),
    matrixPublic: of("matrixPublic"),
    matrixImportDir: of("matrixImportDir"),
    matrixCommandsPerMinute: of("matrixCommandsPerMinute"),
  })
}

/** All settings, read from `EMBEDBOX_*`. */
export const config: Config.Config<Settings> = configWith()

const problemsOf = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  switch (error._op) {
    case "And":
    case "Or":
      return [...problemsOf(error.left), ...problemsOf(error.right)]
    default:
      return [error.message]
  }
}

/** What a provider needs besides its address. */
const missingOf = (found: Settings): ReadonlyArray<string> =>
  found.embeddingsUrl === undefined
    ? []
    : [
        ...(found.embeddingsModel === "" ? [settings.embeddingsModel] : []),
        ...(found.embeddingsDimensions === undefined ? [settings.embeddingsDimensions] : []),
      ].map(({ variable }) => `${variable} is not set: ${settings.embeddingsUrl.variable} needs it`)

/** The settings, or one line for each that is wrong. */
export const load = (fallbacks?: Fallbacks): Effect.Effect<Settings, InvalidSettings> =>
  Effect.mapError(
    configWith(fallbacks),
    (error) => new InvalidSettings({ problems: problemsOf(error) }),
  ).pipe(
    Effect.filterOrElse(
      (found) => missingOf(found).length === 0,
      (found) => new InvalidSettings({ problems: missingOf(found) }),
    ),
  )

/** The table of settings, in markdown, as the README has it. */
export const table = (): string =>
  [
    "| variable | default | takes | what it is |",
    "|---|---|---|---|",
    ...Object.values(settings).map(
      ({ fallback, meaning, value, variable }) =>
        `| \`${variable}\` | \`${fallback}\` | ${value.takes} | ${meaning} |`,
    ),
  ].join("\n")
