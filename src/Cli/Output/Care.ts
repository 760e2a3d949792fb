/** Documents on the whole: see `Output`. */
import * as Schema from "effect/Schema"
import { Invariant } from "../../Doctor/Diagnosis.js"

/** `embedbox status` */
export const Status = Schema.Struct({
  database: Schema.String,
  model: Schema.String,
  /** Entities that are embedded and stored. */
  stored: Schema.Number,
  paused: Schema.Boolean,
  queue: Schema.Struct({
    pending: Schema.Number,
    processing: Schema.Number,
    failed: Schema.Number,
    completed: Schema.Number,
  }),
  /** How long what heads the line has been due. */
  lagMillis: Schema.Number,
  /** A change of model that was begun: entities that have vectors of the new one. */
  reembedding: Schema.NullOr(
    Schema.Struct({ to: Schema.String, embedded: Schema.Number, stored: Schema.Number }),
  ),
  /** Processes that embed; times in milliseconds since the epoch. */
  workers: Schema.Array(
    Schema.Struct({
      owner: Schema.String,
      host: Schema.String,
      pid: Schema.Number,
      startedAt: Schema.Number,
      /** When it last reported, and whether that was within its lease. */
      beatAt: Schema.Number,
      alive: Schema.Boolean,
      inHand: Schema.Number,
      /** Jobs since it started. */
      stored: Schema.Number,
      failed: Schema.Number,
      /** `open`: it is down, and is asked again at `until`. */
      provider: Schema.Union(
        Schema.Struct({ state: Schema.Literal("closed") }),
        Schema.Struct({
          state: Schema.Literal("open"),
          failures: Schema.Number,
          until: Schema.Number,
          reason: Schema.String,
        }),
      ),
    }),
  ),
  /** Interfaces on a connection of their own, such as the Matrix bot; times in milliseconds since the epoch. */
  interfaces: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      /** For whom it speaks. */
      subject: Schema.String,
      state: Schema.Literal("starting", "connected", "retrying", "refused", "standby"),
      /** Why it is not connected. */
      reason: Schema.NullOr(Schema.String),
      /** Messages that are still to go out. */
      waiting: Schema.Number,
      owner: Schema.String,
      since: Schema.Number,
      /** When it last reported, and whether that was lately. */
      beatAt: Schema.Number,
      alive: Schema.Boolean,
    }),
  ),
})

/** `embedbox config` */
export const Settings = Schema.Struct({
  settings: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      variable: Schema.String,
      /** Hidden where it is a secret. */
      value: Schema.String,
      /** `default`, `environment`, `flag`, or the file. */
      source: Schema.String,
    }),
  ),
})

/** `embedbox doctor`; `repairs` is null without `--repair`, and what is found is found after it. */
export const Diagnosed = Schema.Struct({
  database: Schema.String,
  violations: Schema.Number,
  checks: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      invariant: Invariant,
      /** Rows that were looked at. */
      rows: Schema.Number,
      found: Schema.Number,
      /** The first hundred of them. */
      violations: Schema.Array(
        Schema.Struct({
          message: Schema.String,
          entityType: Schema.NullOr(Schema.String),
          entityId: Schema.NullOr(Schema.String),
          jobId: Schema.NullOr(Schema.String),
        }),
      ),
    }),
  ),
  repairs: Schema.NullOr(
    Schema.Struct({
      claimsTakenBack: Schema.Number,
      vectorsRemoved: Schema.Number,
      textsRemoved: Schema.Number,
      textsWritten: Schema.Number,
      countsCorrected: Schema.Number,
    }),
  ),
})

/** `embedbox reembed --dry-run` */
export const ReembedPlan = Schema.Struct({
  /** The fingerprint that is searched, and that of the configured model. */
  from: Schema.String,
  to: Schema.String,
  /** Notes to embed, of those that are stored. */
  entities: Schema.Number,
  stored: Schema.Number,
  /** Estimates, by a sample. */
  chunks: Schema.Number,
  tokens: Schema.Number,
  millis: Schema.Number,
})

/** `embedbox reembed` */
export const Reembedded = Schema.Struct({
  from: Schema.String,
  to: Schema.String,
  embedded: Schema.Number,
  /** Notes that the new model refuses: as long as there are any, nothing is changed. */
  refused: Schema.Array(
    Schema.Struct({ entityType: Schema.String, entityId: Schema.String, reason: Schema.String }),
  ),
  /** `to` is searched now. */
  changed: Schema.Boolean,
  dropped: Schema.Number,
})

/** `embedbox backup` */
export const BackedUp = Schema.Struct({
  path: Schema.String,
  bytes: Schema.Number,
  /** Entities that are embedded and stored. */
  entities: Schema.Number,
  waiting: Schema.Number,
  failed: Schema.Number,
})
