/**
 * How an interface that lives on a connection of its own stands (the Matrix bot is one): for people and for other
 * processes. Nothing is decided by it.
 */
import * as Schema from "effect/Schema"
import { Millis } from "./Entity.js"

/**
 * `connected`: it hears and answers. `retrying`: the connection is lost and is sought again. `refused`: the other side
 * turns it away, and somebody must mend that. `standby`: another process speaks for the same account.
 */
export const InterfaceState = Schema.Literal("starting", "connected", "retrying", "refused", "standby")
export type InterfaceState = typeof InterfaceState.Type

/** What an interface reports. */
export const InterfaceReport = Schema.Struct({
  /** Which interface, such as `matrix`. */
  name: Schema.String,
  /** For whom it speaks, such as a user id. */
  subject: Schema.String,
  state: InterfaceState,
  /** Why it is not connected. */
  reason: Schema.NullOr(Schema.String),
  /** Messages that are still to go out. */
  waiting: Schema.Int,
})
export interface InterfaceReport extends Schema.Schema.Type<typeof InterfaceReport> {}

/** An interface as others see it. Times in milliseconds since the epoch. */
export const InterfaceNotice = Schema.Struct({
  ...InterfaceReport.fields,
  /** The process, as host:pid:random. */
  owner: Schema.String,
  /** Since when it has been in this state. */
  since: Millis,
  /** When it last reported, and whether that was lately. One that is certainly gone is not in a list at all. */
  beatAt: Millis,
  alive: Schema.Boolean,
})
export interface InterfaceNotice extends Schema.Schema.Type<typeof InterfaceNotice> {}
