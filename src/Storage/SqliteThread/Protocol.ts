/** What is said between this thread and that of the connection. Rows cross by structured clone, as SQLite gives them. */
import * as Schema from "effect/Schema"

/** What the thread connects to. */
export const Connecting = Schema.Struct({ filename: Schema.String, readonly: Schema.Boolean })
export type Connecting = typeof Connecting.Type

/** One statement. `id` tells which question an answer is to. */
export interface Question {
  readonly id: number
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
}

/** Its rows, or SQLite's code and words. */
export const Answer = Schema.Union(
  Schema.Struct({ id: Schema.Int, rows: Schema.Array(Schema.Unknown) }),
  Schema.Struct({ id: Schema.Int, code: Schema.String, message: Schema.String }),
)
export type Answer = typeof Answer.Type
