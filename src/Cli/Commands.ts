/** The whole command line: all words, in the order in which people meet them. */
import * as Command from "@effect/cli/Command"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Access, AskedTag } from "./Access.js"
import * as Care from "./CareCommands.js"
import * as Folder from "./FolderCommands.js"
import * as Globals from "./Globals.js"
import * as Host from "./HostCommands.js"
import * as Job from "./JobCommands.js"
import * as Note from "./NoteCommands.js"
import * as Search from "./SearchCommands.js"

/** Every command, by what it is about. */
export const groups = [
  { title: "Notes", words: [Note.add, Note.edit, Note.get, Note.list, Note.rm] },
  { title: "Finding", words: [Search.search, Search.related, Search.reembed] },
  { title: "Folders", words: [Folder.importFolder, Folder.exportFolder, Folder.sync] },
  { title: "Jobs", words: [Job.jobs, Job.job, Job.retry, Job.cancel, Job.pause, Job.resume] },
  {
    title: "Care",
    words: [Care.status, Care.doctor, Care.backup, Care.config, Care.serve, Care.mcp, Care.completions],
  },
  { title: "Programs", words: [Host.adopt, Host.codemod] },
] as const

const words = [
  ...groups[0].words,
  ...groups[1].words,
  ...groups[2].words,
  ...groups[3].words,
  ...groups[4].words,
  ...groups[5].words,
] as const

/** What the commands are called. */
export const names: ReadonlyArray<string> = words.map(({ name }) => name)

/** What is told of a command. */
export const described = (name: string) => words.find((word) => word.name === name)

/** Options that take no value: needed to tell a value from an argument. */
export const switches: ReadonlySet<string> = new Set([
  ...words.flatMap((word) => word.switches),
  "--help",
  "-h",
  "--version",
  "--wizard",
])

/** The parser. Without a command it is the interactive session. */
export const command = Command.make("embedbox", Globals.options, () =>
  Effect.flatMap(
    Effect.promise(() => import("./Session.js")),
    ({ run }) => run,
  ),
).pipe(
  Command.withSubcommands(Arr.map(words, (word) => word.command)),
  Command.provide((given) => {
    const asked = Globals.askedOf(given)
    return Layer.merge(
      Layer.succeed(AskedTag, asked),
      Layer.unwrapEffect(Effect.map(Access, (access) => access.configured(asked))),
    )
  }),
)
