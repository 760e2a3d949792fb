/**
 * What a `.embedboxignore` names, in the syntax of `.gitignore`. Where there is one that cannot be understood, nothing of
 * its folder is taken: it may name what nobody is to see. It comes with the folder, so it may be a stranger's: it is not
 * followed out of the folder, and it may not ask for what takes for ever.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import ignore, { type Ignore } from "ignore"
import { reasonOf } from "../Domain/FileTrouble.js"
import * as NoteFile from "./NoteFile.js"

/** Files with what is not to be imported. */
export const ignoreFile = ".embedboxignore"

const maxBytes = 256 * 1024

/** Each star in a name multiplies the time by its length: five of them take a minute for a long one. */
const tooManyStars = /(?:\*+[^/*]+){3}\*/u

/** The rules of a folder, for what is below it. */
export interface Rules {
  readonly below: string
  readonly ignore: Ignore
}

const lookInto = async (file: string): Promise<Either.Either<string, string>> => {
  const found = await fs.lstat(file)
  if (found.isSymbolicLink()) return Either.left("is a symbolic link, which is not followed")
  if (!found.isFile()) return Either.left("is no file")
  if (found.size > maxBytes) return Either.left(`has more than ${maxBytes} bytes`)
  return Either.fromOption(NoteFile.textOf(await fs.readFile(file)), () => "is not valid UTF-8")
}

/** The rules in a folder, or why they cannot be had. `below` is its path below the root. */
export const read = (folder: string, below: string): Effect.Effect<Rules, string> =>
  Effect.gen(function* () {
    const text = yield* yield* Effect.mapError(
      Effect.tryPromise(() => lookInto(path.join(folder, ignoreFile))),
      ({ error }) => reasonOf(error),
    )
    const line = text.split(/\r?\n/u).findIndex((one) => tooManyStars.test(one))
    if (line >= 0) return yield* Effect.fail(`line ${line + 1} has more than three stars in a name`)
    return { below, ignore: ignore().add(text) }
  })

/** The last rule that says something decides, and those of a deeper folder come last. */
export const isIgnored = (rules: ReadonlyArray<Rules>, at: string) => {
  let ignored = false
  for (const { below, ignore } of rules) {
    const verdict = ignore.test(below === "" ? at : at.slice(below.length + 1))
    if (verdict.ignored) ignored = true
    if (verdict.unignored) ignored = false
  }
  return ignored
}
