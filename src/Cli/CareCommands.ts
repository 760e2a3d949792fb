/** The words of the commands that look after the whole: its state, its safety, its settings, its daemon. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import { type Role, roles } from "../Domain/Role.js"
import { json } from "./CommonOptions.js"
import * as Words from "./Words.js"

export const status = Words.make(
  "status",
  { json },
  {
    usage: "status",
    meaning: "How many notes are stored, waiting and failed, and who works.",
    examples: [["status --json", "for a monitor; it starts no model"]],
  },
  () => import("./Status.js"),
)

export const doctor = Words.make(
  "doctor",
  {
    repair: Options.boolean("repair").pipe(
      Options.withDescription("Mend what can be mended safely; notes and boxes are never removed."),
    ),
    json,
  },
  {
    usage: "doctor",
    meaning: "Check the database. --repair mends what can be mended safely.",
    more: ["Others may work on it meanwhile. Ends with 1 when something is wrong."],
    examples: [["doctor --repair", "check, mend, check again"]],
  },
  () => import("./Doctor.js"),
)

export const backup = Words.make(
  "backup",
  {
    file: Args.text({ name: "file" }).pipe(Args.withDescription("The copy; it must not exist yet.")),
    json,
  },
  {
    usage: "backup <file>",
    meaning: "Copy the database, while others work on it.",
    examples: [["backup notes-copy.sqlite", "a database of its own: --database notes-copy.sqlite opens it"]],
  },
  () => import("./Backup.js"),
)

export const config = Words.make(
  "config",
  { json },
  {
    usage: "config",
    meaning: "The settings that count here, and where each comes from.",
    more: [
      "Flags go before the environment, the environment before embedbox.json or embedbox.yaml in this folder, and that " +
        "before the same in ~/.config/embedbox. In a file, settings have the names that are listed here.",
    ],
    examples: [
      ["config", "all of them; secrets are not shown"],
      ["config --set batchSize=16 --json", "what a flag would change"],
    ],
  },
  () => import("./Config.js"),
)

export const serve = Words.make(
  "serve",
  {},
  {
    usage: "serve",
    meaning: "Run the daemon: it embeds what is saved, until it is stopped.",
    more: ["SIGTERM or Ctrl-C end it; what it has in hand it finishes or gives back."],
    examples: [["serve", "the same as `node dist/main.js`"]],
  },
  () => import("./Serve.js"),
)

export const mcp = Words.make(
  "mcp",
  {
    role: Options.choice("role", roles).pipe(
      Options.withDescription(
        "What the assistant may do. public: search and read; trusted: also save and change; owner: also delete (default: trusted).",
      ),
      Options.withDefault<Role>("trusted"),
    ),
    noWorker: Options.boolean("no-worker").pipe(
      Options.withDescription(
        "Leave embedding to the daemon; without this, what is saved is embedded here too.",
      ),
    ),
  },
  {
    usage: "mcp",
    meaning: "Serve an assistant over standard input and output (MCP).",
    more: [
      "An assistant starts it itself: tell it this command line. It ends when the assistant hangs up, after what was asked " +
        "for is done. Logs go to standard error.",
    ],
    examples: [
      ["mcp", "the command of a server in an assistant's settings"],
      ["mcp --role public --no-worker", "one that may only look, beside a daemon"],
    ],
  },
  () => import("./Mcp.js"),
)

export const completions = Words.make(
  "completions",
  {
    shell: Args.choice<"bash" | "zsh" | "fish">(
      [
        ["bash", "bash"],
        ["zsh", "zsh"],
        ["fish", "fish"],
      ],
      { name: "shell" },
    ).pipe(Args.withDescription("bash, zsh or fish.")),
  },
  {
    usage: "completions <shell>",
    meaning: "Print what makes bash, zsh or fish complete commands.",
    examples: [
      ["completions bash > ~/.local/share/bash-completion/completions/embedbox", "bash"],
      ["completions zsh > ~/.zfunc/_embedbox", "zsh, with ~/.zfunc in $fpath"],
      ["completions fish > ~/.config/fish/completions/embedbox.fish", "fish"],
    ],
  },
  () => import("./Completions.js"),
)
