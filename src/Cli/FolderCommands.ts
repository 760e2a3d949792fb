/** The words of the commands on folders. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Schema from "effect/Schema"
import { EntityType } from "../Domain/Entity.js"
import { json, listed, ownType, wait } from "./CommonOptions.js"
import * as Words from "./Words.js"

/** Types whose notes lie in a folder of that name. */
const types = Options.text("types").pipe(
  Options.withPseudoName("a,b"),
  Options.withDescription("Types that have a folder of their own: with task, task/a.md is the task a."),
  Options.withSchema(listed(EntityType)),
  Options.withDefault<ReadonlyArray<EntityType>>([]),
)

const Extension = Schema.String.pipe(
  Schema.pattern(/^\.?[\p{L}\p{N}_-]{1,16}$/u, { message: () => "--extensions takes some like md,txt,mdx" }),
)

const extensions = Options.text("extensions").pipe(
  Options.withPseudoName("a,b"),
  Options.withDescription("What is taken for a note, the preferred first (default: md,markdown,txt)."),
  Options.withSchema(listed(Extension)),
  Options.optional,
)

const folder = (what: string) => Args.text({ name: "folder" }).pipe(Args.withDescription(what))

const layout = [
  "The path of a file is the id of its note; YAML at the head of a file is the note's metadata. Hidden files, " +
    "node_modules, what a .embedboxignore names and what symbolic links point to are left out.",
]

export const importFolder = Words.make(
  "import",
  {
    folder: folder("The folder; its subfolders are included."),
    type: ownType("The type of every note that has no folder of its type"),
    types,
    extensions,
    keep: Options.boolean("keep").pipe(Options.withDescription("Leave notes that exist as they are.")),
    wait: wait("Embed here and now what others do not, and end when all is embedded."),
    json,
  },
  {
    usage: "import <folder>",
    meaning: "Save a folder of notes. --wait stays until all are embedded.",
    more: [
      ...layout,
      "Run it again at any time: files that did not change cost nothing, renamed ones keep their vectors.",
    ],
    examples: [
      ["import ~/notes --wait", "save and embed a folder"],
      ["import ~/notes --types task,person", "task/a.md is the task a, everything else a note"],
    ],
  },
  () => import("./Import.js"),
)

export const exportFolder = Words.make(
  "export",
  {
    folder: folder("Where to write; it is made when it is missing."),
    type: ownType("The type of notes that lie in no folder of their type"),
    types,
    json,
  },
  {
    usage: "export <folder>",
    meaning: "Write notes into a folder, a file each.",
    more: ["A file that was changed since is not replaced: the note's version is put beside it, and told."],
    examples: [
      ["export ~/notes", "every note without a folder of its type"],
      ["export ~/notes --types task", "and the tasks below task/"],
    ],
  },
  () => import("./Export.js"),
)

export const sync = Words.make(
  "sync",
  {
    folder: folder("The folder to keep in step."),
    type: ownType("The type of notes that lie in no folder of their type"),
    types,
    extensions,
    watch: Options.boolean("watch").pipe(
      Options.withDescription("Go on whenever something changes on either side, until interrupted."),
    ),
    delete: Options.boolean("delete").pipe(
      Options.withDescription(
        "What is deleted on one side is deleted on the other, unless it was changed there.",
      ),
    ),
    json,
  },
  {
    usage: "sync <folder>",
    meaning: "Keep a folder and the notes in step, both ways. --watch goes on.",
    more: [
      ...layout,
      "Where both sides changed, the file is taken, and the note's version is kept beside it as a conflict file.",
      "Nothing is deleted without --delete, nor when the folder is empty or could not be seen as a whole. With --watch, " +
        "--json prints a line for each change.",
    ],
    examples: [
      ["sync ~/notes", "once, both ways"],
      ["sync ~/notes --watch --delete", "as long as it runs"],
    ],
  },
  () => import("./Sync.js"),
)
