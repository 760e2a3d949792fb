/**
 * Options that every command takes, wherever they stand. Where settings come from is said with them, and how much is told;
 * the screen minds the latter, `ConfigSources` of the shell the former.
 */
import * as Options from "@effect/cli/Options"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Asked } from "./Access.js"
import * as Words from "./Words.js"

/** `name=value`: a setting by its name. */
const Assignment = Schema.transformOrFail(Schema.String, Schema.Tuple(Schema.String, Schema.String), {
  strict: true,
  decode: (word, _, ast) => {
    const at = word.indexOf("=")
    return at < 1
      ? ParseResult.fail(new ParseResult.Type(ast, word, "--set takes name=value"))
      : ParseResult.succeed([word.slice(0, at), word.slice(at + 1)] as const)
  },
  encode: ([name, value]) => ParseResult.succeed(`${name}=${value}`),
})

const setting = (name: string, pseudoName: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName(pseudoName),
    Options.withDescription(description),
    Options.optional,
  )

export const options = {
  database: setting("database", "file", "The database to work on, instead of the configured one."),
  model: setting("model", "name", "The model to embed with, instead of the configured one."),
  config: setting("config", "file", "The only file to read settings from."),
  set: Options.text("set").pipe(
    Options.withPseudoName("name=value"),
    Options.withDescription(
      "Any setting, by the name that `embedbox config` gives it. Can be given more than once.",
    ),
    Options.repeated,
    Options.withSchema(Schema.mutable(Schema.Array(Assignment))),
  ),
  noColor: Options.boolean("no-color").pipe(Options.withDescription("No colours, as NO_COLOR does.")),
  quiet: Options.boolean("quiet").pipe(
    Options.withAlias("q"),
    Options.withDescription("Say nothing but answers and errors."),
  ),
  verbose: Options.boolean("verbose").pipe(
    Options.withAlias("v"),
    Options.withDescription("Log what happens, and tell the cause of an error."),
  ),
}

/** Those that take none, their short forms included, and those that take a value. */
export const switches: ReadonlySet<string> = new Set([...Words.switchesOf(options), "-q", "-v"])
export const valued: ReadonlySet<string> = new Set(
  Words.optionsOf(options).filter((name) => !switches.has(name)),
)

export interface Given {
  readonly database: Option.Option<string>
  readonly model: Option.Option<string>
  readonly config: Option.Option<string>
  readonly set: ReadonlyArray<readonly [name: string, text: string]>
  readonly verbose: boolean
}

/** Where settings are to be read from. */
export const askedOf = ({ config, database, model, set, verbose }: Given): Asked => ({
  file: Option.getOrUndefined(config),
  flags: [
    ...(verbose ? [["logLevel", "info"] as const] : []),
    ...set,
    ...Option.toArray(Option.map(database, (file) => ["database", file] as const)),
    ...Option.toArray(Option.map(model, (name) => ["model", name] as const)),
  ],
})
