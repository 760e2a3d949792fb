/**
 * Every error a caller can meet, as data. Those of the embedding path say whose fault they are, because
 * that decides who pays: only `item` faults spend an attempt; `provider` and `host` faults cost a job nothing.
 *
 * @example
 * import { EntityService, Errors } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const saved = (id: string, content: string) =>
 *   Effect.flatMap(EntityService.EntityService, (entities) => entities.createEntity({ id, content })).pipe(
 *     Effect.catchTag("EntityAlreadyExists", ({ entityId }) => Effect.succeed({ entityId, jobId: undefined })),
 *     Effect.mapError((error) => (error instanceof Errors.StorageError ? "try again" : error.message)),
 *   )
 */
import * as Schema from "effect/Schema"

/** Who is to blame for a failure of the embedding path. */
export const Fault = Schema.Literal("item", "provider", "host")
export type Fault = typeof Fault.Type

/** What was given was refused before anything was done. `field` is a path such as `metadata.tags[2]`, or the name of an option. */
export class InvalidEntity extends Schema.TaggedError<InvalidEntity>()("InvalidEntity", {
  field: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `${this.field}: ${this.reason}`
  }
}

/** What was to be registered for a type of entity does not work; nothing was registered. */
export class InvalidAdapter extends Schema.TaggedError<InvalidAdapter>()("InvalidAdapter", {
  entityType: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    const of = this.entityType === "" ? "" : ` for entities of type "${this.entityType}"`
    return `the adapter${of} ${this.reason}`
  }
}

/** As many boxes wait as may: nothing was stored. Try again when the worker has made room. */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {
  waiting: Schema.Int,
  limit: Schema.Int,
}) {
  override get message() {
    return `the queue is full: ${this.waiting === 1 ? "1 box waits" : `${this.waiting} boxes wait`}, at most ${this.limit} may`
  }
}

/**
 * Neither a live box nor a stored row has this key; where no type was named, none of any type. "Not embedded yet" is a
 * different answer.
 */
export class EntityNotFound extends Schema.TaggedError<EntityNotFound>()("EntityNotFound", {
  entityType: Schema.UndefinedOr(Schema.String),
  entityId: Schema.String,
}) {
  override get message() {
    const of = this.entityType === undefined ? "" : ` of type "${this.entityType}"`
    return `there is no entity "${this.entityId}"${of}`
  }
}

/** `createEntity` on a taken key; `upsertEntity` replaces instead. */
export class EntityAlreadyExists extends Schema.TaggedError<EntityAlreadyExists>()("EntityAlreadyExists", {
  entityType: Schema.String,
  entityId: Schema.String,
}) {
  override get message() {
    return `an entity "${this.entityId}" of type "${this.entityType}" exists already`
  }
}

/** An id was given without its type, and entities of several types bear it. */
export class AmbiguousEntityId extends Schema.TaggedError<AmbiguousEntityId>()("AmbiguousEntityId", {
  entityId: Schema.String,
  entityTypes: Schema.Array(Schema.String),
}) {
  override get message() {
    return `the id "${this.entityId}" stands for entities of several types: ${this.entityTypes.join(", ")}`
  }
}

/** No job has this id: it never existed, or its receipt was cleaned up. */
export class JobNotFound extends Schema.TaggedError<JobNotFound>()("JobNotFound", {
  jobId: Schema.String,
}) {
  override get message() {
    return `there is no job "${this.jobId}"`
  }
}

/** What `awaitJob` fails with when the job ended as `failed`. The entity is kept in its box. */
export class JobFailed extends Schema.TaggedError<JobFailed>()("JobFailed", {
  jobId: Schema.String,
  entityType: Schema.String,
  entityId: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `job ${this.jobId} failed: ${this.reason}`
  }
}

/**
 * A job was waited for inside a transaction. It cannot end before that has: no worker sees what is not committed, nor
 * writes while the database is held.
 */
export class InsideTransaction extends Schema.TaggedError<InsideTransaction>()("InsideTransaction", {
  jobId: Schema.String,
}) {
  override get message() {
    return `job ${this.jobId} cannot end while this transaction is open: wait for it after the commit`
  }
}

/** What `awaitSearchable` fails with when the entity cannot be found by meaning: it still waits, or was deleted. */
export class NotSearchable extends Schema.TaggedError<NotSearchable>()("NotSearchable", {
  jobId: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `what job ${this.jobId} saved cannot be found by meaning: ${this.reason}`
  }
}

/** The claim is gone: the job was reclaimed, superseded, deleted or cancelled meanwhile. Store nothing. */
export class ClaimLost extends Schema.TaggedError<ClaimLost>()("ClaimLost", {
  jobId: Schema.String,
}) {
  override get message() {
    return `the claim on job ${this.jobId} is gone`
  }
}

/**
 * An embedding could not be made. `retryAfterMillis` is what a provider asked for. `crashed` says that the process
 * that computed died meanwhile: it may have been the text's doing, or a kill from outside, and only trying the texts
 * one by one can tell.
 */
export class EmbeddingError extends Schema.TaggedError<EmbeddingError>()("EmbeddingError", {
  fault: Fault,
  reason: Schema.String,
  retryAfterMillis: Schema.optionalWith(Schema.Number, { exact: true }),
  crashed: Schema.optionalWith(Schema.Boolean, { exact: true }),
  cause: Schema.optionalWith(Schema.Defect, { exact: true }),
}) {
  override get message() {
    return this.reason
  }
}

/** What kind of trouble the database is in. */
export const StorageTrouble = Schema.Literal(
  "Busy",
  "Full",
  "ReadOnly",
  "Corrupt",
  "CannotOpen",
  "NewerVersion",
  "InvalidRow",
  "NotLoaded",
  "Other",
)
export type StorageTrouble = typeof StorageTrouble.Type

/** The database said no. Always a fault of the host: no job pays for it. */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  trouble: StorageTrouble,
  reason: Schema.String,
  cause: Schema.optionalWith(Schema.Defect, { exact: true }),
}) {
  readonly fault: Fault = "host"
  override get message() {
    return this.reason
  }
}
