/** What is said between this thread and the one that reads. Rows cross by structured clone, as SQLite gives them. */
import * as Schema from "effect/Schema"

/** One statement that reads. `id` tells which question an answer is to. */
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
