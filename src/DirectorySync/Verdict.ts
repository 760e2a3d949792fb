/**
 * What is to be done about a file, by a look at three texts: that of the file, that of its entity, and what both were when
 * they last agreed. This is the whole of the rule; whoever acts on it is elsewhere.
 */
import { StorageError } from "../Domain/Errors.js"
import type { EntityView } from "../EntityOverlay.js"
import * as FrontMatter from "../Domain/FrontMatter.js"
import type { Known } from "./Manifest.js"
import type { NoteFile } from "./NoteFile.js"

/**
 * - `write`: the entity becomes what the file is; where the file was renamed, it moves.
 * - `conflict`: the same, and what the entity was is kept beside the file.
 * - `unchanged`: the file is what it was. `kept`: it is not, and is not to be taken.
 * - `unreadable`: what stands there cannot be read, and is not to be replaced.
 * - `deleted`: the file is what it was, and its entity has been deleted.
 */
export type Verdict = "write" | "conflict" | "unchanged" | "kept" | "unreadable" | "deleted"

/** How files are taken: `import` makes entities equal to them, `keep` leaves those that exist, `sync` minds both sides. */
export type Mode = "import" | "keep" | "sync"

export const verdictOf = (
  note: NoteFile,
  {
    current,
    mode,
    row,
  }: {
    readonly row: Known | undefined
    readonly current: EntityView | StorageError | undefined
    readonly mode: Mode
  },
): Verdict => {
  const isFileSame = row?.fileHash === note.hash
  if (current === undefined) return mode === "sync" && isFileSame ? "deleted" : "write"
  if (current instanceof StorageError) return mode === "keep" ? "unreadable" : "write"
  if (isFileSame) return "unchanged"
  if (mode === "keep") return "kept"
  const isEntitySame = row?.contentHash === current.contentHash
  return mode === "import" || isEntitySame || FrontMatter.fileOf(current) === note.content
    ? "write"
    : "conflict"
}
