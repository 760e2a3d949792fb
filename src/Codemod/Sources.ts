/** The source files below a path, and what ts-morph makes of them: types are resolved as the nearest tsconfig.json has it. */
import * as fs from "node:fs"
import * as path from "node:path"
import { Project, type SourceFile, ts } from "ts-morph"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reasonOf } from "../Domain/FileTrouble.js"

/** The path cannot be worked on. */
export class SourcesUnreadable extends Schema.TaggedError<SourcesUnreadable>()("SourcesUnreadable", {
  path: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `${this.path} cannot be read: ${this.reason}`
  }
}

const isSource = (name: string) => /\.[cm]?[jt]sx?$/.test(name) && !/\.d\.[cm]?ts$/.test(name)

/** Folders of what was installed or built. */
const left = new Set(["node_modules", "dist", "build", "coverage", "out"])

const walk = (folder: string): ReadonlyArray<string> =>
  fs
    .readdirSync(folder, { withFileTypes: true })
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      const here = path.join(folder, entry.name)
      if (entry.isDirectory()) return left.has(entry.name) || entry.name.startsWith(".") ? [] : walk(here)
      return entry.isFile() && isSource(entry.name) ? [here] : []
    })

/** The source files of a folder, or the one file, in the order of their names. What a link points to is left out. */
export const filesOf = (place: string): Effect.Effect<ReadonlyArray<string>, SourcesUnreadable> =>
  Effect.try({
    try: () => (fs.statSync(place).isDirectory() ? walk(path.resolve(place)) : [path.resolve(place)]),
    catch: (cause) => new SourcesUnreadable({ path: place, reason: reasonOf(cause) }),
  })

/** The text of a file as it is, its byte order mark included. */
export const textOf = (file: string): Effect.Effect<string, SourcesUnreadable> =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fs.readFileSync(file)),
    catch: (cause) => new SourcesUnreadable({ path: file, reason: reasonOf(cause) }),
  })

export const write = (file: string, text: string): Effect.Effect<void, SourcesUnreadable> =>
  Effect.try({
    try: () => fs.writeFileSync(file, text),
    catch: (cause) => new SourcesUnreadable({ path: file, reason: `not written: ${reasonOf(cause)}` }),
  })

const options: ts.CompilerOptions = { allowJs: true, noEmit: true, skipLibCheck: true }

/** A project for files of this place. */
export const project = (place: string): Effect.Effect<Project, SourcesUnreadable> => {
  const settings = ts.findConfigFile(path.resolve(place), (file) => ts.sys.fileExists(file))
  return Effect.try({
    try: () =>
      new Project({
        compilerOptions: options,
        skipAddingFilesFromTsConfig: true,
        ...(settings === undefined ? {} : { tsConfigFilePath: settings }),
      }),
    catch: (cause) => new SourcesUnreadable({ path: settings ?? place, reason: reasonOf(cause) }),
  })
}

/** Why a file is no program; nothing where it is one. */
export const brokenAt = (project: Project, file: SourceFile): string | undefined => {
  const [first] = project.getProgram().getSyntacticDiagnostics(file)
  if (first === undefined) return undefined
  const text = first.getMessageText()
  return `line ${first.getLineNumber() ?? 0}: ${typeof text === "string" ? text : text.getMessageText()}`
}
