/** What assistants are told of notes, jobs and failures: the same wherever the same thing is told. */
import * as DateTime from "effect/DateTime"
import type {
  AmbiguousEntityId,
  EmbeddingError,
  EntityAlreadyExists,
  EntityNotFound,
  InvalidEntity,
  JobFailed,
  JobNotFound,
  QueueFull,
  StorageError,
} from "../Domain/Errors.js"
import type { EmbeddingState } from "../Domain/Job.js"
import type { SearchAnswer } from "../Domain/Search.js"
import { counted } from "../Domain/Phrases.js"
import { clipped, labelOf } from "../Domain/Text.js"
import type { EntityView } from "../EntityService.js"

/** Everything that a tool may fail with. */
export type Failure =
  | AmbiguousEntityId
  | EmbeddingError
  | EntityAlreadyExists
  | EntityNotFound
  | InvalidEntity
  | JobFailed
  | JobNotFound
  | QueueFull
  | StorageError

const advice: { readonly [Tag in Failure["_tag"]]: string } = {
  AmbiguousEntityId: "Say which one you mean with `type`.",
  EmbeddingError: 'Notes are safe. Search with mode "lexical", which needs no model, or try again later.',
  EntityAlreadyExists:
    "Nothing was saved. Choose another id, leave it out, or change that note with update_note.",
  EntityNotFound: "search_notes and list_notes tell ids and types.",
  InvalidEntity: "Nothing was done: mend it and call the tool again.",
  JobFailed: "The note is kept and found by its words. Mend the cause or the text, then call retry_job.",
  JobNotFound: "list_jobs tells ids; receipts of finished jobs are cleared away after a day.",
  QueueFull:
    "Nothing was saved. Try again when some notes have been embedded; index_status says how it goes.",
  StorageError:
    "Nothing was done. Ask the person who runs Embedbox to look at the database (embedbox doctor).",
}

const sentence = (text: string) =>
  `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`

/** What went wrong, of the things that tools speak of: notes and their types. */
const what = (error: Failure): string => {
  switch (error._tag) {
    case "EntityNotFound":
      return `there is no note "${clipped(error.entityId, 100)}"${error.entityType === undefined ? "" : ` of type "${error.entityType}"`}`
    case "EntityAlreadyExists":
      return `a note "${clipped(error.entityId, 100)}" of type "${error.entityType}" exists already`
    case "AmbiguousEntityId":
      return `there are notes "${clipped(error.entityId, 100)}" of several types: ${error.entityTypes.join(", ")}`
    case "InvalidEntity":
      return `${error.field === "entityType" ? "type" : error.field}: ${error.reason}`
    default:
      return error.message
  }
}

/** A failure in words: what, and what to do. */
export const failure = (error: Failure): string =>
  `${sentence(clipped(what(error), 500))} ${advice[error._tag]}`

/** What is told of a fault of our own. */
export const unexpected =
  "Something went wrong inside Embedbox; its log on standard error says what. Notes are safe: try again, or tell the person who runs it."

/** A time as it is told: ISO 8601, UTC. */
export const time = (millis: number): string => DateTime.formatIso(DateTime.unsafeMake(millis))

/** How an embedding stands. */
export const embedding = (state: EmbeddingState) => ({
  state: state.state,
  job: state.jobId,
  ...(state.state === "failed" ? { reason: clipped(state.reason, 500) } : {}),
})

/** A note as lists show it. */
export const listed = (view: EntityView) => ({
  id: view.id,
  type: view.entityType,
  title: clipped(labelOf(view), 200),
  characters: view.content.length,
  updated: time(view.updated),
  embedding: embedding(view.embedding),
})

/** What an answer could not see, a sentence each. */
export const blindSpots = (answer: SearchAnswer): ReadonlyArray<string> => [
  ...(answer.notice === undefined ? [] : [sentence(answer.notice)]),
  ...(answer.pending === 0 || answer.mode === "lexical"
    ? []
    : [
        `${counted(answer.pending, "note")} not embedded yet: ${answer.mode === "semantic" ? "not found by meaning" : "found by words only"}, or by older text.`,
      ]),
  ...(answer.failed === 0 || answer.mode === "lexical"
    ? []
    : [`${counted(answer.failed, "note")} could not be embedded: found by words only.`]),
]

/** A stretch of a text that ends between characters. */
export const stretch = (text: string, from: number, most: number): string => {
  const between = (at: number) => ((text.codePointAt(at - 1) ?? 0) > 0xffff ? at - 1 : at)
  return text.slice(between(Math.min(from, text.length)), between(Math.min(text.length, from + most)))
}
