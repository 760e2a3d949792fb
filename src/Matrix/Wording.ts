/** The bot's words about notes, jobs and failures: the same wherever the same thing is told. */
import * as Predicate from "effect/Predicate"
import { InvalidEntity } from "../Domain/Errors.js"
import type { EmbeddingState, Job } from "../Domain/Job.js"
import { counted, span } from "../Domain/Phrases.js"
import type { Answer, Import, Receipt } from "./AnswerRows.js"
import * as Message from "./Message.js"
import { bold, code, lines, say, type Text } from "./Message.js"

export { counted, span }

/** How an embedding stands, where that is worth a word. */
export const stateOf = (embedding: EmbeddingState): Text => {
  switch (embedding.state) {
    case "ready":
      return Message.nothing
    case "failed":
      return say` · not embedded: ${embedding.reason}`
    default:
      return say` · not embedded yet`
  }
}

const subject = ({ entityId, title }: Receipt) =>
  title === entityId ? code(entityId) : say`“${bold(title)}” as ${code(entityId)}`

/** A receipt while its job has not ended. `hindrance`: why nothing can be embedded at the moment. */
export const receipt = (facts: Receipt, hindrance: string | undefined): Text =>
  lines(
    facts.verb === "saved" ? say`Saved ${subject(facts)}.` : say`Trying ${subject(facts)} again.`,
    hindrance === undefined
      ? say`Its embedding is job ${code(facts.jobId)}.`
      : say`Its embedding is job ${code(facts.jobId)} and waits: ${hindrance}. The note is safe, and words find it already.`,
  )

/** The same when it has: this is the message's last form. */
export const receiptEnded = (facts: Receipt, { ending, failed }: Pick<Answer, "failed" | "ending">): Text => {
  const start = facts.verb === "saved" ? say`Saved ${subject(facts)}` : say`Tried ${subject(facts)} again`
  if (failed > 0) {
    return lines(
      say`${start}, but it could not be embedded: ${ending ?? "unknown"}.`,
      ending === "cancelled"
        ? say`The note is kept, and words find it. To embed it after all: ${code(`!retry ${facts.jobId}`)}`
        : say`The note is kept, and words find it. Mend the cause or the text, then: ${code(`!retry ${facts.jobId}`)}`,
    )
  }
  return ending === "deleted"
    ? say`${start}; it was deleted before it was embedded.`
    : say`${start}; it is embedded.`
}

/** An import, under way or ended. */
export const imported = (
  facts: Import,
  { done, entering, failed, open }: Pick<Answer, "done" | "entering" | "failed" | "open">,
): Text => {
  const files = facts.created + facts.updated + facts.unchanged + facts.skipped
  const isOver = !entering && open === 0
  const total = done + failed + open
  const head =
    facts.broken !== null
      ? say`Import of ${code(facts.folder)} ended early: ${facts.broken}.`
      : isOver
        ? say`Imported ${code(facts.folder)}.`
        : say`Importing ${code(facts.folder)} …`
  const kinds = [
    [facts.created, "new"],
    [facts.updated, "changed"],
    [facts.unchanged, "unchanged"],
    [facts.skipped, "skipped"],
  ] as const
  const counts =
    files === 0
      ? say`${entering ? "" : "There are no notes in it."}`
      : say`${counted(files, "file")}: ${kinds
          .filter(([count]) => count > 0)
          .map(([count, kind]) => `${count} ${kind}`)
          .join(", ")}.`
  const embedding =
    total === 0
      ? say`${entering || files === 0 ? "" : "Nothing had to be embedded."}`
      : isOver
        ? say`${counted(done, "note")} embedded${failed > 0 ? `, ${failed} failed` : ""}.`
        : say`${done} of ${total} embedded${failed > 0 ? `, ${failed} failed` : ""}${open > 0 && !entering ? `, ${open} to go` : ""}.`
  return lines(
    head,
    counts,
    embedding,
    ...(isOver && failed > 0
      ? [
          say`Failed notes are kept. ${code("!status")} says how the model is, ${code("!!retry all")} tries again.`,
        ]
      : []),
    ...(isOver && facts.reasons.length > 0
      ? [
          say`Skipped:`,
          Message.bulleted([
            ...facts.reasons.map((reason) => Message.words(reason)),
            ...(facts.skipped > facts.reasons.length
              ? [say`and ${facts.skipped - facts.reasons.length} more`]
              : []),
          ]),
        ]
      : []),
  )
}

/** Whatever an answer that changes says now. */
export const answer = (row: Answer): Text =>
  row.facts.kind === "receipt" ? receiptEnded(row.facts, row) : imported(row.facts, row)

/** How a job ended, where that is not told by its status. */
const endings = {
  stored: undefined,
  superseded: "a newer text took over",
  deleted: "its note was deleted",
  exhausted: "every attempt went wrong",
  cancelled: "it was cancelled",
} as const

/** What an attempt went wrong by. */
export const culprit = {
  item: "the note itself",
  provider: "the model or its server",
  host: "the computer that it ran on",
} as const

/** Where a job stands. */
export const standing = ({
  outcome,
  status,
  successor,
}: Pick<Job, "outcome" | "status" | "successor">): string => {
  const ending = outcome === null ? undefined : endings[outcome]
  return ending === undefined
    ? status
    : `${status} (${ending}${successor === null ? "" : ` as job ${successor}`})`
}

const advice: { readonly [tag: string]: string } = {
  EntityNotFound: "Ids are told by !search and !list.",
  AmbiguousEntityId: "Say which one as <type>/<id>.",
  JobNotFound: "Receipts of finished jobs are cleared away after a while.",
  QueueFull: "Nothing was saved: send it again when some have been embedded.",
  InvalidEntity: "Nothing was done.",
  EmbeddingError: "Notes are safe; words find them.",
  StorageError: "Nothing was done. An operator should look at the database.",
}

/** A failure as it is told in the chat: what, and what to do. */
export const failure = (error: { readonly _tag: string; readonly message: string }): Text => {
  const todo = advice[error._tag]
  const said =
    error instanceof InvalidEntity
      ? `the ${error.field === "content" ? "text" : error.field} ${error.reason.replace(/, has (?=\d)/, ", and it has ")}`
      : error.message
  const what = said.replace(/^there is no entity "([^]*?)"(?: of type "[^"]*")?$/, 'there is no note "$1"')
  // Lists are numbered to be talked about.
  const hint = /^there is no note "\d{1,3}"$/.test(what)
    ? " The numbers of a list are no ids: those stand behind the titles."
    : ""
  return say`${what.slice(0, 1).toUpperCase()}${what.slice(1, 500)}${/[.!?]$/.test(what) ? "" : "."}${todo === undefined ? "" : ` ${todo}`}${hint}`
}

/** Whether it is a failure with a name. */
export const isTagged = (error: unknown): error is { readonly _tag: string; readonly message: string } =>
  error instanceof Error && Predicate.hasProperty(error, "_tag") && typeof error._tag === "string"
