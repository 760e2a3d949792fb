/**
 * What a run over a folder did, as it adds up and as it is told: import, export and sync speak of the same things in the
 * same words.
 */
import type { ExportOutcome, SyncOutcome } from "../DirectorySync.js"
import { counted } from "../Domain/Phrases.js"
import type * as Output from "./Output.js"
import { oneLine, type Screen } from "./Screen.js"

type Mutable<A> = { -readonly [Name in keyof A]: A[Name] }

/** Files that became notes, notes that became files, and what did neither. */
export interface Report {
  readonly files: number
  readonly saved: {
    readonly created: number
    readonly updated: number
    readonly moved: number
    readonly unchanged: number
  }
  readonly exported: { readonly created: number; readonly updated: number; readonly unchanged: number }
  readonly removed: { readonly files: number; readonly notes: number }
  readonly skipped: ReadonlyArray<(typeof Output.SkippedFile)["Type"]>
  readonly conflicts: ReadonlyArray<(typeof Output.Conflict)["Type"]>
  readonly unexported: ReadonlyArray<(typeof Output.Unexported)["Type"]>
  /** Notes of types that have no folder here. */
  readonly elsewhere: ReadonlyArray<(typeof Output.Elsewhere)["Type"]>
}

/** A report that grows: a folder may have 100,000 files, and a copy for each would be noticed. */
export interface Growing {
  readonly add: (outcome: SyncOutcome | ExportOutcome) => void
  readonly report: () => Report
}

export const make = (): Growing => {
  let files = 0
  const saved: Mutable<Report["saved"]> = { created: 0, updated: 0, moved: 0, unchanged: 0 }
  const exported: Mutable<Report["exported"]> = { created: 0, updated: 0, unchanged: 0 }
  const removed: Mutable<Report["removed"]> = { files: 0, notes: 0 }
  const skipped: Array<Report["skipped"][number]> = []
  const conflicts: Array<Report["conflicts"][number]> = []
  const unexported: Array<Report["unexported"][number]> = []
  const elsewhere: Array<Report["elsewhere"][number]> = []
  return {
    add: (outcome) => {
      switch (outcome._tag) {
        case "Saved":
          files++
          saved[outcome.change === "kept" ? "unchanged" : outcome.change]++
          return
        case "Skipped":
          files++
          skipped.push({ path: outcome.path, kind: outcome.kind, reason: outcome.reason })
          return
        case "Exported":
          exported[outcome.change]++
          return
        case "Conflict":
          conflicts.push({ path: outcome.path, kept: outcome.kept })
          return
        case "Unexported":
          unexported.push({
            entityType: outcome.entityType,
            entityId: outcome.entityId,
            reason: outcome.reason,
          })
          return
        case "NoFolder":
          elsewhere.push({ entityType: outcome.entityType, count: outcome.count })
          return
        case "Removed":
          removed[outcome.side === "file" ? "files" : "notes"]++
      }
    },
    report: () => ({ files, saved, exported, removed, skipped, conflicts, unexported, elsewhere }),
  }
}

/** Files that are there and not in order. */
export const troubles = ({ skipped }: Pick<Report, "skipped">): number =>
  skipped.filter(({ kind }) => kind !== "skipped").length

/** So many are named; the rest is counted. */
const named = 20

const list = <A>(all: ReadonlyArray<A>, line: (one: A) => string): ReadonlyArray<string> => [
  ...all.slice(0, named).map(line),
  ...(all.length > named ? [`  and ${all.length - named} more (--json has them all)`] : []),
]

const some = (count: number, words: string) => (count === 0 ? [] : [`${count} ${words}`])

/** What was imported, in words. */
export const imported = ({ files, saved, skipped }: Report): string =>
  `${counted(files, "file")}: ${[
    `${saved.created} new`,
    `${saved.updated} changed`,
    ...some(saved.moved, "moved"),
    `${saved.unchanged} unchanged`,
    `${skipped.length} skipped`,
  ].join(", ")}`

/** What was exported, in words. */
export const written = ({ exported, unexported }: Report): string =>
  `${counted(exported.created + exported.updated, "file")} written: ${[
    `${exported.created} new`,
    `${exported.updated} changed`,
    `${exported.unchanged} unchanged`,
    ...some(unexported.length, "not written"),
  ].join(", ")}`

/** What was removed, in words; nothing where nothing was. */
export const gone = ({ removed }: Report): ReadonlyArray<string> =>
  removed.files + removed.notes === 0
    ? []
    : [`removed ${counted(removed.files, "file")} and ${counted(removed.notes, "note")}`]

/** What people should look at, a line each. */
export const notices = (
  screen: Pick<typeof Screen.Service, "yellow" | "red">,
  { conflicts, elsewhere, skipped, unexported }: Report,
): ReadonlyArray<string> => [
  ...list(conflicts, ({ kept, path }) =>
    screen.red(`  conflict ${oneLine(path)}: both sides changed; the other version is in ${oneLine(kept)}`),
  ),
  ...list(skipped, ({ kind, path, reason }) =>
    screen.yellow(`  ${kind} ${oneLine(path)}: ${oneLine(reason)}`),
  ),
  ...list(unexported, ({ entityId, entityType, reason }) =>
    screen.yellow(`  not written ${entityType} ${oneLine(entityId)}: ${oneLine(reason)}`),
  ),
  ...elsewhere.map(({ count, entityType }) =>
    screen.yellow(
      `  ${counted(count, "note")} of type ${entityType} left out: --types ${entityType} gives them a folder`,
    ),
  ),
]

const changes = {
  created: "saved",
  updated: "changed",
  moved: "moved",
  unchanged: "unchanged",
  kept: "kept",
} as const

/** One outcome in a line. */
export const line = (outcome: SyncOutcome): string => {
  switch (outcome._tag) {
    case "Saved":
      return `${changes[outcome.change]} ${oneLine(outcome.path)}`
    case "Exported":
      return `wrote ${oneLine(outcome.path)}`
    case "Removed":
      return outcome.side === "file"
        ? `removed file ${oneLine(outcome.path)}`
        : `removed note ${oneLine(outcome.entityId)}`
    case "Conflict":
      return `conflict ${oneLine(outcome.path)}: the other version is in ${oneLine(outcome.kept)}`
    case "Skipped":
      return `${outcome.kind} ${oneLine(outcome.path)}: ${oneLine(outcome.reason)}`
    case "Unexported":
      return `not written ${outcome.entityType} ${oneLine(outcome.entityId)}: ${oneLine(outcome.reason)}`
  }
}
