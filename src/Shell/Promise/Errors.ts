/**
 * The errors that promises reject with. A host that does not use Effect tells errors apart by class or by `code`, logs
 * `name`, `message` and `stack`, and decides by `fault` whether trying again can help; so each typed error has a class
 * of its own here, with the same fields. The `code` is for ever: it survives serialisation, minifiers, and two copies of
 * this package in one process, in which `instanceof` does not. What has no typed error is a bug, and is told as one.
 */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import type * as Typed from "../../Domain/Errors.js"
import type { AdoptionRefused } from "../../Adopting/Mapping.js"
import type { InvalidSettings } from "../Config.js"
import type { Stopped } from "./Life.js"

/**
 * Who can do something about it: the `caller` gave or asked for what cannot be; the `item` (a text) cannot be embedded;
 * the `provider` of the model is down or refuses; the `host` (this machine, its database, this program) is in trouble.
 */
export type ErrorFault = "caller" | Typed.Fault

/** The code of every error, for ever. */
export type ErrorCode =
  | "INVALID_ENTITY"
  | "INVALID_SETTINGS"
  | "INVALID_ADAPTER"
  | "ADOPTION_REFUSED"
  | "ENTITY_NOT_FOUND"
  | "ENTITY_ALREADY_EXISTS"
  | "AMBIGUOUS_ENTITY_ID"
  | "QUEUE_FULL"
  | "JOB_NOT_FOUND"
  | "JOB_FAILED"
  | "NOT_SEARCHABLE"
  | "EMBEDDING_FAILED"
  | "STORAGE_BUSY"
  | "STORAGE_FULL"
  | "STORAGE_READ_ONLY"
  | "STORAGE_CORRUPT"
  | "STORAGE_CANNOT_OPEN"
  | "STORAGE_NEWER_VERSION"
  | "STORAGE_INVALID_ROW"
  | "STORAGE_NOT_LOADED"
  | "STORAGE_OTHER"
  | "SHELL_STOPPED"
  | "INTERNAL"

/** What every error of a shell is. */
export abstract class EmbedboxError extends Error {
  abstract readonly code: ErrorCode
  abstract readonly fault: ErrorFault
}

/** A type of entity that a shell was given does not work. */
export class InvalidAdapterError extends EmbedboxError {
  override readonly name = "InvalidAdapterError"
  readonly code = "INVALID_ADAPTER"
  readonly fault = "caller"
  readonly entityType: string
  readonly reason: string
  constructor(cause: Typed.InvalidAdapter) {
    super(cause.message, { cause })
    this.entityType = cause.entityType
    this.reason = cause.reason
  }
}

/** A table cannot be brought in as it was asked: nothing was done. */
export class AdoptionRefusedError extends EmbedboxError {
  override readonly name = "AdoptionRefusedError"
  readonly code = "ADOPTION_REFUSED"
  readonly fault = "caller"
  constructor(cause: AdoptionRefused) {
    super(cause.message, { cause })
  }
}

/** What was given was refused before anything was done. `field` is a path such as `metadata.tags[2]`, or the name of an argument or option. */
export class InvalidEntityError extends EmbedboxError {
  override readonly name = "InvalidEntityError"
  readonly code = "INVALID_ENTITY"
  readonly fault = "caller"
  readonly field: string
  readonly reason: string
  constructor(cause: Typed.InvalidEntity) {
    super(cause.message, { cause })
    this.field = cause.field
    this.reason = cause.reason
  }
}

/** What `createShell` was given cannot be: a line for each problem. */
export class InvalidSettingsError extends EmbedboxError {
  override readonly name = "InvalidSettingsError"
  readonly code = "INVALID_SETTINGS"
  readonly fault = "caller"
  readonly problems: ReadonlyArray<string>
  constructor(cause: InvalidSettings) {
    super(cause.message, { cause })
    this.problems = cause.problems
  }
}

/** There is no such entity, embedded or not. `entityType`: the type that was named, if one was. */
export class EntityNotFoundError extends EmbedboxError {
  override readonly name = "EntityNotFoundError"
  readonly code = "ENTITY_NOT_FOUND"
  readonly fault = "caller"
  readonly entityType: string | undefined
  readonly entityId: string
  constructor(cause: Typed.EntityNotFound) {
    super(cause.message, { cause })
    this.entityType = cause.entityType
    this.entityId = cause.entityId
  }
}

/** The key is taken; `upsertEntity` replaces instead. */
export class EntityAlreadyExistsError extends EmbedboxError {
  override readonly name = "EntityAlreadyExistsError"
  readonly code = "ENTITY_ALREADY_EXISTS"
  readonly fault = "caller"
  readonly entityType: string
  readonly entityId: string
  constructor(cause: Typed.EntityAlreadyExists) {
    super(cause.message, { cause })
    this.entityType = cause.entityType
    this.entityId = cause.entityId
  }
}

/** An id was given without its type, and several types have it. */
export class AmbiguousEntityIdError extends EmbedboxError {
  override readonly name = "AmbiguousEntityIdError"
  readonly code = "AMBIGUOUS_ENTITY_ID"
  readonly fault = "caller"
  readonly entityId: string
  readonly entityTypes: ReadonlyArray<string>
  constructor(cause: Typed.AmbiguousEntityId) {
    super(cause.message, { cause })
    this.entityId = cause.entityId
    this.entityTypes = cause.entityTypes
  }
}

/** As many entities wait as may (`maxWaiting`): nothing was stored. Try again when the worker has made room. */
export class QueueFullError extends EmbedboxError {
  override readonly name = "QueueFullError"
  readonly code = "QUEUE_FULL"
  readonly fault = "host"
  readonly waiting: number
  readonly limit: number
  constructor(cause: Typed.QueueFull) {
    super(cause.message, { cause })
    this.waiting = cause.waiting
    this.limit = cause.limit
  }
}

