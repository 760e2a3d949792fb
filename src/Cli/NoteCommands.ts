/** The words of the commands on single notes. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import { EntityId } from "../Domain/Entity.js"
import { id, itsType, json, limit, ownType, types, whole } from "./CommonOptions.js"
import * as Words from "./Words.js"

export const add = Words.make(
  "add",
  {
    file: Args.text({ name: "file" }).pipe(Args.withDescription("The note; - reads standard input.")),
    id: Options.text("id").pipe(
      Options.withSchema(EntityId),
      Options.withDescription("The note's id; made when not given. A taken one is an error."),
      Options.optional,
    ),
    type: ownType("The note's type"),
    title: Options.text("title").pipe(
      Options.withDescription("A title, where the note's first heading is not it."),
      Options.optional,
    ),
    priority: whole("priority", -1_000_000, 1_000_000).pipe(
      Options.withDescription("The higher number is embedded first (default: 0)."),
      Options.withDefault(0),
    ),
    json,
  },
  {
    usage: "add <file|->",
    meaning: "Save a note; - reads standard input. Prints its receipt.",
    more: ["It is safe when this returns, and embedded in the background."],
    examples: [
      ["add todo.md --id todo", "a file, under an id of your own"],
      ['add - --title "Groceries" < list.txt', "what another program says"],
    ],
  },
  () => import("./Add.js"),
)

export const edit = Words.make(
  "edit",
  {
    id: id("id").pipe(Args.withDescription("The note to edit.")),
    type: itsType,
    json,
  },
  {
    usage: "edit <id>",
    meaning: "Open a note in $EDITOR, and save what you make of it.",
    more: [
      "$VISUAL goes before $EDITOR. A note that somebody else changed meanwhile is not overwritten: your text is kept " +
        "in a file, which is named.",
    ],
    examples: [
      ["edit todo", 'in your editor; one with a window of its own has to wait: EDITOR="code --wait"'],
      ["edit todo --type task", "where several types have that id"],
    ],
  },
  () => import("./Edit.js"),
)

export const get = Words.make(
  "get",
  { id: id("id").pipe(Args.withDescription("The note to print.")), type: itsType, json },
  {
    usage: "get <id>",
    meaning: "Print a note as it is now, embedded or not.",
    examples: [
      ["get todo", "its text alone, so that it can be piped"],
      ["get todo --json", "with metadata, times and how its embedding stands"],
    ],
  },
  () => import("./Get.js"),
)

export const list = Words.make(
  "list",
  {
    types: types("type"),
    after: Options.text("after").pipe(
      Options.withPseudoName("type/id"),
      Options.withDescription("Those behind this one: the next page."),
      Options.optional,
    ),
    limit: limit(1000, 20),
    json,
  },
  {
    usage: "list",
    meaning: "List notes in the order of type and id, embedded or not.",
    examples: [
      ["list --type task", "the tasks"],
      ["list --limit 100 --after base/garden/tomatoes", "the hundred behind that one"],
    ],
  },
  () => import("./List.js"),
)

export const rm = Words.make(
  "rm",
  {
    ids: id("id").pipe(Args.withDescription("The notes to delete."), Args.atLeast(1)),
    type: itsType,
    json,
  },
  {
    usage: "rm <id…>",
    meaning: "Delete notes, embedded or not, and stop what works on them.",
    more: ["There is no way back but a backup. Files that they were imported from are left alone."],
    examples: [
      ["rm todo", "one"],
      ["rm todo garden/tomatoes --type task", "several"],
    ],
  },
  () => import("./Remove.js"),
)
