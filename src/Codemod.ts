/**
 * Takes a host's calls of the blocking `createEntity`, which answered the stored entity, to the one that answers a
 * receipt. Where nothing but the id was read, the reads are rewritten; where more was wanted at once, the call is told with
 * its place and its reason, or becomes `createEntitySync`, which still answers the entity. Only the words that change are
 * replaced in the text, so comments and layout stay, and a second run finds nothing to change.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { Node } from "ts-morph"
import * as Calls from "./Codemod/Calls.js"
import * as Searches from "./Codemod/Searches.js"
import * as Sources from "./Codemod/Sources.js"
import * as Use from "./Codemod/Use.js"

export interface Options {
  /** A folder or a file. */
  readonly path: string
  /** Only calls on these receivers, by name; by types and imports where none is named. */
  readonly receivers: ReadonlyArray<string>
  /** Calls whose result is wanted at once become `createEntitySync`. */
  readonly keepSync: boolean
  /** Nothing is written. */
  readonly dryRun: boolean
}

/** A place in a file: lines and columns count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A call that was changed: what stands there now in short. */
export interface Changed extends Place {
  readonly to: "receipt" | "sync"
}

/** A call that somebody has to look at. */
export interface Reported extends Place {
  readonly reasons: ReadonlyArray<string>
  readonly advice: string
}

export interface Report {
  /** Files that were looked at, and those of them that are changed. */
  readonly files: number
  readonly changedFiles: ReadonlyArray<string>
  readonly changed: ReadonlyArray<Changed>
  /** Calls that are right as they are. */
  readonly kept: number
  readonly reported: ReadonlyArray<Reported>
  /** Calls of which it cannot be told whose they are. */
  readonly unclear: ReadonlyArray<Place>
  /** Calls of another `createEntity`: left alone. */
  readonly others: ReadonlyArray<Place>
  /** Files that could not be worked on. */
  readonly broken: ReadonlyArray<{ readonly file: string; readonly reason: string }>
}

const placeOf = (root: string, node: Node): Place => {
  const { column, line } = node.getSourceFile().getLineAndColumnAtPos(node.getStart())
  return { file: path.relative(root, node.getSourceFile().getFilePath()) || ".", line, column }
}

const isSearchReason = (reason: string) => reason.startsWith("something is searched")

const adviceFor = (reasons: ReadonlyArray<string>) =>
  reasons.every(isSearchReason)
    ? "wait for it first: awaitJob(receipt.jobId); or use createEntitySync"
    : "read it by getEntity(receipt.entityId), after awaitJob(receipt.jobId) where its embedding matters; or use createEntitySync"

/** What is to be done about one call. */
const judge = ({ call, receiver }: Calls.Call): Use.Verdict => {
  const use = Use.of(call, "pending")
  const search = Searches.after(call, receiver)
  return search === undefined
    ? use
    : {
        ...use,
        reasons: [
          ...use.reasons,
          `something is searched in line ${search.getStartLineNumber()}, right after`,
        ],
      }
}

/** The name of the other method in place of this one. */
const renamed = (name: Node): Use.Edit =>
  Node.isStringLiteral(name)
    ? { from: name.getStart() + 1, to: name.getEnd() - 1, text: Calls.syncMethod }
    : { from: name.getStart(), to: name.getEnd(), text: Calls.syncMethod }

interface Outcome {
  readonly edits: ReadonlyArray<Use.Edit>
  readonly changed: ReadonlyArray<Changed>
  readonly reported: ReadonlyArray<Reported>
  readonly unclear: ReadonlyArray<Place>
  readonly kept: number
  readonly others: ReadonlyArray<Place>
}

const nothing: Outcome = { edits: [], changed: [], reported: [], unclear: [], kept: 0, others: [] }

const outcomeOf = (found: Calls.Found, root: string, { keepSync }: Options): Outcome => {
  const place = placeOf(root, found.kind === "call" ? found.call : found.at)
  if (found.meant === "other") return { ...nothing, others: [place] }
  if (found.meant === "unclear") return { ...nothing, unclear: [place] }
  if (found.kind === "handed") {
    const reasons = ["it is handed on as a function, which cannot be followed"]
    return { ...nothing, reported: [{ ...place, reasons, advice: adviceFor(reasons) }] }
  }
  const { edits, reasons } = judge(found)
  if (reasons.length === 0) {
    return edits.length === 0
      ? { ...nothing, kept: 1 }
      : { ...nothing, edits, changed: [{ ...place, to: "receipt" }] }
  }
  if (keepSync && found.name !== undefined) {
    return { ...nothing, edits: [renamed(found.name)], changed: [{ ...place, to: "sync" }] }
  }
  return { ...nothing, reported: [{ ...place, reasons, advice: adviceFor(reasons) }] }
}

/** The text with the edits in it; each place once. */
const applied = (text: string, edits: ReadonlyArray<Use.Edit>): string => {
  const byPlace = new Map(edits.map((edit) => [edit.from, edit]))
  let changed = text
  for (const { from, text: word, to } of [...byPlace.values()].toSorted(
    (one, other) => other.from - one.from,
  ))
    changed = changed.slice(0, from) + word + changed.slice(to)
  return changed
}

/** Works on every file that has the word in it. */
export const createEntity = (options: Options): Effect.Effect<Report, Sources.SourcesUnreadable> =>
  Effect.gen(function* () {
    const files = yield* Sources.filesOf(options.path)
    const project = yield* Sources.project(options.path)
    const root = process.cwd()
    const outcomes: Array<Outcome> = []
    const changedFiles: Array<string> = []
    const broken: Array<Report["broken"][number]> = []
    const told = (file: string) => path.relative(root, file)

    const work = (file: string) =>
      Effect.gen(function* () {
        const raw = yield* Sources.textOf(file)
        if (!raw.includes(Calls.method)) return
        const mark = raw.startsWith("\uFEFF") ? 1 : 0
        const source = project.addSourceFileAtPath(file)
        const reason = Sources.brokenAt(project, source)
        if (reason !== undefined) return void broken.push({ file: told(file), reason })
        const some = Calls.inFile(source, options.receivers).map((found) => outcomeOf(found, root, options))
        outcomes.push(...some)
        const text =
          raw.slice(0, mark) +
          applied(
            raw.slice(mark),
            some.flatMap(({ edits }) => edits),
          )
        if (text === raw) return
        if (!options.dryRun) yield* Sources.write(file, text)
        changedFiles.push(told(file))
      }).pipe(
        Effect.catchAll((error) =>
          Effect.sync(() => broken.push({ file: told(file), reason: error.reason })),
        ),
      )
    yield* Effect.forEach(files, work, { discard: true })

    return {
      files: files.length,
      changedFiles,
      changed: outcomes.flatMap(({ changed }) => changed),
      kept: outcomes.reduce((sum, { kept }) => sum + kept, 0),
      reported: outcomes.flatMap(({ reported }) => reported),
      unclear: outcomes.flatMap(({ unclear }) => unclear),
      others: outcomes.flatMap(({ others }) => others),
      broken,
    }
  }).pipe(Effect.withSpan("Codemod.createEntity"))

export { SourcesUnreadable } from "./Codemod/Sources.js"
