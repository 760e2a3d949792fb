/**
 * What an examination finds, as Schemas, since it is printed, kept and compared. A check that found nothing is in it
 * too: "in order" means little without what was looked at. A broken database may have a million violations of one
 * kind, so each check names some and counts all.
 */
import * as Schema from "effect/Schema"

/** Which promise of the design's section 3; `file` is SQLite's own order. */
export const Invariant = Schema.Literal("file", "I1", "I2", "I3", "I4", "I5", "I6", "I7")
export type Invariant = typeof Invariant.Type

/** What is wrong, and with which entity or job, as far as that can be told. */
export const Violation = Schema.Struct({
  message: Schema.String,
  entityType: Schema.NullOr(Schema.String),
  entityId: Schema.NullOr(Schema.String),
  jobId: Schema.NullOr(Schema.String),
})
export interface Violation extends Schema.Schema.Type<typeof Violation> {}

/** One check: what holds where it finds nothing, and what it found. */
export const Check = Schema.Struct({
  name: Schema.String,
  invariant: Invariant,
  /** How many rows were looked at. */
  rows: Schema.Int,
  /** How many violations there are. */
  found: Schema.Int,
  /** The first `mostNamed` of them. */
  violations: Schema.Array(Violation),
})
export interface Check extends Schema.Schema.Type<typeof Check> {}

/** What every check found. */
export const Diagnosis = Schema.Struct({ checks: Schema.Array(Check) })
export interface Diagnosis extends Schema.Schema.Type<typeof Diagnosis> {}

/** What a repair did, and how the database stands after it. */
export const Repairs = Schema.Struct({
  /** Jobs given back to their line because their worker is gone. */
  claimsTakenBack: Schema.Int,
  /** Vectors without an entity. */
  vectorsRemoved: Schema.Int,
  /** Full-text rows, or their words, without entity and live box. */
  textsRemoved: Schema.Int,
  /** Full-text rows that were missing, empty or of an older version, written from the newest text. */
  textsWritten: Schema.Int,
  /** 1 where the count of waiting boxes was wrong, else 0. */
  countsCorrected: Schema.Int,
  diagnosis: Diagnosis,
})
export interface Repairs extends Schema.Schema.Type<typeof Repairs> {}

/** So many violations are named per check; the others are more of the same. */
export const mostNamed = 100

/** How many violations there are in all. */
export const violationCount = ({ checks }: Diagnosis): number =>
  checks.reduce((sum, { found }) => sum + found, 0)
