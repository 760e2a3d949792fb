/**
 * Which files below a folder are notes: names and folders only, no contents. Neither hidden files nor installed packages
 * hold anybody's notes, symbolic links are not followed (they may lead out of the folder, or in a circle), and what a
 * `.embedboxignore` names, in the syntax of `.gitignore`, is left out. What cannot be listed is told, because nothing
 * may be concluded then from what was not found.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reasonOf } from "../Domain/FileTrouble.js"
import * as IgnoreRules from "./IgnoreRules.js"
import { conflictMark, keyOf, type Layout } from "./Layout.js"

/** The folder itself cannot be read; what is below it can only be skipped. */
export class FolderUnreadable extends Schema.TaggedError<FolderUnreadable>()("FolderUnreadable", {
  folder: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `the folder ${this.folder} cannot be read: ${this.reason}`
  }
}

/** A file that may be a note. */
export interface Found {
  readonly _tag: "Found"
  /** Below the folder, with forward slashes. */
  readonly path: string
  readonly entityType: string
  readonly entityId: string
}

/** A file, or a folder (its path ends in a slash), that is left out, and why. */
export interface LeftOut {
  readonly _tag: "LeftOut"
  readonly path: string
  readonly reason: string
}

export interface Walked {
  /** In the order of their names, depth first: the same every time. */
  readonly seen: ReadonlyArray<Found | LeftOut>
  /** Every folder could be listed. */
  readonly isComplete: boolean
}

const leftOut = (at: string, reason: string): LeftOut => ({ _tag: "LeftOut", path: at, reason })

const inOrder = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

const list = (folder: string) =>
  Effect.tryPromise({
    try: () => fs.readdir(folder, { withFileTypes: true }),
    catch: (cause) => new FolderUnreadable({ folder, reason: reasonOf(cause) }),
  })

const isEntered = (name: string) => !name.startsWith(".") && name !== "node_modules"

/** All notes below `root`, or only those below one of its folders. */
export const walk = (
  root: string,
  { extensions, layout }: { readonly extensions: ReadonlyArray<string>; readonly layout: Layout },
): Effect.Effect<Walked, FolderUnreadable> =>
  Effect.gen(function* () {
    const seen: Array<Found | LeftOut> = []
    /** Of two files with the same key, the first of the extensions is taken, then the first name. */
    const owners = new Map<string, string>()
    let isComplete = true

    const visit = (
      below: string,
      inherited: ReadonlyArray<IgnoreRules.Rules>,
    ): Effect.Effect<void, FolderUnreadable> =>
      Effect.gen(function* () {
        const folder = path.join(root, below)
        const at = (name: string) => (below === "" ? name : `${below}/${name}`)
        const entries = yield* list(folder)
        const own = entries.some(({ name }) => name === IgnoreRules.ignoreFile)
          ? [
              yield* Effect.mapError(
                IgnoreRules.read(folder, below),
                (reason) => new FolderUnreadable({ folder, reason: `${IgnoreRules.ignoreFile}: ${reason}` }),
              ),
            ]
          : []
        const rules = [...inherited, ...own]
        const notes = entries
          .filter((entry) => extensions.includes(path.extname(entry.name).toLowerCase()))
          .filter(({ name }) => !name.startsWith(".") && !IgnoreRules.isIgnored(rules, at(name)))
          .map((entry) => {
            const extension = path.extname(entry.name)
            const stem = entry.name.slice(0, -extension.length)
            return { entry, stem, rank: extensions.indexOf(extension.toLowerCase()) }
          })
          .filter(({ stem }) => !conflictMark.test(stem))
        for (const { entry, stem } of notes.toSorted(
          (a, b) => a.rank - b.rank || inOrder(a.entry.name, b.entry.name),
        )) {
          if (!entry.isFile()) continue
          const { entityId, entityType } = keyOf(at(stem), layout)
          const key = `${entityType}/${entityId}`
          if (!owners.has(key)) owners.set(key, at(entry.name))
        }
        const named = new Map(notes.map((note) => [note.entry.name, note]))
        for (const entry of entries.toSorted((a, b) => inOrder(a.name, b.name))) {
          const note = named.get(entry.name)
          if (note !== undefined && entry.isFile()) {
            const key = keyOf(at(note.stem), layout)
            const owner = owners.get(`${key.entityType}/${key.entityId}`)
            seen.push(
              owner === at(entry.name) || owner === undefined
                ? { _tag: "Found", path: at(entry.name), ...key }
                : leftOut(at(entry.name), `has the same id as ${owner}`),
            )
          } else if (note !== undefined && !entry.isDirectory()) {
            const reason = entry.isSymbolicLink() ? "is a symbolic link, which is not followed" : "is no file"
            seen.push(leftOut(at(entry.name), reason))
          } else if (
            entry.isDirectory() &&
            isEntered(entry.name) &&
            !IgnoreRules.isIgnored(rules, `${at(entry.name)}/`)
          ) {
            yield* Effect.catchAll(visit(at(entry.name), rules), ({ reason }) => {
              isComplete = false
              seen.push(leftOut(`${at(entry.name)}/`, `cannot be read: ${reason}`))
              return Effect.void
            })
          }
        }
      })

    yield* visit("", [])
    return { seen, isComplete }
  })
