/**
 * How failures look on the command line: one line that says what, one that says what to do, an exit code, and never
 * a stack. The mapping is in one place, so that the same mishap reads the same whichever command met it.
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { EntityNotFound, InvalidEntity, StorageError } from "../Domain/Errors.js"
import * as Screen from "./Screen.js"

/** What a command ends with. Documented in the README: scripts rely on it. */
export const codes = { ok: 0, failed: 1, usage: 2, notFound: 3, partly: 4, interrupted: 130 } as const

/** The command was called in a way that cannot be meant. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", {
  reason: Schema.String,
  advice: Schema.String,
}) {
  override get message() {
    return this.reason
  }
}

/** The command did its work, and some of its items failed; it has said which. */
export class SomeFailed extends Schema.TaggedError<SomeFailed>()("SomeFailed", { count: Schema.Number }) {}

/** The database is not in order; the command has said in what. */
export class NotInOrder extends Schema.TaggedError<NotInOrder>()("NotInOrder", { count: Schema.Number }) {
  override get message() {
    return this.count === 1 ? "1 violation was found" : `${this.count} violations were found`
  }
}

/** What is told of a failure. No lines: it has been told already. */
export interface Told {
  readonly code: number
  readonly lines: ReadonlyArray<string>
}

/** All is well. */
export const nothing: Told = { code: codes.ok, lines: [] }

const advice: { readonly [tag: string]: { readonly code: number; readonly todo: string } } = {
  JobNotFound: {
    code: codes.notFound,
    todo: "ids are printed by `embedbox add` and `embedbox jobs`; receipts of finished jobs are cleared away after a day",
  },
  AmbiguousEntityId: { code: codes.usage, todo: "say which one you mean with --type" },
  EntityAlreadyExists: { code: codes.failed, todo: "choose another --id" },
  QueueFull: {
    code: codes.failed,
    todo: "nothing was saved: wait until the daemon has made room, or raise EMBEDBOX_MAX_WAITING",
  },
  InvalidEntity: { code: codes.failed, todo: "nothing was saved; mend it and try again" },
  FolderUnreadable: { code: codes.usage, todo: "check the path and its permissions" },
  JobFailed: { code: codes.failed, todo: "the note is kept; mend the cause, then: embedbox retry <jobId>" },
  EmbeddingError: { code: codes.failed, todo: "notes are safe; `--mode lexical` searches without the model" },
  NotInOrder: {
    code: codes.failed,
    todo: "`embedbox doctor --repair` mends what is safe to mend; what it leaves needs a backup, or a look at the file",
  },
  AdoptionRefused: { code: codes.usage, todo: "nothing was saved; `embedbox adopt --help` has examples" },
  BackupRefused: { code: codes.usage, todo: "name a new file in a folder where you may write" },
  BadSettings: {
    code: codes.failed,
    todo: "mend or remove it; `embedbox config --help` says where settings are read",
  },
  FolderUnwatchable: {
    code: codes.failed,
    todo: "what was in step before is; without --watch the same command runs once",
  },
  NoEditor: { code: codes.usage, todo: "set EDITOR, for instance: export EDITOR=nano" },
  EditorFailed: { code: codes.failed, todo: "the note is as it was; check EDITOR, and try again" },
  EditRefused: { code: codes.failed, todo: "your text is kept in that file; save it with: embedbox add" },
  StorageError: {
    code: codes.failed,
    todo: "check where the database is (`embedbox config`), the disk and the file's permissions",
  },
}

/** What @effect/cli says is wrong with words: the last line is the reason; above it is the structure. */
const reasonOf = ({ error }: ValidationError.ValidationError): string => {
  const text = HelpDoc.toAnsiText(error).replace(Screen.escapes, "")
  const reason = text.trim().split("\n").at(-1)
  return reason?.replace(/^[\s└─├│]+/, "") || "these words cannot be read"
}

/** A failure of this command: its words that cannot be read, with where they are explained. */
export const of =
  (command: string) =>
  <E>(error: E | ValidationError.ValidationError): E | ValidationError.ValidationError | WrongUsage =>
    ValidationError.isValidationError(error)
      ? new WrongUsage({ reason: reasonOf(error), advice: `try: embedbox ${command} --help` })
      : error

const ofError = (error: unknown): Told => {
  if (ValidationError.isValidationError(error))
    return { code: codes.usage, lines: [reasonOf(error), "try: embedbox --help"] }
  if (error instanceof WrongUsage) return { code: codes.usage, lines: [error.reason, error.advice] }
  if (error instanceof SomeFailed) return { code: codes.partly, lines: [] }
  if (error instanceof InvalidEntity && error.field === "question") {
    return { code: codes.usage, lines: [error.message, "ask in a line or two"] }
  }
  // Nothing is wrong with a database that could not even be looked at.
  if (error instanceof StorageError && error.trouble === "NotLoaded") {
    return { code: codes.failed, lines: [error.message, "the database was not touched"] }
  }
  if (error instanceof EntityNotFound) {
    return {
      code: codes.notFound,
      lines: [`there is no note "${error.entityId}"`, "find its id with: embedbox search <text>"],
    }
  }
  if (error instanceof Error && Predicate.hasProperty(error, "_tag") && typeof error._tag === "string") {
    const known = advice[error._tag]
    return { code: known?.code ?? codes.failed, lines: [error.message, ...(known ? [known.todo] : [])] }
  }
  return unexpected(error)
}

const unexpected = (defect: unknown): Told => ({
  code: codes.failed,
  lines: [
    `unexpected: ${defect instanceof Error ? defect.message : String(defect)}`,
    "this is a fault of Embedbox: please report it",
  ],
})

/** What led to an error, one line each, outermost first; a defect with its places in the code. */
const causesOf = (error: unknown): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let cause = Predicate.hasProperty(error, "cause") ? error.cause : undefined
  // A cause may be its own: a few are enough.
  for (let depth = 0; depth < 5 && cause !== undefined && cause !== null; depth++) {
    lines.push(`cause: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)}`)
    cause = Predicate.hasProperty(cause, "cause") ? cause.cause : undefined
  }
  return lines
}

const detailsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<string> =>
  Option.match(Cause.failureOption(cause), {
    onSome: causesOf,
    onNone: () => (Cause.isInterruptedOnly(cause) ? [] : [Cause.pretty(cause)]),
  })

/** Exit code and lines for the way a command ended; with what led to it for who is `verbose`. */
export const tell = (exit: Exit.Exit<unknown, unknown>, verbose = false): Told => {
  if (Exit.isSuccess(exit)) return nothing
  const told = briefly(exit)
  return verbose ? { ...told, lines: [...told.lines, ...detailsOf(exit.cause)] } : told
}

const briefly = (exit: Exit.Failure<unknown, unknown>): Told =>
  Option.match(Cause.failureOption(exit.cause), {
    onSome: ofError,
    onNone: () =>
      Cause.isInterruptedOnly(exit.cause)
        ? {
            code: codes.interrupted,
            lines: ["interrupted: what was saved is safe", "run the same command again to go on"],
          }
        : unexpected(Cause.squash(exit.cause)),
  })
