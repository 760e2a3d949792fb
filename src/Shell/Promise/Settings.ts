/**
 * What a host says in plain values becomes the settings of a shell: by the same parsers, with the same bounds and
 * defaults as the environment's, so there is nothing here that could disagree with them. The environment itself
 * is not read unless the host hands it over: a variable that somebody exported must not move a program's database.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { nearest } from "../../Domain/Nearest.js"
import * as Functions from "../../Embedder/Functions.js"
import * as Config from "../Config.js"
import * as Values from "../Values.js"
import { isSignal } from "./Arguments.js"
import type { AnyEntityType } from "./EntityTypes.js"

/** How the queue is worked on: times are milliseconds. */
export interface QueueConfig {
  /** How often a worker looks for jobs that another process wrote. Default 100. */
  readonly pollInterval: number
  /** Jobs that are embedded and stored together. Default 8, a quarter faster than 1 with the bundled model. */
  readonly batchSize: number
  /** Deadline of one attempt at a job. Default 300000. */
  readonly maxProcessingTime: number
  /** How often receipts of completed jobs are cleared away. Default 3600000. */
  readonly cleanupInterval: number
  /** How long such a receipt is kept. Default 86400000. */
  readonly cleanupAge: number
}

/** What a shell is made from. */
export interface ShellOptions extends Partial<{
  readonly [Name in keyof QueueConfig]: QueueConfig[Name] | undefined
}> {
  /** The SQLite file; its folder is made when missing. `:memory:` for a database that goes with the shell. */
  readonly database: string
  /** The host's own embedder, in place of `model` and of a server. */
  readonly embedder?: Functions.EmbeddingService | undefined
  /**
   * The types of entities there are, made with `defineEntityType`; a write of any other is refused. Any type where this
   * is not given.
   */
  readonly entityTypes?: ReadonlyArray<AnyEntityType> | undefined
  /** The model that runs here, in child processes. Default `all-MiniLM-L6-v2`, which ships with the package. */
  readonly model?: Values.ModelName | undefined
  /** Where models are kept. Default `~/.cache/embedbox`. */
  readonly cacheDir?: string | undefined
  /** A server of the OpenAI kind that makes the vectors, for instance `http://localhost:11434/v1`. */
  readonly embeddingsUrl?: string | undefined
  /** The name of the server's model, and the length of its vectors: both are needed with a URL. */
  readonly embeddingsModel?: string | undefined
  readonly embeddingsDimensions?: number | undefined
  /** The key that the server wants as a bearer token. It is never logged. */
  readonly embeddingsKey?: string | undefined
  /** Asks the server for vectors of that length, where its model can give shorter ones. Default false. */
  readonly embeddingsShorten?: boolean | undefined
  /** Tokens of text that the server's model takes. Default 512. */
  readonly embeddingsWindow?: number | undefined
  /** What the model's authors put before a question, and before a text that is to be found. */
  readonly embeddingsQueryPrefix?: string | undefined
  readonly embeddingsPassagePrefix?: string | undefined
  /** Texts in a request to the server (default 32), and requests in flight (default 4). */
  readonly embeddingsBatchSize?: number | undefined
  readonly embeddingsConcurrency?: number | undefined
  /** Batches in hand at once. Default `auto`: one more than the embedder works on. */
  readonly concurrency?: number | "auto" | undefined
  /** Child processes that run the model, and threads in each. Default `auto`. */
  readonly processes?: number | "auto" | undefined
  readonly threads?: number | "auto" | undefined
  /** How long such a process is kept without work, in milliseconds. Default 300000. */
  readonly modelIdleTime?: number | undefined
  /** How long a job is safe from others when its worker goes silent, in milliseconds. Default 30000. */
  readonly leaseDuration?: number | undefined
  /** How long `stop` lets what is in hand finish, in milliseconds. Default 10000. */
  readonly drainTimeout?: number | undefined
  /** How long to wait for another process that holds the database, in milliseconds. Default 10000. */
  readonly busyBudget?: number | undefined
  /** How many entities may wait for their embedding; beyond, a create rejects with `QueueFullError`. Default Infinity. */
  readonly maxWaiting?: number | undefined
  /** How many vectors are kept by their text, so that copies and reverts are not embedded again. Default 20000. */
  readonly vectorCache?: number | undefined
  /** Megabytes of memory for searching by meaning. Default 512. */
  readonly indexMemory?: number | undefined
  /** How logs are written, on standard error. Default `auto`: for people on a terminal, else for machines. */
  readonly logFormat?: Values.LogFormat | undefined
  /** The least that is logged. Default `warning`. */
  readonly logLevel?: "trace" | "debug" | "info" | "warning" | "error" | "none" | undefined
  /**
   * Where the settings are looked up that are not given here: pass `process.env` to have `EMBEDBOX_*` decide them.
   * Nothing is read from the environment otherwise.
   */
  readonly environment?: { readonly [variable: string]: string | undefined } | undefined
  /** Ends the opening. What is open is stopped by `stop`. */
  readonly signal?: AbortSignal | undefined
}

