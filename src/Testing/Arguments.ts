/**
 * What the calls of a test's shell take. A test is where slips are made, and one that is swallowed here gives a test that
 * cannot fail, or one that never ends.
 */
import * as Schema from "effect/Schema"
import { Fault } from "../Domain/Errors.js"
import { fields, gate, Milliseconds, oneOf, Text, that, whole } from "../Domain/Given.js"

const { optional } = Schema

/** The options that are not settings of every shell, which are looked at with those. */
export const ofShell = gate(
  fields({
    database: optional(Text),
    dimensions: optional(whole(1, 65_536)),
    windowLength: optional(whole(1)),
    maxWaiting: optional(Schema.Unknown),
    entityTypes: optional(Schema.Unknown),
  }),
)

const failing = oneOf(...Fault.literals, "crash")
const failure = { reason: optional(Text), retryAfterMs: optional(Milliseconds) }
const isFunction = (value: unknown): value is (text: string) => boolean => typeof value === "function"
const matches = that(isFunction, "must be a function of a text")

export const ofFailNext = gate(
  fields({ failing, options: optional(fields({ ...failure, times: optional(whole(1)) })) }),
)

export const ofFailWhen = gate(fields({ matches, failing, options: optional(fields(failure)) }))

export const ofHangWhen = gate(fields({ matches }))

export const ofDrain = gate(fields({ atMostMs: optional(Milliseconds) }))

export const ofAdvance = gate(fields({ milliseconds: Milliseconds }))

export const ofAbandon = gate(fields({ n: optional(whole(1)) }))
