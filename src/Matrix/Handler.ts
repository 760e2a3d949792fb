/**
 * What a command is to its handler. A handler works in two steps: first whatever takes time (a search, a file from the
 * homeserver), then, as the effect that it answers, what is written. That second step runs in the transaction which
 * ends the command and holds its answer, so the command and its effects are one.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type {
  AmbiguousEntityId,
  EmbeddingError,
  EntityAlreadyExists,
  EntityNotFound,
  InvalidEntity,
  JobNotFound,
  QueueFull,
  StorageError,
} from "../Domain/Errors.js"
import type { Facts } from "./AnswerRows.js"
import type { Command } from "./Command.js"
import type { Cursor } from "./Cursors.js"
import type { Message, RoomEvent } from "./Events.js"
import type { Text } from "./Message.js"
import type { Role } from "./Roles.js"
import type { SessionError } from "./Session.js"

/** A command whose turn has come, and who gave it where. */
export interface Request {
  readonly command: Command
  readonly event: RoomEvent
  readonly message: Message
  readonly roomId: string
  readonly role: Role
}

/** What is answered. */
export interface Reply {
  /** What was done, for whoever looks into the table of commands. */
  readonly effect: string
  readonly text: Text
  /** The answer will change when these jobs have ended; with `entering`, more of them will come. */
  readonly follow?: {
    readonly facts: Facts
    readonly jobs: ReadonlyArray<string>
    readonly entering: boolean
  }
  /** Where `!more` goes on. Absent: what it was stays. */
  readonly cursor?: Cursor | undefined
}

/** The command cannot be meant, or cannot be done here. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

export type Failure =
  | Refused
  | SessionError
  | StorageError
  | AmbiguousEntityId
  | EmbeddingError
  | EntityAlreadyExists
  | EntityNotFound
  | InvalidEntity
  | JobNotFound
  | QueueFull

export type Commit = Effect.Effect<Reply, Failure>

export type Handler = (request: Request) => Effect.Effect<Commit, Failure>
