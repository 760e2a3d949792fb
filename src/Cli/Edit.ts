/**
 * `embedbox edit`: the text of a note in the user's editor, and what becomes of it as the note's next version. The text is
 * never lost: what cannot be saved stays in its file, which is named. Front matter is metadata here as it is in a folder;
 * metadata that stands only in the database stays as it is.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as FrontMatter from "../Domain/FrontMatter.js"
import { reasonOf } from "../Domain/FileTrouble.js"
import type { EntityView } from "../EntityOverlay.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given {
  readonly id: string
  readonly type: Option.Option<string>
  readonly json: boolean
}

/** There is no editor. */
export class NoEditor extends Schema.TaggedError<NoEditor>()("NoEditor", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** The editor did not end well, and changed nothing. */
export class EditorFailed extends Schema.TaggedError<EditorFailed>()("EditorFailed", {
  reason: Schema.String,
}) {
  override get message() {
    return `${this.reason}; nothing was changed`
  }
}

/** What was written cannot be saved. It is in the file. */
export class EditRefused extends Schema.TaggedError<EditRefused>()("EditRefused", {
  file: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `${this.reason}; your text is in ${this.file}`
  }
}

/** `$VISUAL`, else `$EDITOR`: a command line, as every program takes it. */
const editor = Effect.gen(function* () {
  const visual = yield* Effect.orElseSucceed(Config.string("VISUAL"), () => "")
  const plain = yield* Effect.orElseSucceed(Config.string("EDITOR"), () => "")
  const command = visual.trim() || plain.trim()
  if (command === "") return yield* new NoEditor({ reason: "neither VISUAL nor EDITOR is set" })
  return command
})

/** Ends with why the editor did not end well, if it did not. */
const open = (command: string, file: string) =>
  Effect.async<string | undefined>((resume) => {
    // The file is an argument of its own: its name is not read by the shell.
    const child = spawn("/bin/sh", ["-c", `${command} "$1"`, "sh", file], { stdio: "inherit" })
    child.on("error", (cause) => resume(Effect.succeed(`the editor cannot be started: ${reasonOf(cause)}`)))
    child.on("close", (code, signal) =>
      resume(
        Effect.succeed(
          code === 0 ? undefined : `the editor (${command}) ended with ${signal ?? `code ${code}`}`,
        ),
      ),
    )
    return Effect.sync(() => child.kill())
  })

/** The metadata of the text's next version: fields of its front matter are changed with it, others stay. */
const metadataOf = ({ content, metadata }: EntityView, text: string) =>
  Either.map(FrontMatter.fieldsOf(text), (fields) => {
    const before = Either.getOrElse(FrontMatter.fieldsOf(content), () => ({}))
    const others = Object.entries(metadata).filter(([name]) => !(name in before))
    return { ...Object.fromEntries(others), ...fields }
  })

const edit = (given: Given) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const type = Option.getOrUndefined(given.type)
    const note = yield* service.getEntity(given.id, type)
    const command = yield* editor
    const folder = yield* Effect.orDie(
      Effect.tryPromise(() => fs.mkdtemp(path.join(os.tmpdir(), "embedbox-"))),
    )
    const name = path.posix
      .basename(note.id)
      .replaceAll(/[^\p{L}\p{N}._-]+/gu, "_")
      .slice(-60)
    const file = path.join(folder, `${name || "note"}.md`)
    yield* Effect.orDie(Effect.tryPromise(() => fs.writeFile(file, note.content, { mode: 0o600 })))
    const forget = Effect.promise(() => fs.rm(folder, { recursive: true, force: true }))
    const trouble = yield* open(command, file)

    const refuse = (reason: string) => new EditRefused({ file, reason })
    const text = yield* Effect.tryPromise({
      try: () => fs.readFile(file, "utf8"),
      catch: (cause) => refuse(`the text cannot be read: ${reasonOf(cause)}`),
    })
    if (trouble !== undefined) {
      if (text !== note.content) return yield* refuse(trouble)
      yield* forget
      return yield* new EditorFailed({ reason: trouble })
    }
    const metadata = yield* Either.mapLeft(metadataOf(note, text), (reason) => refuse(`the ${reason}`))
    const now = yield* service
      .getEntity(note.id, note.entityType)
      .pipe(Effect.mapError((error) => refuse(error.message)))
    if (now.contentHash !== note.contentHash) return yield* refuse("somebody else changed the note meanwhile")
    const receipt = yield* service
      .updateEntity(note.id, { content: text, metadata }, note.entityType)
      .pipe(Effect.mapError((error) => refuse(error.message)))
    yield* forget
    return receipt
  })

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { change, entityId, jobId } = yield* Effect.provide(edit(given), access.services)
    if (given.json) return yield* Output.print(Output.Edited, { entityId, jobId, change })
    yield* screen.done(
      change === "unchanged"
        ? screen.dim("nothing changed")
        : `${screen.green("saved")} ${entityId} ${screen.dim(`job ${jobId}`)}`,
    )
  })
