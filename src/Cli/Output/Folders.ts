/** Documents on folders: see `Output`. */
import * as Schema from "effect/Schema"

/** A file that was left out, and why. */
export const SkippedFile = Schema.Struct({
  path: Schema.String,
  kind: Schema.Literal("skipped", "quarantined", "transient"),
  reason: Schema.String,
})

/** Both sides changed: the file was taken, and the other version is at `kept`. */
export const Conflict = Schema.Struct({ path: Schema.String, kept: Schema.String })

/** A note without its file, and why. */
export const Unexported = Schema.Struct({
  entityType: Schema.String,
  entityId: Schema.String,
  reason: Schema.String,
})

/** Notes of a type that has no folder. */
export const Elsewhere = Schema.Struct({ entityType: Schema.String, count: Schema.Number })

/** `embedbox import`; `embedded` and `failed` count jobs, and are null without `--wait`. */
export const Imported = Schema.Struct({
  folder: Schema.String,
  entityType: Schema.String,
  files: Schema.Number,
  created: Schema.Number,
  updated: Schema.Number,
  moved: Schema.Number,
  unchanged: Schema.Number,
  skipped: Schema.Array(SkippedFile),
  embedded: Schema.NullOr(Schema.Number),
  failed: Schema.NullOr(
    Schema.Array(Schema.Struct({ entityId: Schema.String, jobId: Schema.String, reason: Schema.String })),
  ),
})

/** `embedbox export` */
export const Exported = Schema.Struct({
  folder: Schema.String,
  created: Schema.Number,
  updated: Schema.Number,
  unchanged: Schema.Number,
  conflicts: Schema.Array(Conflict),
  unexported: Schema.Array(Unexported),
  elsewhere: Schema.Array(Elsewhere),
})

/** `embedbox sync`, once: what became of files (`saved`), of notes (`exported`), and what neither side got. */
export const Synced = Schema.Struct({
  folder: Schema.String,
  saved: Schema.Struct({
    created: Schema.Number,
    updated: Schema.Number,
    moved: Schema.Number,
    unchanged: Schema.Number,
  }),
  exported: Schema.Struct({ created: Schema.Number, updated: Schema.Number, unchanged: Schema.Number }),
  removed: Schema.Struct({ files: Schema.Number, notes: Schema.Number }),
  conflicts: Schema.Array(Conflict),
  skipped: Schema.Array(SkippedFile),
  unexported: Schema.Array(Unexported),
})

/** `embedbox sync --watch`: a line for each change. `path` is null where a note has no file. */
export const SyncedOne = Schema.Struct({
  what: Schema.Literal("saved", "exported", "removed", "conflict", "skipped", "unexported"),
  path: Schema.NullOr(Schema.String),
  entityType: Schema.NullOr(Schema.String),
  entityId: Schema.NullOr(Schema.String),
  /** What changed, where the other version is, or why nothing did. */
  detail: Schema.String,
})
