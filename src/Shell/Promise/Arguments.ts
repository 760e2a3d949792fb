/**
 * What the calls of a shell take, of what the services behind it do not look at themselves: the arguments before the
 * options, and the options that are the shell's own. Whoever calls may be JavaScript, and what does not fit is the
 * caller's fault, told by the name of the argument, and never this package's or the machine's.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { Fault, InvalidEntity } from "../../Domain/Errors.js"
import { fields, Flag, gate, Milliseconds, oneOf, Text, Texts, that, whole } from "../../Domain/Given.js"

const { optional } = Schema

// ---- options -----------------------------------------------------------------------------------------------

/** Whether it is a signal, of this realm or another. */
export const isSignal = (value: unknown): value is AbortSignal =>
  Predicate.hasProperty(value, "aborted") &&
  typeof value.aborted === "boolean" &&
  Predicate.hasProperty(value, "throwIfAborted") &&
  typeof value.throwIfAborted === "function" &&
  Predicate.hasProperty(value, "addEventListener") &&
  typeof value.addEventListener === "function"

/** The signal among options. */
export const signalOf = (options: unknown): Either.Either<AbortSignal | undefined, InvalidEntity> => {
  if (options === undefined) return Either.right(undefined)
  if (!Predicate.isRecord(options))
    return Either.left(new InvalidEntity({ field: "options", reason: "must be an object" }))
  const { signal } = options
  return signal === undefined || isSignal(signal)
    ? Either.right(signal)
    : Either.left(new InvalidEntity({ field: "signal", reason: "must be an AbortSignal" }))
}

/** The options but for the signal, which `signalOf` has looked at. */
export const beside = <Options extends { readonly signal?: AbortSignal | undefined }>(
  options: Options,
): Omit<Options, "signal"> => {
  const { signal: _, ...said } = options
  return said
}

/** No option but the signal, and that has been taken out. */
export const none = gate(fields({ signal: optional(Schema.Undefined) }))

export const ofAwait = gate(fields({ pollEveryMs: optional(whole(1)) }))

export const ofAdopt = gate(fields({ again: optional(Flag) }))

export const ofRetry = gate(
  fields({
    jobId: optional(Text),
    entityType: optional(Text),
    fault: optional(oneOf(...Fault.literals)),
    errorContains: optional(Text),
    outcome: optional(oneOf("exhausted", "cancelled")),
  }),
)

// ---- arguments before them ---------------------------------------------------------------------------------

const isText = (value: unknown) => typeof value === "string"

/** What is left out where options follow: given in its place, they would be taken for it. */
const TypeName = that(isText, "must be a text (options come behind it)")

/** An id, and the type that it may stand without. */
export const ofEntity = gate(fields({ entityId: Text, entityType: optional(TypeName) }))

const Key = fields({ entityId: Text, entityType: Text })

export const ofMove = gate(fields({ from: Key, to: Key }))

export const ofJob = gate(fields({ jobId: Text }))

export const ofWait = gate(fields({ jobId: Text, timeoutMs: Milliseconds }))

export const ofCleanup = gate(fields({ olderThanMs: Milliseconds }))

export const ofReset = gate(fields({ stuckAfterMs: optional(Milliseconds) }))

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** Each of them is looked at by itself. */
export const ofMany = gate(fields({ entities: that(isList, "must be a list") }))

export const ofAdoption = gate(
  fields({
    file: Text,
    mapping: fields({
      table: Text,
      id: Text,
      content: Text,
      type: optional(Text),
      metadata: optional(Texts),
      metadataJson: optional(Text),
      created: optional(Text),
      updated: optional(Text),
    }),
  }),
)
