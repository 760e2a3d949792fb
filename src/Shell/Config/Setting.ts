/** What a setting is: data, from which values, errors and the README's table are made. */
import type * as Values from "../Values.js"

/** One setting: how it is called, what it is when nobody says, and what it may be. */
export interface Setting<A> {
  readonly variable: `EMBEDBOX_${string}`
  readonly fallback: string
  readonly meaning: string
  readonly value: Values.Parser<A>
}

/** A setting for each value. */
export type TableOf<Values> = { readonly [Name in keyof Values]: Setting<Values[Name]> }
