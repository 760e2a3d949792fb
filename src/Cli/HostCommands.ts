/** The words of the commands for programs that move to Embedbox: what they have saved, and what they call. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Schema from "effect/Schema"
import { json, listed, wait } from "./CommonOptions.js"
import * as Words from "./Words.js"

export const codemod = Words.make(
  "codemod",
  {
    which: Args.choice<"create-entity">([["create-entity", "create-entity"]], { name: "change" }).pipe(
      Args.withDescription("create-entity: from the call that blocked to the one that answers a receipt."),
    ),
    path: Args.text({ name: "path" }).pipe(
      Args.withDescription("A folder of TypeScript or JavaScript, or one file."),
    ),
    receivers: Options.text("receiver").pipe(
      Options.withPseudoName("name"),
      Options.withDescription(
        "Only calls on what is called so, where types do not tell whose they are. Can be given more than once.",
      ),
      Options.repeated,
    ),
    keepSync: Options.boolean("keep-sync").pipe(
      Options.withDescription("Make createEntitySync of the calls whose result is wanted at once."),
    ),
    dryRun: Options.boolean("dry-run").pipe(
      Options.withDescription("Say what would be changed, and change nothing."),
    ),
    json,
  },
  {
    usage: "codemod create-entity <path>",
    meaning: "Change a program's calls of the createEntity that blocked.",
    more: [
      "Where nothing but the id of the result is read, .id becomes .entityId. A call whose result is wanted at once is told " +
        "with its place and the reason, and left alone. So is every createEntity that is somebody else's.",
      "Ends with 4 when calls are left to look at. Commit first: what it changes is changed in place.",
    ],
    examples: [
      ["codemod create-entity src --dry-run", "what it would do"],
      ["codemod create-entity src --keep-sync", "and createEntitySync where the entity itself is wanted"],
      ["codemod create-entity lib --receiver shell", "JavaScript: calls of shell.createEntity"],
    ],
  },
  () => import("./Codemod.js"),
)

const column = (name: string, what: string) =>
  Options.text(name).pipe(Options.withPseudoName("column"), Options.withDescription(what))

export const adopt = Words.make(
  "adopt",
  {
    source: Args.text({ name: "file" }).pipe(Args.withDescription("The SQLite database; it is only read.")),
    table: Options.text("table").pipe(Options.withPseudoName("name"), Options.withDescription("The table.")),
    id: column("id", "The column that becomes the id; no two rows may have the same."),
    content: column("content", "The column that becomes the text."),
    type: Options.text("type").pipe(
      Options.withPseudoName("name|column"),
      Options.withDescription("A column that holds the type, or the type of all (default: base)."),
      Options.optional,
    ),
    metadata: Options.text("metadata").pipe(
      Options.withPseudoName("a,b"),
      Options.withDescription("Columns that become metadata, each under its name."),
      Options.withSchema(listed(Schema.NonEmptyString)),
      Options.withDefault<ReadonlyArray<string>>([]),
    ),
    metadataJson: column("metadata-json", "A column with a JSON object whose fields become metadata.").pipe(
      Options.optional,
    ),
    created: column(
      "created",
      "A column of times, in seconds, milliseconds or as text; it becomes metadata.",
    ).pipe(Options.optional),
    updated: column("updated", "The same for the last change.").pipe(Options.optional),
    again: Options.boolean("again").pipe(
      Options.withDescription(
        "From the first row; replace what differs here, also what was changed here, and bring back what was deleted.",
      ),
    ),
    dryRun: Options.boolean("dry-run").pipe(
      Options.withDescription("Count and check rows, and save nothing."),
    ),
    wait: wait("Embed here and now what others do not, and end when all is embedded."),
    json,
  },
  {
    usage: "adopt <file> --table …",
    meaning: "Bring the rows of a table of yours in. Goes on where it was.",
    more: [
      "Each row becomes a note: its id and its text are columns that you name. A row that cannot be one is told with its key " +
        "and left out; then it ends with 4.",
      "Stop it whenever you like: run again, it goes on behind the last row, and brings what was added since and what was left " +
        "out. The table's owner may go on writing meanwhile.",
      "What was changed or deleted here since stays so, whatever path or mapping the table is read by, and no other note is " +
        "replaced, but with --again. The notes go to the database of --database; the summary names it.",
    ],
    examples: [
      [
        "adopt old.sqlite --table notes --id id --content body --dry-run",
        "how many rows, and which will not do",
      ],
      [
        "adopt old.sqlite --table notes --id id --content body --type kind --metadata title,author --created created_at --wait",
        "save them all, and embed them",
      ],
    ],
  },
  () => import("./Adopt.js"),
)
