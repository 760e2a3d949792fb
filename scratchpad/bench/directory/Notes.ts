/** A folder of generated notes, and what people do to one. */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { notes } from "../support.js"

/** Notes in one folder. */
const perFolder = 100

export interface Notes {
  readonly root: string
  /** Below the root. */
  readonly paths: ReadonlyArray<string>
}

/** A third of them have fields at their head. */
const fileOf = (text: string, at: number) =>
  at % 3 === 0 ? `---\ntitle: Note ${at}\ntags: [bench, n${at % 10}]\n---\n${text}\n` : `${text}\n`

const each = <A>(all: ReadonlyArray<A>, work: (one: A, at: number) => Promise<unknown>) =>
  Effect.forEach(all, (one, at) => Effect.promise(() => work(one, at)), { concurrency: 16, discard: true })

export const generate = (root: string, count: number): Effect.Effect<Notes> =>
  Effect.gen(function* () {
    const texts = notes(count)
    const paths = texts.map((_, at) => `d${Math.floor(at / perFolder)}/note-${at}.md`)
    yield* each([...new Set(paths.map((path) => Path.dirname(path)))], (folder) =>
      Fs.mkdir(Path.join(root, folder), { recursive: true }),
    )
    yield* each(paths, (path, at) => Fs.writeFile(Path.join(root, path), fileOf(texts[at] ?? "", at)))
    return { root, paths }
  })

/** Every file has another time. */
export const touch = ({ paths, root }: Notes): Effect.Effect<void> =>
  each(paths, (path) => Fs.utimes(Path.join(root, path), 1_000_000_000, 1_000_000_000))

/** Renames the first folder, and answers how many notes are in it. */
export const renameFolder = ({ paths, root }: Notes): Effect.Effect<number> =>
  Effect.as(
    Effect.promise(() => Fs.rename(Path.join(root, "d0"), Path.join(root, "renamed"))),
    Math.min(perFolder, paths.length),
  )

/** Writes something below each of the last so many notes. */
export const edit = ({ paths, root }: Notes, count: number): Effect.Effect<void> =>
  each(paths.slice(-count), (path) => Fs.appendFile(Path.join(root, path), "\nAnd one thought more.\n"))

/**
 * What `git checkout` of another branch does to so many files: most are replaced (removed and written anew), one of ten
 * is removed, one of ten is new. Answers how many files have a text that was not there, and how many are gone.
 */
export const checkOut = (
  { paths, root }: Notes,
  count: number,
): Effect.Effect<{ readonly written: number; readonly removed: number }> =>
  Effect.gen(function* () {
    const touched = paths.slice(perFolder, perFolder + count)
    const kindOf = (at: number) => (at % 10 === 0 ? "removed" : at % 10 === 1 ? "new" : "replaced")
    const write = (path: string, at: number) =>
      Fs.writeFile(Path.join(root, path), `Another branch says something else about ${at}: ${path}\n`)
    yield* each(touched, async (path, at) => {
      if (kindOf(at) === "new") return write(`${path.slice(0, -3)}-of-the-branch.md`, at)
      await Fs.rm(Path.join(root, path))
      if (kindOf(at) === "replaced") await write(path, at)
    })
    const removed = touched.filter((_, at) => kindOf(at) === "removed").length
    return { written: touched.length - removed, removed }
  })