/** Options that are no settings. */
type Other = "embedder" | "entityTypes" | "environment" | "signal"

/** The settings that a host can give. */
type Given = Exclude<keyof ShellOptions, Other>

/** How each is given: as a text, as a number, a word or a flag, or as a time. */
const written: { readonly [Name in Given]: "text" | "value" | "milliseconds" } = {
  database: "text",
  model: "text",
  cacheDir: "text",
  embeddingsUrl: "text",
  embeddingsModel: "text",
  embeddingsDimensions: "value",
  embeddingsKey: "text",
  embeddingsShorten: "value",
  embeddingsWindow: "value",
  embeddingsQueryPrefix: "text",
  embeddingsPassagePrefix: "text",
  embeddingsBatchSize: "value",
  embeddingsConcurrency: "value",
  pollInterval: "milliseconds",
  batchSize: "value",
  concurrency: "value",
  processes: "value",
  threads: "value",
  maxProcessingTime: "milliseconds",
  cleanupInterval: "milliseconds",
  cleanupAge: "milliseconds",
  modelIdleTime: "milliseconds",
  leaseDuration: "milliseconds",
  drainTimeout: "milliseconds",
  busyBudget: "milliseconds",
  maxWaiting: "value",
  vectorCache: "value",
  indexMemory: "value",
  logFormat: "text",
  logLevel: "text",
}

const others: ReadonlyArray<string> = [
  "embedder",
  "entityTypes",
  "environment",
  "signal",
] satisfies ReadonlyArray<Other>

const isGiven = (name: string): name is Given => Object.hasOwn(written, name)

/** What is wrong with options whatever they are for: those that are not known, and a list or signal that is none. */
export const flawsOf = (options: unknown, known: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (!Predicate.isRecord(options)) return ["options must be an object"]
  const { entityTypes, signal } = options
  return [
    ...Object.keys(options)
      .filter((name) => !known.includes(name))
      .map((name) => {
        const meant = nearest(name, known)
        return `there is no option "${name}"${meant === undefined ? "" : `: did you mean ${meant}?`}`
      }),
    ...(entityTypes === undefined || Array.isArray(entityTypes)
      ? []
      : ["entityTypes must be a list, made with defineEntityType"]),
    ...(signal === undefined || isSignal(signal) ? [] : ["signal must be an AbortSignal"]),
  ]
}

const textOf = (name: Given, value: unknown): string => {
  if (value === Number.POSITIVE_INFINITY) return "unlimited"
  if (typeof value === "boolean") return value ? "on" : "off"
  // In seconds, since numbers of milliseconds may have more digits than a duration takes.
  if (typeof value === "number" && written[name] === "milliseconds") return `${value / 1000}s`
  return String(value)
}

const problemOf = (name: Given, value: unknown): ReadonlyArray<string> => {
  const setting = Config.settings[name]
  const text = textOf(name, value)
  const kind = written[name]
  const fits = kind === "value" || typeof value === (kind === "text" ? "string" : "number")
  if (fits && text.trim() !== "" && Either.isRight(Values.parse<unknown>(setting.value, text))) return []
  const problem = Config.problemOf<unknown>(name, String(value), setting)
  const as = kind === "milliseconds" ? ", as a number of milliseconds" : fits ? "" : ", as a text"
  return [`${problem}${as}`]
}

/** The settings of these options, or one line for each that is wrong. */
export const load = (options: ShellOptions): Effect.Effect<Config.Settings, Config.InvalidSettings> =>
  Effect.gen(function* () {
    if (!Predicate.isRecord(options))
      return yield* new Config.InvalidSettings({ problems: flawsOf(options, []) })
    const texts = new Map<string, string>(
      Object.entries(options.environment ?? {}).flatMap(([variable, text]) =>
        text === undefined ? [] : [[variable, text]],
      ),
    )
    const problems = [
      ...flawsOf(options, [...Object.keys(written), ...others]),
      ...(options.embedder === undefined ? [] : Functions.flawsOf(options.embedder)),
    ]
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined || !isGiven(name)) continue
      problems.push(...problemOf(name, value))
      texts.set(Config.settings[name].variable, textOf(name, value))
    }
    if (!texts.has(Config.settings.database.variable)) problems.push("database is not given")
    if (problems.length > 0) return yield* new Config.InvalidSettings({ problems })
    return yield* Effect.withConfigProvider(
      Config.load({ logLevel: "warning" }),
      ConfigProvider.fromMap(texts),
    )
  })
