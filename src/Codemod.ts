/**
 * Takes a host's calls of the blocking `createEntity`, which answered the stored entity, to the one that answers a
 * receipt. Where nothing but the id was read, the reads are rewritten; where more was wanted at once, the call is told with
 * its place and its reason, or becomes `createEntitySync`, which still answers the entity. Only the words that change are
 * replaced in the text, so comments and layout stay, and a second run finds nothing to change.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Node, type SourceFile } from "ts-morph"
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
  const place = placeOf(root, Calls.nodeOf(found))
  if (found.meant === "other") return { ...nothing, others: [place] }
  if (found.meant === "unclear") return { ...nothing, unclear: [place] }
  if (found.kind === "handed") {
    const reasons = [found.reason]
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

/** Works on every file that has the word in it, and on those that call what it exports. */
export const createEntity = (options: Options): Effect.Effect<Report, Sources.SourcesUnreadable> =>
  Effect.gen(function* () {
    const files = yield* Sources.filesOf(options.path)
    const project = yield* Sources.project(options.path)
    const root = process.cwd()
    const told = (file: string) => path.relative(root, file)
    const broken = new Map<string, string>()

    const texts = new Map<string, string>()
    for (const file of files) {
      const text = yield* Effect.either(Sources.textOf(file))
      if (Either.isRight(text)) texts.set(file, text.right)
      else broken.set(file, text.left.reason)
    }
    const isWanted = [...texts.values()].some((text) => text.includes(Calls.method))
    const sources = isWanted ? [...texts.keys()].map((file) => project.addSourceFileAtPath(file)) : []
    const among = new Set(sources)
    const isSound = (source: SourceFile) => {
      const file = path.normalize(source.getFilePath())
      const reason = broken.get(file) ?? Sources.brokenAt(project, source)
      if (reason !== undefined) broken.set(file, reason)
      return reason === undefined
    }

    const place = { receivers: options.receivers, isAmong: (file: SourceFile) => among.has(file) }
    const found = Calls.distinct(
      sources
        .filter((source) => source.getFullText().includes(Calls.method) && isSound(source))
        .flatMap((source) => Calls.inFile(source, place)),
    )
    const outcomes: Array<Outcome> = []
    const changedFiles: Array<string> = []
    for (const source of sources) {
      const its = found.filter((one) => Calls.nodeOf(one).getSourceFile() === source)
      if (its.length === 0 || !isSound(source)) continue
      const some = its
        .toSorted((one, other) => Calls.nodeOf(one).getStart() - Calls.nodeOf(other).getStart())
        .map((one) => outcomeOf(one, root, options))
      outcomes.push(...some)
      const file = path.normalize(source.getFilePath())
      const raw = texts.get(file) ?? ""
      const mark = raw.startsWith("\uFEFF") ? 1 : 0
      const edits = some.flatMap((one) => one.edits)
      const text = raw.slice(0, mark) + applied(raw.slice(mark), edits)
      if (text === raw) continue
      const written = options.dryRun ? Either.void : yield* Effect.either(Sources.write(file, text))
      if (Either.isRight(written)) changedFiles.push(told(file))
      else broken.set(file, written.left.reason)
    }

    return {
      files: files.length,
      changedFiles,
      changed: outcomes.flatMap(({ changed }) => changed),
      kept: outcomes.reduce((sum, { kept }) => sum + kept, 0),
      reported: outcomes.flatMap(({ reported }) => reported),
      unclear: outcomes.flatMap(({ unclear }) => unclear),
      others: outcomes.flatMap(({ others }) => others),
      broken: [...broken].map(([file, reason]) => ({ file: told(file), reason })),
    }
  }).pipe(Effect.withSpan("Codemod.createEntity"))

export { SourcesUnreadable } from "./Codemod/Sources.js"
