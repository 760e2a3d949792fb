/**
 * What commands work on, as they see it: Layers of rising weight, so that each command opens no more than it
 * needs. Commands know services and nobody above; the entry point composes a shell and puts it behind this tag.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { StorageError } from "../Domain/Errors.js"
import type { DirectorySync } from "../DirectorySync.js"
import type { Doctor } from "../Doctor.js"
import type { EmbeddingQueue } from "../EmbeddingQueue.js"
import type { EntityRepository } from "../EntityRepository.js"
import type { EntityService } from "../EntityService.js"
import type { InterfaceBoard } from "../InterfaceBoard.js"
import type { Reembedding } from "../Reembedding.js"
import type { Storage } from "../Storage.js"

/** Settings that are not as they must be: one line for each. */
export class BadSettings extends Schema.TaggedError<BadSettings>()("BadSettings", {
  problems: Schema.Array(Schema.String),
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

/** Which database and model a command works on. */
export interface Place {
  readonly database: string
  readonly model: string
}

type Opened<Services> = Layer.Layer<Services | PlaceTag, BadSettings | StorageError>

/** Where the services of a layer stand. */
export class PlaceTag extends Context.Tag("embedbox/Cli/Place")<PlaceTag, Place>() {}

export class Access extends Context.Tag("embedbox/Cli/Access")<
  Access,
  {
    /** What can be set, with its default: for the help. */
    readonly settings: Effect.Effect<ReadonlyArray<{ readonly variable: string; readonly fallback: string }>>
    /** The queue, what is stored and how interfaces stand: no model. */
    readonly queue: Opened<EmbeddingQueue | EntityRepository | InterfaceBoard>
    /** The database itself: its examination and its copy. No model. */
    readonly database: Opened<Doctor | Storage>
    /** Writing, reading and searching; the model is started by the first question. */
    readonly services: Opened<DirectorySync | EntityService | EmbeddingQueue | Reembedding>
    /** The same, and a worker that empties the queue beside it. */
    readonly working: Opened<DirectorySync | EntityService | EmbeddingQueue | Reembedding>
  }
>() {}