/** No job has this id: it never existed, or its receipt was cleaned up. */
export class JobNotFoundError extends EmbedboxError {
  override readonly name = "JobNotFoundError"
  readonly code = "JOB_NOT_FOUND"
  readonly fault = "caller"
  readonly jobId: string
  constructor(cause: Typed.JobNotFound) {
    super(cause.message, { cause })
    this.jobId = cause.jobId
  }
}

/** The job ended as failed. Its entity is kept, and can be read and tried again. */
export class JobFailedError extends EmbedboxError {
  override readonly name = "JobFailedError"
  readonly code = "JOB_FAILED"
  readonly fault = "item"
  readonly jobId: string
  readonly entityType: string
  readonly entityId: string
  readonly reason: string
  constructor(cause: Typed.JobFailed) {
    super(cause.message, { cause })
    this.jobId = cause.jobId
    this.entityType = cause.entityType
    this.entityId = cause.entityId
    this.reason = cause.reason
  }
}

/** It was not embedded in time, or deleted meanwhile. */
export class NotSearchableError extends EmbedboxError {
  override readonly name = "NotSearchableError"
  readonly code = "NOT_SEARCHABLE"
  readonly fault = "host"
  readonly jobId: string
  readonly reason: string
  constructor(cause: Typed.NotSearchable) {
    super(cause.message, { cause })
    this.jobId = cause.jobId
    this.reason = cause.reason
  }
}

/** An embedding could not be made: that of a question, or that of `createEntitySync`. */
export class EmbeddingFailedError extends EmbedboxError {
  override readonly name = "EmbeddingFailedError"
  readonly code = "EMBEDDING_FAILED"
  readonly fault: Typed.Fault
  readonly reason: string
  /** When the provider wants to be asked again, in milliseconds from then on; nothing where it did not say. */
  readonly retryAfterMs: number | undefined
  constructor(cause: Typed.EmbeddingError) {
    super(cause.message, { cause })
    this.fault = cause.fault
    this.reason = cause.reason
    this.retryAfterMs = cause.retryAfterMillis
  }
}

const storageCodes = {
  Busy: "STORAGE_BUSY",
  Full: "STORAGE_FULL",
  ReadOnly: "STORAGE_READ_ONLY",
  Corrupt: "STORAGE_CORRUPT",
  CannotOpen: "STORAGE_CANNOT_OPEN",
  NewerVersion: "STORAGE_NEWER_VERSION",
  InvalidRow: "STORAGE_INVALID_ROW",
  NotLoaded: "STORAGE_NOT_LOADED",
  Other: "STORAGE_OTHER",
} as const

/** The database said no; the code says what kind of trouble it is in. */
export class StorageFailedError extends EmbedboxError {
  override readonly name = "StorageFailedError"
  readonly code: (typeof storageCodes)[Typed.StorageTrouble]
  readonly fault = "host"
  readonly reason: string
  constructor(cause: Typed.StorageError) {
    super(cause.message, { cause })
    this.code = storageCodes[cause.trouble]
    this.reason = cause.reason
  }
}

/** The shell was stopped, before the call or during it. */
export class ShellStoppedError extends EmbedboxError {
  override readonly name = "ShellStoppedError"
  readonly code = "SHELL_STOPPED"
  readonly fault = "caller"
  constructor() {
    super("the shell was stopped: call createShell for a new one")
  }
}

/** A bug of Embedbox, or of a function that it was given: see `cause`. */
export class InternalError extends EmbedboxError {
  override readonly name = "InternalError"
  readonly code = "INTERNAL"
  readonly fault = "host"
  constructor(cause: unknown) {
    super(`unexpected: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** Every typed error that a shell's effects fail with. */
export type Failure =
  | InvalidSettings
  | Stopped
  | AdoptionRefused
  | Typed.InvalidAdapter
  | Typed.InvalidEntity
  | Typed.QueueFull
  | Typed.EntityNotFound
  | Typed.EntityAlreadyExists
  | Typed.AmbiguousEntityId
  | Typed.JobNotFound
  | Typed.JobFailed
  | Typed.NotSearchable
  | Typed.EmbeddingError
  | Typed.StorageError

/** The error of a typed one. */
export const ofFailure = (failure: Failure): EmbedboxError => {
  switch (failure._tag) {
    case "InvalidEntity":
      return new InvalidEntityError(failure)
    case "InvalidAdapter":
      return new InvalidAdapterError(failure)
    case "AdoptionRefused":
      return new AdoptionRefusedError(failure)
    case "InvalidSettings":
      return new InvalidSettingsError(failure)
    case "EntityNotFound":
      return new EntityNotFoundError(failure)
    case "EntityAlreadyExists":
      return new EntityAlreadyExistsError(failure)
    case "AmbiguousEntityId":
      return new AmbiguousEntityIdError(failure)
    case "QueueFull":
      return new QueueFullError(failure)
    case "JobNotFound":
      return new JobNotFoundError(failure)
    case "JobFailed":
      return new JobFailedError(failure)
    case "NotSearchable":
      return new NotSearchableError(failure)
    case "EmbeddingError":
      return new EmbeddingFailedError(failure)
    case "StorageError":
      return new StorageFailedError(failure)
    case "Stopped":
      return new ShellStoppedError()
  }
}

/** The error of whatever ended a call; only a stop interrupts a call whose caller did not. */
export const ofCause = (cause: Cause.Cause<Failure>): EmbedboxError =>
  Option.match(Cause.failureOption(cause), {
    onSome: ofFailure,
    onNone: () =>
      Cause.isInterruptedOnly(cause) ? new ShellStoppedError() : new InternalError(Cause.squash(cause)),
  })
