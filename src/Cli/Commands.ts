/**
 * The words of the command line: which commands there are, what each takes, and what its help says. What they do is
 * in a module each, imported when the command runs, so that `--help` answers without loading anything it does not
 * need.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { defaultEntityType, EntityId, EntityType } from "../Domain/Entity.js"
import { id, json, type, wait } from "./CommonOptions.js"
import * as JobCommands from "./JobCommands.js"
import * as SearchCommands from "./SearchCommands.js"

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
  ...SearchCommands.switches,
  "--help",
  "-h",
  "--version",
  "--wizard",
])

/** The commands, for the overview that `embedbox --help` prints. */
export const summaries: ReadonlyArray<JobCommands.Summary> = [
  { usage: "add <file|->", meaning: "Save a note; - reads standard input. Prints its receipt." },
  { usage: "import <folder>", meaning: "Save a folder of notes. --wait stays until all are embedded." },
  ...SearchCommands.summaries,
  { usage: "get <id>", meaning: "Print a note as it is now, embedded or not." },
  { usage: "status", meaning: "How many notes are stored, waiting and failed, and who works." },
  { usage: "job <id>", meaning: "How the embedding of a note stands. --wait stays until it ends." },
  ...JobCommands.summaries,
  { usage: "doctor", meaning: "Check the database. --repair mends what can be mended safely." },
  { usage: "backup <file>", meaning: "Copy the database, while others work on it." },
]

/** The whole command line. */
export const command = Command.make("embedbox").pipe(
  Command.withSubcommands([
    add,
    importFolder,
    ...SearchCommands.all,
    get,
    status,
    job,
    ...JobCommands.all,
    doctor,
    backup,
  ]),
)
