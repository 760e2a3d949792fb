/** What is written into a folder: notes, and versions that lost beside them. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as NoteFile from "./NoteFile.js"

/** The hash of a file's text, `absent` where there is no file; what is no text has one that no text has. */
export const hashOf = (file: string): Effect.Effect<string, { readonly error: unknown }> =>
  Effect.tryPromise({
    try: async () => {
      const found = await fs.lstat(file).catch((cause: unknown) => {
        if (isMissing(cause)) return undefined
        return Promise.reject(cause)
      })
      if (found === undefined) return absent
      if (!found.isFile()) return "no file"
      return Option.match(NoteFile.textOf(await fs.readFile(file)), {
        onNone: () => "no text",
        onSome: NoteFile.hashOf,
      })
    },
    catch: (error) => ({ error }),
  })

/** Instead of the hash of a file that is not there. */
export const absent = "absent"

const isMissing = (cause: unknown) =>
  typeof cause === "object" &&
  cause !== null &&
  "code" in cause &&
  (cause.code === "ENOENT" || cause.code === "ENOTDIR")

/** Whether there is certainly no such file. */
export const isAbsent = (file: string): Effect.Effect<boolean> =>
  Effect.promise(() => fs.lstat(file).then(() => false, isMissing))

/** A time as it stands in a name, in UTC: 20261126T101500. */
const stampOf = (millis: number) =>
  DateTime.formatIso(DateTime.unsafeMake(millis)).slice(0, 19).replaceAll(/[-:]/g, "")

/** Writes a version beside the file that it lost against, and answers under which path. */
export const keepBeside = (
  folder: string,
  at: string,
  content: string,
): Effect.Effect<string, { readonly error: unknown }> =>
  Effect.gen(function* () {
    const stamp = stampOf(yield* Clock.currentTimeMillis)
    const extension = path.extname(at)
    const stem = `${at.slice(0, at.length - extension.length)}.conflict-${stamp}`
    for (let copy = 1; ; copy++) {
      const name = `${stem}${copy === 1 ? "" : `-${copy}`}${extension}`
      const hash = yield* hashOf(path.join(folder, name))
      // The same once more says nothing new.
      if (hash === NoteFile.hashOf(content)) return name
      if (hash !== absent) continue
      yield* NoteFile.write(path.join(folder, name), content)
      return name
    }
  })

/**
 * Fails where a folder on the way to a path below `folder` is a symbolic link: what is written there would be written
 * somewhere else.
 */
export const checkInside = (folder: string, at: string): Effect.Effect<void, { readonly error: unknown }> =>
  Effect.gen(function* () {
    const names = path
      .dirname(at)
      .split("/")
      .filter((name) => name !== ".")
    for (let depth = 1; depth <= names.length; depth++) {
      const above = path.join(folder, ...names.slice(0, depth))
      const isLink = yield* Effect.tryPromise({
        try: () =>
          fs.lstat(above).then(
            (found) => found.isSymbolicLink(),
            (cause: unknown) => (isMissing(cause) ? false : Promise.reject(cause)),
          ),
        catch: (error) => ({ error }),
      })
      if (isLink)
        return yield* Effect.fail({ error: new Error(`${above} is a symbolic link, which is not followed`) })
    }
  })

/**
 * Removes a file, where it still holds the text of this hash, and answers whether it is gone now: what was written into it
 * meanwhile is nobody's to delete. It is looked at right before, as near to one step as a file system allows.
 */
export const removeIf = (file: string, hash: string): Effect.Effect<boolean, { readonly error: unknown }> =>
  Effect.gen(function* () {
    const there = yield* hashOf(file)
    if (there === absent) return true
    if (there !== hash) return false
    yield* Effect.tryPromise(() => fs.rm(file, { force: true }))
    return true
  })
