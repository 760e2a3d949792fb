/**
 * What commands work on, as they see it: Layers of rising weight, so that each command opens no more than it
 * needs. Commands know services and nobody above; the entry point composes a shell and puts it behind this tag.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Adopting } from "../Adopting.js"
import type { StorageError } from "../Domain/Errors.js"
import type { DirectorySync } from "../DirectorySync.js"
import type { Doctor } from "../Doctor.js"
import type { Embedder } from "../Embedder.js"
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

/** Where settings are to be read from besides the environment. */
export interface Asked {
  /** The only file, in place of those that are found. */
  readonly file?: string | undefined
  /** Settings by name. */
  readonly flags?: ReadonlyArray<readonly [name: string, text: string]> | undefined
}

/** Where settings are read from in this run. */
export class AskedTag extends Context.Tag("embedbox/Cli/Asked")<AskedTag, Asked>() {}

/** A setting that counts, and who says so. */
export interface Effective {
  readonly name: string
  readonly variable: string
  /** Hidden where it is a secret. */
  readonly value: string
  readonly source: string
}

/** What all settings are in this run. */
export class SettingsTag extends Context.Tag("embedbox/Cli/Settings")<
  SettingsTag,
  {
    readonly effective: Effect.Effect<ReadonlyArray<Effective>, BadSettings>
    /** Of each variable of the environment that looks like a setting and is none, a sentence. */
    readonly strangers: Effect.Effect<ReadonlyArray<string>>
  }
>() {}

/** Which database and model a command works on. */
export interface Place {
  readonly database: string
  readonly model: string
}

type Opened<Services> = Layer.Layer<Services | PlaceTag, BadSettings | StorageError>

/** What commands work with. */
export type Services =
  | Adopting
  | DirectorySync
  | Embedder
  | EmbeddingQueue
  | EntityRepository
  | EntityService
  | InterfaceBoard
  | Reembedding

/** Where the services of a layer stand. */
export class PlaceTag extends Context.Tag("embedbox/Cli/Place")<PlaceTag, Place>() {}

export class Access extends Context.Tag("embedbox/Cli/Access")<
  Access,
  {
    /** Has all that follows read its settings as it is asked to. */
    readonly configured: (asked: Asked) => Layer.Layer<SettingsTag, BadSettings>
    /** The daemon, until it is interrupted. */
    readonly daemon: Effect.Effect<never, BadSettings | StorageError>
    /** The queue, what is stored and how interfaces stand: no model. */
    readonly queue: Opened<EmbeddingQueue | EntityRepository | InterfaceBoard>
    /** The database itself: its examination and its copy. No model. */
    readonly database: Opened<Doctor | Storage>
    /** Writing, reading and searching; the model is started by the first question. */
    readonly services: Opened<Services>
    /** The same, and a worker that empties the queue beside it. */
    readonly working: Opened<Services>
  }
>() {}
