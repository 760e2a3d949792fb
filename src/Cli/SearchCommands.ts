/** The words of the commands that find notes. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Schema from "effect/Schema"
import { id, itsType, json, limit, typeNames, types, whole } from "./CommonOptions.js"
import { Pair } from "./Metadata.js"
import * as Words from "./Words.js"

const excludedTypes = typeNames("exclude-type", "No notes of this type. Can be given more than once.")

export const search = Words.make(
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
    limit: limit(100, 10),
    offset: whole("offset", 0, 1000).pipe(
      Options.withDescription("Leave out so many of the best: the pages after the first (default: 0)."),
      Options.withDefault(0),
    ),
    explain: Options.boolean("explain").pipe(Options.withDescription("Say how each score came about.")),
    json,
  },
  {
    usage: "search <text>",
    meaning: "Find notes by meaning and by words.",
    more: ["What is not embedded yet is found by its words only; the answer says how many those are."],
    examples: [
      ['search "where did I park"', "ask in your own words"],
      ["search --mode lexical --type task milk", "tasks that have the word, without the model"],
      ["search --meta status=open --limit 3 garden --json", "for a script"],
    ],
  },
  () => import("./Search.js"),
)

export const related = Words.make(
  "related",
  {
    id: id("id").pipe(Args.withDescription("The note that others are to be like.")),
    type: itsType,
    types: types("only-type"),
    excludedTypes,
    limit: limit(100, 10),
    json,
  },
  {
    usage: "related <id>",
    meaning: "Find notes like one that you have.",
    examples: [["related garden/tomatoes", "what else is about that"]],
  },
  () => import("./Related.js"),
)

export const reembed = Words.make(
  "reembed",
  {
    dryRun: Options.boolean("dry-run").pipe(
      Options.withDescription("Say what it would cost, and change nothing."),
    ),
    json,
  },
  {
    usage: "reembed",
    meaning: "Change to the configured model. --dry-run says what it costs.",
    more: [
      "All notes are embedded anew beside the vectors that are searched, which are used until nothing is missing. " +
        "It can be stopped at any time, and goes on when it is run again.",
    ],
    examples: [
      ["reembed --dry-run --model bge-small-en-v1.5", "how many notes, chunks and minutes"],
      ["reembed --model bge-small-en-v1.5", "do it; then configure that model"],
    ],
  },
  () => import("./Reembed.js"),
)
