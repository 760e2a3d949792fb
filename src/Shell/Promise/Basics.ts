/**
 * What all interfaces of a shell are about: entities as a host knows them, and what every call takes. Apart from the
 * interfaces, which are made of these and of the types that stand on them.
 */

/**
 * What every entity has; its key is (`entityType`, `id`). A host extends it by its own types.
 *
 * @example
 * import type { BaseEntity } from "embedbox/promise"
 *
 * interface Note extends BaseEntity {
 *   readonly entityType: "note"
 *   readonly metadata: { readonly title: string; readonly tags?: ReadonlyArray<string> }
 * }
 */
export interface BaseEntity {
  readonly id: string
  /** `base` where the writer names none. */
  readonly entityType: string
  /** Markdown, front matter included. This is what is embedded, in pieces that fit the model. */
  readonly content: string
  /** Any JSON object. */
  readonly metadata: { readonly [key: string]: unknown }
  /** Covers content and metadata. */
  readonly contentHash: string
  /** Milliseconds since the epoch, as is `updated`. */
  readonly created: number
  readonly updated: number
}

/** What may be left out of a new entity of that type: what can also be absent from it. */
type Optional<Field extends string, Value, Loosest> = [Loosest] extends [Value]
  ? { readonly [Name in Field]?: Value | undefined }
  : { readonly [Name in Field]: Value }

/** What a caller gives to save an entity. The id is made, time-ordered, where it is left out. */
export type NewEntity<T extends BaseEntity = BaseEntity> = {
  readonly id?: string | undefined
  readonly content: T["content"]
} & Optional<"entityType", T["entityType"], string> &
  // oxlint-disable-next-line typescript/no-empty-object-type
  Optional<"metadata", T["metadata"], {}>

/** The fields of an entity that a change may give; what it leaves out stays. */
export interface EntityPatch<T extends BaseEntity = BaseEntity> {
  readonly content?: T["content"] | undefined
  readonly metadata?: T["metadata"] | undefined
}

/** How the embedding of an entity stands; `jobId` is the job that makes it, or made it. */
export type EmbeddingState =
  | { readonly state: "pending" | "processing" | "ready"; readonly jobId: string }
  | { readonly state: "failed"; readonly jobId: string; readonly reason: string }

/** An entity as it is read: always the newest version, and how its embedding stands. */
export type EntityView<T extends BaseEntity = BaseEntity> = T & { readonly embedding: EmbeddingState }

/** The key of an entity. */
export interface EntityKey {
  readonly entityType: string
  readonly entityId: string
}

/** What every call takes. */
export interface CallOptions {
  /**
   * Ends the call: its promise rejects with the reason of the signal. A write that is being made just then is waited
   * for, so that it was either made before the promise rejects or will never be.
   */
  readonly signal?: AbortSignal | undefined
}
