/** What is said between this thread and that of the connection. Rows cross by structured clone, as SQLite gives them. */
import * as Schema from "effect/Schema"

/** What the thread connects to. */
export interface Connecting {
  readonly filename: string
  readonly readonly: boolean
}

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
