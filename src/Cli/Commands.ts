/**
 * The words of the command line: which commands there are, what each takes, and what its help says. What they do is
 * in a module each, imported when the command runs, so that `--help` answers without loading anything it does not
 * need.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { defaultEntityType, EntityId, EntityType } from "../Domain/Entity.js"
import { id, json, type, wait } from "./CommonOptions.js"
import * as JobCommands from "./JobCommands.js"

const add = Command.make(
  "add",
  {
    file: Args.text({ name: "file" }).pipe(Args.withDescription("The note; - reads standard input.")),
    id: Options.text("id").pipe(
      Options.withSchema(EntityId),
      Options.withDescription("The note's id; made when not given. A taken one is an error."),
      Options.optional,
    ),
    type: type.pipe(
      Options.withDescription(`The note's type (default: ${defaultEntityType}).`),
      Options.withDefault(EntityType.make(defaultEntityType)),
    ),
    title: Options.text("title").pipe(
      Options.withDescription("A title, where the note's first heading is not it."),
      Options.optional,
    ),
    priority: Options.integer("priority").pipe(
      Options.withDescription("The higher number is embedded first (default: 0)."),
      Options.withDefault(0),
    ),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Add.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Save a note. It is embedded in the background."))

const importFolder = Command.make(
  "import",
  {
    folder: Args.text({ name: "folder" }).pipe(
      Args.withDescription("Its .md, .markdown and .txt files, subfolders included, are imported."),
    ),
    type: type.pipe(
      Options.withDescription(`The type of every note (default: ${defaultEntityType}).`),
      Options.withDefault(EntityType.make(defaultEntityType)),
    ),
    wait: wait("Embed here and now what others do not, and end when all is embedded."),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Import.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Save a folder of notes; files that did not change cost nothing."))

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
    types: Options.text("type").pipe(
      Options.withPseudoName("name"),
      Options.withDescription("Only notes of this type. Can be given more than once."),
      Options.repeated,
      Options.withSchema(Schema.mutable(Schema.Array(EntityType))),
    ),
    limit: Options.integer("limit").pipe(
      Options.withSchema(
        Schema.Int.pipe(Schema.between(1, 100, { message: () => "--limit takes 1 to 100" })),
      ),
      Options.withDescription("At most this many notes, 1 to 100 (default: 10)."),
      Options.withDefault(10),
    ),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Search.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Find notes by meaning and by words."))

const get = Command.make(
  "get",
  {
    id: id("id"),
    type: type.pipe(
      Options.withDescription("Its type; needed where several types have this id."),
      Options.optional,
    ),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Get.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Print a note as it is now, embedded or not."))

const status = Command.make("status", { json }, (given) =>
  Effect.flatMap(
    Effect.promise(() => import("./Status.js")),
    ({ run }) => run(given),
  ),
).pipe(Command.withDescription("How many notes are stored, waiting and failed, and who works on them."))

const job = Command.make(
  "job",
  {
    id: id("id").pipe(Args.withDescription("The jobId that a write answered with.")),
    wait: wait("Embed here and now what others do not, and end when this job has ended."),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Job.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("How the embedding of a note stands, and what went wrong with it."))

const doctor = Command.make(
  "doctor",
  {
    repair: Options.boolean("repair").pipe(
      Options.withDescription("Mend what can be mended safely; notes and boxes are never removed."),
    ),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Doctor.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Check the database, while others work on it."))

const backup = Command.make(
  "backup",
  {
    file: Args.text({ name: "file" }).pipe(Args.withDescription("The copy; it must not exist yet.")),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Backup.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Copy the database, while others work on it."))

/** Options that take no value: needed to tell a value from an argument. */
export const switches: ReadonlySet<string> = new Set([
  "--json",
  "--wait",
  "--repair",
  ...JobCommands.switches,
  "--help",
  "-h",
  "--version",
  "--wizard",
])

/** The commands, for the overview that `embedbox --help` prints. */
export const summaries: ReadonlyArray<JobCommands.Summary> = [
  { usage: "add <file|->", meaning: "Save a note; - reads standard input. Prints its receipt." },
  { usage: "import <folder>", meaning: "Save a folder of notes. --wait stays until all are embedded." },
  { usage: "search <text>", meaning: "Find notes by meaning and by words." },
  { usage: "get <id>", meaning: "Print a note as it is now, embedded or not." },
  { usage: "status", meaning: "How many notes are stored, waiting and failed, and who works." },
  { usage: "job <id>", meaning: "How the embedding of a note stands. --wait stays until it ends." },
  ...JobCommands.summaries,
  { usage: "doctor", meaning: "Check the database. --repair mends what can be mended safely." },
  { usage: "backup <file>", meaning: "Copy the database, while others work on it." },
]

/** The whole command line. */
export const command = Command.make("embedbox").pipe(
  Command.withSubcommands([add, importFolder, search, get, status, job, ...JobCommands.all, doctor, backup]),
)
