/** Documents for programs that move to Embedbox: see `Output`. */
import * as Schema from "effect/Schema"

/** Where in a program; lines and columns count from 1. */
const place = { file: Schema.String, line: Schema.Number, column: Schema.Number }

/** `embedbox codemod`; `changed` are calls that were changed, or would be. */
export const Codemodded = Schema.Struct({
  dryRun: Schema.Boolean,
  files: Schema.Number,
  changedFiles: Schema.Array(Schema.String),
  changed: Schema.Array(Schema.Struct({ ...place, to: Schema.Literal("receipt", "sync") })),
  kept: Schema.Number,
  reported: Schema.Array(
    Schema.Struct({ ...place, reasons: Schema.Array(Schema.String), advice: Schema.String }),
  ),
  unclear: Schema.Array(Schema.Struct(place)),
  others: Schema.Array(Schema.Struct(place)),
  broken: Schema.Array(Schema.Struct({ file: Schema.String, reason: Schema.String })),
})

/**
 * `embedbox adopt`, without `--dry-run` what became of the rows of this run. `type` is where types come from: a column, or
 * one for all. `keptRows` and `refused` are rows that were kept as they are here and rows that were skipped, the first
 * thousand of them; `embedded` and `failed` are null without `--wait`.
 */
export const Adopted = Schema.Struct({
  dryRun: Schema.Boolean,
  database: Schema.String,
  table: Schema.String,
  type: Schema.Union(Schema.Struct({ column: Schema.String }), Schema.Struct({ all: Schema.String })),
  rows: Schema.Number,
  created: Schema.Number,
  updated: Schema.Number,
  unchanged: Schema.Number,
  kept: Schema.Number,
  keptRows: Schema.Array(
    Schema.Struct({ key: Schema.String, because: Schema.Literal("changed", "deleted") }),
  ),
  skipped: Schema.Number,
  refused: Schema.Array(Schema.Struct({ key: Schema.String, reason: Schema.String })),
  embedded: Schema.NullOr(Schema.Number),
  failed: Schema.NullOr(
    Schema.Array(Schema.Struct({ entityId: Schema.String, jobId: Schema.String, reason: Schema.String })),
  ),
})
