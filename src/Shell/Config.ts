/**
 * All settings in one place: a variable, its default, its meaning and what it may be, as data. The values of a shell,
 * the error for a bad one and the table in the README are all made from that data, so they cannot disagree. Defaults
 * are written as a user would write them and go through the same parsers. An empty variable counts as not set,
 * because compose files and CI systems set empty ones.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as LogLevel from "effect/LogLevel"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { isUserId } from "../Matrix/Ids.js"
import { isEntry, isOwnerEntry } from "../Matrix/Roles.js"
import * as Values from "./Values.js"

/** Everything that a shell can be told. */
export interface Settings {
  readonly database: string
  readonly model: Values.ModelName
  readonly cacheDir: string
  /** A provider of embeddings; nothing: the model runs here. */
  readonly embeddingsUrl: string | undefined
  readonly embeddingsModel: string
  readonly embeddingsKey: Redacted.Redacted | undefined
  /** Nothing where there is no provider. */
  readonly embeddingsDimensions: number | undefined
  readonly embeddingsShorten: boolean
  readonly embeddingsWindow: number
  readonly embeddingsQueryPrefix: string
  readonly embeddingsPassagePrefix: string
  readonly embeddingsBatchSize: number
  readonly embeddingsConcurrency: number
  readonly pollInterval: Duration.Duration
  readonly batchSize: number
  /** Nothing: one more than the embedder works on. */
  readonly concurrency: number | undefined
  readonly maxProcessingTime: Duration.Duration
  readonly leaseDuration: Duration.Duration
  readonly drainTimeout: Duration.Duration
  readonly cleanupInterval: Duration.Duration
  readonly cleanupAge: Duration.Duration
  readonly busyBudget: Duration.Duration
  /** Infinity: as many as the disk holds. */
  readonly maxWaiting: number
  /** Nothing: as many as suit the model. */
  readonly processes: number | undefined
  /** Nothing: as many as suit the model. */
  readonly threads: number | undefined
  /** Vectors that are kept by their text. */
  readonly vectorCache: number
  /** How long a process that holds the model is kept without work. */
  readonly modelIdleTime: Duration.Duration
  readonly logFormat: Values.LogFormat
  readonly logLevel: LogLevel.LogLevel
  readonly matrixHomeserver: string | undefined
  readonly matrixUser: string | undefined
  readonly matrixToken: Redacted.Redacted | undefined
  readonly matrixPassword: Redacted.Redacted | undefined
  readonly matrixOwners: ReadonlyArray<string>
  readonly matrixTrusted: ReadonlyArray<string>
  readonly matrixPublic: ReadonlyArray<string>
  readonly matrixImportDir: string | undefined
  readonly matrixCommandsPerMinute: number
}

/** One setting: how it is called, what it is when nobody says, and what it may be. */
export interface Setting<A> {
  readonly variable: `EMBEDBOX_${string}`
  readonly fallback: string
  readonly meaning: string
  readonly value: Values.Parser<A>
}

type Table = { readonly [Name in keyof Settings]: Setting<Settings[Name]> }

