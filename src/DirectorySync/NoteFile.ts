/**
 * One file of a folder: read whole or not at all, written whole or not at all. A file that changes while it is read is
 * half of something; one that is written gets its name only when all of it is on the disk.
 */
import { randomUUID } from "node:crypto"
import type { Stats } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type JsonObject, maxContentBytes } from "../Domain/Entity.js"
import { reasonOf } from "../Domain/FileTrouble.js"
import { sha256 } from "../Domain/Hash.js"
import * as Folders from "../Storage/Folders.js"
import * as FrontMatter from "../Domain/FrontMatter.js"

/** A note as its file has it. `hash` is of its text. */
export interface NoteFile {
  readonly _tag: "NoteFile"
  readonly content: string
  readonly fields: JsonObject
  readonly hash: string
}

/**
 * Why a file is no note: `skipped` (there is nothing to take), `quarantined` (there is something, and it is not in order:
 * it is looked at again when it was changed), `transient` (not now).
 */
export interface Refused {
  readonly _tag: "Refused"
  readonly kind: "skipped" | "quarantined" | "transient"
  readonly reason: string
}

const refused = (kind: Refused["kind"], reason: string): Refused => ({ _tag: "Refused", kind, reason })

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The text of these bytes, without its byte order mark; none where they are not UTF-8. */
export const textOf = (bytes: Uint8Array): Option.Option<string> =>
  Option.liftThrowable(() => utf8.decode(bytes))()

/** What texts are compared by. A byte order mark says nothing, so it makes no difference. */
export const hashOf = (text: string): string => sha256(text.startsWith("\uFEFF") ? text.slice(1) : text)

const tooLarge = (bytes: number) =>
  refused("skipped", `is too large: ${bytes} bytes, at most ${maxContentBytes} are taken`)

/** What the bytes of a file are. */
export const noteOf = (bytes: Uint8Array): NoteFile | Refused => {
  if (bytes.byteLength > maxContentBytes) return tooLarge(bytes.byteLength)
  // A text has no such character, and most that is not text has one early.
  if (bytes.includes(0)) return refused("quarantined", "is not text: it holds a NUL character")
  const text = textOf(bytes)
  if (Option.isNone(text)) return refused("quarantined", "is not valid UTF-8")
  const content = text.value
  if (content.trim() === "") return refused("skipped", "is empty")
  return Either.match(FrontMatter.fieldsOf(content), {
    onLeft: (reason) => refused("quarantined", reason),
    onRight: (fields) => ({ _tag: "NoteFile", content, fields, hash: hashOf(content) }),
  })
}

/** A file that is what it was when it was last read, when its text had this hash. */
export interface Same {
  readonly _tag: "Same"
  readonly hash: string
}

/** What files were like when they were read, and what was found. */
export type Memory = Map<string, { readonly stamp: string; readonly found: Same | Refused }>

/** What changes with a file: nobody can set `ctime`. */
const stampOf = ({ ctimeMs, ino, mtimeMs, size }: Stats) => `${size} ${mtimeMs} ${ctimeMs} ${ino}`

/** Clocks of file systems are coarse: what is younger may be changed once more within the same time. */
const coarseMillis = 3_000

interface Looking {
  readonly now: number
  readonly quietMillis: number
  readonly memory: Memory | undefined
}

const lookInto = async (
  file: string,
  { memory, now, quietMillis }: Looking,
): Promise<NoteFile | Same | Refused> => {
  const before = await fs.lstat(file)
  // It was one when the folder was listed; what it is now may lead anywhere.
  if (!before.isFile()) return refused("transient", "is no file any more")
  if (before.size > maxContentBytes) return tooLarge(before.size)
  // The clock of a file server may be ahead of ours.
  if (Math.abs(now - before.mtimeMs) < quietMillis) return refused("transient", "was written just now")
  const stamp = stampOf(before)
  const remembered = memory?.get(file)
  if (remembered?.stamp === stamp) return remembered.found
  const bytes = await fs.readFile(file)
  if (stampOf(await fs.lstat(file)) !== stamp) return refused("transient", "was written while it was read")
  const note = noteOf(bytes)
  if (now - before.ctimeMs >= coarseMillis)
    memory?.set(file, { stamp, found: note._tag === "NoteFile" ? { _tag: "Same", hash: note.hash } : note })
  return note
}

const unread = (cause: unknown): Refused => {
  const reason = `cannot be read: ${reasonOf(cause)}`
  return refused(reason.endsWith("does not exist") ? "transient" : "skipped", reason)
}

/**
 * The notes in these files, or why there is none, read all at once: an effect for each step of each file would cost more
 * than to read it. Never fails: one bad file does not stop a run. A file that was written less than `quietMillis` ago is
 * not read yet: whoever writes it may not be done.
 */
export const readAll = (files: ReadonlyArray<string>, quietMillis = 0) =>
  Effect.map(glanceAll(files, undefined, quietMillis), (all) =>
    all.flatMap((one) => (one._tag === "Same" ? [] : [one])),
  )

/** The same, but a file that is what it was as far as `memory` goes is not read. What is read is remembered there. */
export const glanceAll = (
  files: ReadonlyArray<string>,
  memory: Memory | undefined,
  quietMillis = 0,
): Effect.Effect<ReadonlyArray<NoteFile | Same | Refused>> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.promise(() =>
      Promise.all(files.map((file) => lookInto(file, { now, quietMillis, memory }).catch(unread))),
    ),
  )

/** Writes a file so that whoever reads it finds the old text or the new one, whole, even after loss of power. */
export const write = (file: string, content: string): Effect.Effect<void, { readonly error: unknown }> =>
  Effect.gen(function* () {
    const folder = path.dirname(file)
    yield* Effect.mapError(Folders.make(folder), ({ cause }) => ({ error: cause }))
    // Hidden, so that nobody takes it for a note; in the same folder, since only there a rename is one step.
    const temporary = path.join(folder, `.embedbox-${randomUUID()}.tmp`)
    yield* Effect.acquireUseRelease(
      Effect.tryPromise(() => fs.open(temporary, "wx")),
      (handle) =>
        Effect.tryPromise(async () => {
          await handle.writeFile(content)
          await handle.sync()
        }),
      (handle) => Effect.promise(() => handle.close()),
    ).pipe(
      Effect.zipRight(Effect.tryPromise(() => fs.rename(temporary, file))),
      Effect.onError(() => Effect.promise(() => fs.rm(temporary, { force: true }))),
    )
    yield* Effect.acquireUseRelease(
      Effect.tryPromise(() => fs.open(folder, "r")),
      (handle) => Effect.tryPromise(() => handle.sync()),
      (handle) => Effect.promise(() => handle.close()),
    )
  })
