/**
 * The words of the commands that find notes. As in `Commands`, what they do is in a module each, imported when the command
 * runs.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EntityType } from "../Domain/Entity.js"
import { id, json, type } from "./CommonOptions.js"
import type { Summary } from "./JobCommands.js"
import { Pair } from "./Metadata.js"

const whole = (name: string, from: number, to: number) =>
  Options.integer(name).pipe(
    Options.withSchema(
      Schema.Int.pipe(Schema.between(from, to, { message: () => `--${name} takes ${from} to ${to}` })),
    ),
  )

const limit = whole("limit", 1, 100).pipe(
  Options.withDescription("At most this many notes, 1 to 100 (default: 10)."),
  Options.withDefault(10),
)

const typeNames = (name: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName("name"),
    Options.withDescription(description),
    Options.repeated,
    Options.withSchema(Schema.mutable(Schema.Array(EntityType))),
  )

const types = (name: string) => typeNames(name, "Only notes of this type. Can be given more than once.")

const excludedTypes = typeNames("exclude-type", "No notes of this type. Can be given more than once.")

const search = Command.make(
  "search",
  {
    text: Args.text({ name: "text" }).pipe(
      Args.withDescription("What to look for, in your own words."),
      Args.atLeast(1),
    ),
    mode: Options.choice("mode", ["hybrid", "semantic", "lexical"]).pipe(
      Options.withDescription("By meaning and words, by meaning only, or by words only (default: hybrid)."),
      Options.withDefault("hybrid" as const),
    ),
    types: types("type"),
    excludedTypes,
    metadata: Options.text("meta").pipe(
      Options.withPseudoName("key=value"),
      Options.withDescription("Only notes whose metadata has this value. Can be given more than once."),
      Options.repeated,
      Options.withSchema(Schema.mutable(Schema.Array(Pair))),
    ),
    limit,
    offset: whole("offset", 0, 1000).pipe(
      Options.withDescription("Leave out so many of the best: the pages after the first (default: 0)."),
      Options.withDefault(0),
    ),
    explain: Options.boolean("explain").pipe(Options.withDescription("Say how each score came about.")),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Search.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Find notes by meaning and by words."))

const related = Command.make(
  "related",
  {
    id: id("id").pipe(Args.withDescription("The note that others are to be like.")),
    type: type.pipe(
      Options.withDescription("Its type; needed where several types have this id."),
      Options.optional,
    ),
    types: types("only-type"),
    excludedTypes,
    limit,
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Related.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Find notes like one that you have."))

const reembed = Command.make(
  "reembed",
  {
    dryRun: Options.boolean("dry-run").pipe(
      Options.withDescription("Say what it would cost, and change nothing."),
    ),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Reembed.js")),
      ({ run }) => run(given),
    ),
).pipe(
  Command.withDescription(
    "Embed all notes anew with the configured model, while the former one is searched.",
  ),
)

export const all = [search, related, reembed] as const

/** Options that take no value. */
export const switches: ReadonlyArray<string> = ["--explain", "--dry-run"]

export const summaries: ReadonlyArray<Summary> = [
  { usage: "search <text>", meaning: "Find notes by meaning and by words." },
  { usage: "related <id>", meaning: "Find notes like one that you have." },
  { usage: "reembed", meaning: "Change to the configured model. --dry-run says what it costs." },
]