/** Every setting with its default, in the order in which people read them. */
export const settings: Table = {
  database: {
    variable: "EMBEDBOX_DATABASE",
    fallback: "~/.local/share/embedbox/embedbox.sqlite",
    meaning: "The SQLite file; its folder is made when missing. `XDG_DATA_HOME` moves the default.",
    value: Values.path,
  },
  model: {
    variable: "EMBEDBOX_MODEL",
    fallback: "all-MiniLM-L6-v2",
    meaning: "The embedding model. The default ships with the package; the bge models are downloaded once.",
    value: Values.modelName,
  },
  cacheDir: {
    variable: "EMBEDBOX_CACHE_DIR",
    fallback: "~/.cache/embedbox",
    meaning: "Where models are kept. `XDG_CACHE_HOME` moves the default.",
    value: Values.path,
  },
  embeddingsUrl: {
    variable: "EMBEDBOX_EMBEDDINGS_URL",
    fallback: "none",
    meaning:
      "Has a server make the vectors instead of `EMBEDBOX_MODEL`: OpenAI, Ollama, TEI, LM Studio, vLLM or whatever answers `POST <url>/embeddings`, for instance `http://localhost:11434/v1`.",
    value: Values.urlOrNone,
  },
  embeddingsModel: {
    variable: "EMBEDBOX_EMBEDDINGS_MODEL",
    fallback: "none",
    meaning: "The name of the server's model. Needed with a URL.",
    value: Values.name,
  },
  embeddingsDimensions: {
    variable: "EMBEDBOX_EMBEDDINGS_DIMENSIONS",
    fallback: "none",
    meaning: "Length of that model's vectors. Needed with a URL; other vectors are refused.",
    value: Values.countOrNone(1, 65_536),
  },
  embeddingsKey: {
    variable: "EMBEDBOX_EMBEDDINGS_KEY",
    fallback: "none",
    meaning: "The key that the server wants as a bearer token. It is never logged.",
    value: Values.orNone(Values.secret),
  },
  embeddingsShorten: {
    variable: "EMBEDBOX_EMBEDDINGS_SHORTEN",
    fallback: "off",
    meaning: "Asks the server for vectors of those dimensions, where its model can give shorter ones.",
    value: Values.onOrOff,
  },
  embeddingsWindow: {
    variable: "EMBEDBOX_EMBEDDINGS_WINDOW",
    fallback: "512",
    meaning:
      "Tokens of text that the server's model takes; longer text is cut, by an estimate of 3 bytes a token.",
    value: Values.count(64, 1_000_000),
  },
  embeddingsQueryPrefix: {
    variable: "EMBEDBOX_EMBEDDINGS_QUERY_PREFIX",
    fallback: "none",
    meaning: "What the model's authors put before a question, for instance `search_query: `.",
    value: Values.text,
  },
  embeddingsPassagePrefix: {
    variable: "EMBEDBOX_EMBEDDINGS_PASSAGE_PREFIX",
    fallback: "none",
    meaning: "The same before a text that is to be found.",
    value: Values.text,
  },
  embeddingsBatchSize: {
    variable: "EMBEDBOX_EMBEDDINGS_BATCH_SIZE",
    fallback: "32",
    meaning: "Texts in a request to the server.",
    value: Values.count(1, 2048),
  },
  embeddingsConcurrency: {
    variable: "EMBEDBOX_EMBEDDINGS_CONCURRENCY",
    fallback: "4",
    meaning: "Requests to the server in flight.",
    value: Values.count(1, 64),
  },
  concurrency: {
    variable: "EMBEDBOX_CONCURRENCY",
    fallback: "auto",
    meaning:
      "Batches that a worker has in hand at once. `auto` is one more than the embedder works on at a time: the next is claimed and another one stored while it computes.",
    value: Values.countOrAuto(1, 64),
  },
  batchSize: {
    variable: "EMBEDBOX_BATCH_SIZE",
    // The seed's is 1. `npm run bench:responsiveness` with 1, 8 and 16: 82, 101 and 102 notes a second; a larger
    // batch is a longer transaction (event-loop p99 9, 10 and 13 ms).
    fallback: "8",
    meaning: "Jobs in a batch: they are embedded together and stored in one transaction.",
    value: Values.count(1, 1000),
  },
  processes: {
    variable: "EMBEDBOX_PROCESSES",
    fallback: "auto",
    meaning: "Child processes that run the model. `auto` fits it to the model and the processor's cores.",
    value: Values.countOrAuto(1, 64),
  },
  threads: {
    variable: "EMBEDBOX_THREADS",
    fallback: "auto",
    meaning: "Threads in each of them.",
    value: Values.countOrAuto(1, 256),
  },
  modelIdleTime: {
    variable: "EMBEDBOX_MODEL_IDLE_TIME",
    fallback: "5 minutes",
    meaning: "How long such a process is kept without work; it is opened again when there is some.",
    value: Values.duration("1 second", "7 days"),
  },
  pollInterval: {
    variable: "EMBEDBOX_POLL_INTERVAL",
    fallback: "100 millis",
    meaning: "How often a worker looks for jobs that another process wrote.",
    value: Values.duration("1 milli", "1 hour"),
  },
  maxProcessingTime: {
    variable: "EMBEDBOX_MAX_PROCESSING_TIME",
    fallback: "5 minutes",
    meaning: "Deadline of one attempt at a job.",
    value: Values.duration("1 second", "24 hours"),
  },
  leaseDuration: {
    variable: "EMBEDBOX_LEASE_DURATION",
    fallback: "30 seconds",
    meaning: "How long a claimed job is safe from others when its worker goes silent.",
    value: Values.duration("1 second", "1 hour"),
  },
  drainTimeout: {
    variable: "EMBEDBOX_DRAIN_TIMEOUT",
    fallback: "10 seconds",
    meaning:
      "Grace period at the end: what is not embedded by then goes back into the queue, uncounted. The command line's default is 2 seconds.",
    value: Values.duration("0 millis", "10 minutes"),
  },
  cleanupInterval: {
    variable: "EMBEDBOX_CLEANUP_INTERVAL",
    fallback: "1 hour",
    meaning: "How often receipts of completed jobs are cleared away.",
    value: Values.duration("1 second", "7 days"),
  },
  cleanupAge: {
    variable: "EMBEDBOX_CLEANUP_AGE",
    fallback: "24 hours",
    meaning: "How long such a receipt is kept.",
    value: Values.duration("1 second", "3650 days"),
  },
  busyBudget: {
    variable: "EMBEDBOX_BUSY_BUDGET",
    fallback: "10 seconds",
    meaning: "How long to wait for another process that holds the database before giving up.",
    value: Values.duration("0 millis", "10 minutes"),
  },
  maxWaiting: {
    variable: "EMBEDBOX_MAX_WAITING",
    fallback: "unlimited",
    meaning:
      "How many notes may wait for their embedding. A new note beyond is refused (`QueueFull`), never dropped; imports and bulk writes wait for room.",
    value: Values.countOrUnlimited(1, 999_999_999),
  },
  vectorCache: {
    variable: "EMBEDBOX_VECTOR_CACHE",
    fallback: "20000",
    meaning:
      "How many vectors are kept by their text, so that copies, renames and reverts are not embedded again; a thousand take 1.7 MB of the database. 0: none.",
    value: Values.count(0, 100_000_000),
  },
  logFormat: {
    variable: "EMBEDBOX_LOG_FORMAT",
    fallback: "auto",
    meaning: "Logs go to standard error. `auto` is `pretty` on a terminal, else `logfmt`.",
    value: Values.logFormat,
  },
  logLevel: {
    variable: "EMBEDBOX_LOG_LEVEL",
    fallback: "info",
    meaning: "The least that is logged. The command line's default is `warning`.",
    value: Values.logLevel,
  },
  matrixHomeserver: {
    variable: "EMBEDBOX_MATRIX_HOMESERVER",
    fallback: "none",
    meaning:
      "Where the client-server API of the Matrix bot's homeserver is. With it, the daemon runs the bot.",
    value: Values.orNone(Values.address),
  },
  matrixUser: {
    variable: "EMBEDBOX_MATRIX_USER",
    fallback: "none",
    meaning: "The bot's user id.",
    value: Values.orNone(Values.textOf("a user id such as @notes:example.org", isUserId)),
  },
  matrixToken: {
    variable: "EMBEDBOX_MATRIX_TOKEN",
    fallback: "none",
    meaning: "Its access token, or …",
    value: Values.orNone(Values.secret),
  },
  matrixPassword: {
    variable: "EMBEDBOX_MATRIX_PASSWORD",
    fallback: "none",
    meaning: "… its password: then it signs in by itself, and again when it was signed out.",
    value: Values.orNone(Values.secret),
  },
  matrixOwners: {
    variable: "EMBEDBOX_MATRIX_OWNERS",
    fallback: "none",
    meaning: "Who may invite it and use every command.",
    value: Values.listOf("user ids", isOwnerEntry),
  },
  matrixTrusted: {
    variable: "EMBEDBOX_MATRIX_TRUSTED",
    fallback: "none",
    meaning:
      "Who may save notes too. `@*:example.org` is everybody of a homeserver, a room id all who speak there.",
    value: Values.listOf("user ids and room ids", isEntry),
  },
  matrixPublic: {
    variable: "EMBEDBOX_MATRIX_PUBLIC",
    fallback: "none",
    meaning: "Who may search and read. Everybody else is not heard at all.",
    value: Values.listOf("user ids and room ids", isEntry),
  },
  matrixImportDir: {
    variable: "EMBEDBOX_MATRIX_IMPORT_DIR",
    fallback: "none",
    meaning: "The folder that the bot's `!import` reads.",
    value: Values.orNone(Values.path),
  },
  matrixCommandsPerMinute: {
    variable: "EMBEDBOX_MATRIX_COMMANDS_PER_MINUTE",
    fallback: "120",
    meaning: "Commands of one sender that the bot obeys in a minute; more have to wait.",
    value: Values.count(1, 100_000),
  },
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

/** Settings whose value is not told back. */
const secrets: ReadonlyArray<string> = [settings.matrixToken.variable, settings.matrixPassword.variable]

const read = <A>(setting: Setting<A>, fallback: Config.Config<string>): Config.Config<A> =>
  Config.all([optional(setting.variable), fallback]).pipe(
    Config.mapOrFail(([given, otherwise]) =>
      Either.mapLeft(Values.parse(setting.value, given.trim() === "" ? otherwise : given), () =>
        ConfigError.InvalidData(
          [],
          `${setting.variable} is ${secrets.includes(setting.variable) ? "not usable" : shown(given)}: it must be ${setting.value.expected} (default: ${otherwise})`,
        ),
      ),
    ),
  )

/** Where the XDG convention puts files of a kind; a relative folder there is to be ignored. */
const place = (variable: string, otherwise: string) =>
  Config.map(optional(variable), (folder) => (Values.isAbsolutePath(folder) ? folder : otherwise))

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
