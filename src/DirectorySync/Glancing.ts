/**
 * Files that are, by all that the file system tells, what they were when they were last read. Where their notes are there
 * and nothing is to be done, they are not read again; what is to be done about any other is decided by its text, as always.
 */
import * as path from "node:path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { StorageError } from "../Domain/Errors.js"
import * as Current from "./Current.js"
import type { Known } from "./Manifest.js"
import * as NoteFile from "./NoteFile.js"
import type { FileOutcome } from "./Outcome.js"
import * as Taking from "./Taking.js"
import type * as Walk from "./Walk.js"

/** A file that was not read, and the hash that its text had. */
export interface Glance {
  readonly _tag: "Glance"
  readonly found: Walk.Found
  readonly hash: string
}

/** What is known of a file: what it holds, or what became of it. */
export type Read = Taking.Item | FileOutcome

export const readAs = (found: Walk.Found, read: NoteFile.NoteFile | NoteFile.Refused): Read =>
  read._tag === "NoteFile" ? { found, note: read } : Taking.skipped(found.path, read.kind, read.reason)

export const isGlance = (one: Read | Glance): one is Glance => "_tag" in one && one._tag === "Glance"

export const make = Effect.gen(function* () {
  const currentOf = yield* Current.make

  /** Each as it is known, in order; files are read only where something may be to be done about them. */
  const settle = (
    all: ReadonlyArray<Read | Glance>,
    { folder, known }: { readonly folder: string; readonly known: ReadonlyMap<string, Known> },
  ): Effect.Effect<ReadonlyArray<Read>, StorageError> =>
    Effect.gen(function* () {
      const glances = all.filter(isGlance)
      if (glances.length === 0) return all.flatMap((one) => (isGlance(one) ? [] : [one]))
      const settled = new Map<Glance, Read>()
      const currents = yield* currentOf(
        glances.map(({ found }) => found),
        known,
      )
      for (const [glance, { current, row }] of Arr.zip(glances, currents)) {
        if (current === undefined || current instanceof StorageError || row?.fileHash !== glance.hash)
          continue
        settled.set(glance, Taking.savedAs(glance.found, "unchanged", current.embedding.jobId))
      }
      const others = glances.filter((glance) => !settled.has(glance))
      const read = yield* NoteFile.readAll(others.map(({ found }) => path.join(folder, found.path)))
      for (const [glance, one] of Arr.zip(others, read)) settled.set(glance, readAs(glance.found, one))
      return all.flatMap((one) => (isGlance(one) ? (settled.get(one) ?? []) : [one]))
    })

  return { settle }
})
