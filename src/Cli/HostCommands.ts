/** The words of the commands for programs that move to Embedbox: what they have saved, and what they call. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import { json } from "./CommonOptions.js"
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
