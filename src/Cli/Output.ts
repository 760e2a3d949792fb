/**
 * The documents that commands print with `--json`, as Schemas. They are an interface of their own: a script that
 * reads them must not break because a domain type gained a field, so every field is named here. Fields are added,
 * never renamed or removed.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { JsonObject } from "../Domain/Entity.js"
import { Fault } from "../Domain/Errors.js"
import { JobStatus, Outcome } from "../Domain/Job.js"
import type { Explanation } from "../Domain/Search.js"
import { Invariant } from "../Doctor/Diagnosis.js"

/** How an entity's embedding stands. */
export const Embedding = Schema.Struct({
  state: Schema.Literal("pending", "processing", "ready", "failed"),
  jobId: Schema.String,
  reason: Schema.optionalWith(Schema.String, { exact: true }),
})

/** `embedbox add` */
export const Added = Schema.Struct({ entityId: Schema.String, jobId: Schema.String })

/** `embedbox get`; times in milliseconds since the epoch. */
export const Gotten = Schema.Struct({
  entityType: Schema.String,
  id: Schema.String,
  content: Schema.String,
  metadata: JsonObject,
  contentHash: Schema.String,
  created: Schema.Number,
  updated: Schema.Number,
  embedding: Embedding,
})

/** `embedbox search`, `embedbox related`; `mode` is how the search was really made, and `notice` why it differs from the one asked for. */
export const Found = Schema.Struct({
  mode: Schema.Literal("hybrid", "semantic", "lexical"),
  notice: Schema.NullOr(Schema.String),
  /** Entities that could not be found by meaning because they are not embedded yet, or could not be. */
  pending: Schema.Number,
  failed: Schema.Number,
  results: Schema.Array(
    Schema.Struct({
      entityType: Schema.String,
      entityId: Schema.String,
      title: Schema.String,
      score: Schema.Number,
      similarity: Schema.NullOr(Schema.Number),
      lexical: Schema.Boolean,
      excerpt: Schema.String,
      /** Where the excerpt has words of the question: [from, to) in UTF-16 units. */
      marks: Schema.Array(Schema.Tuple(Schema.Number, Schema.Number)),
      /** Title and headings of the part that was found by meaning, outermost first. */
      path: Schema.Array(Schema.String),
      embedding: Embedding,
      /** With `--explain`: `score` is `semantic` + `lexical`. */
      explanation: Schema.NullOr(
        Schema.Struct({
          semantic: Schema.Number,
          lexical: Schema.Number,
          bm25: Schema.Number,
          coverage: Schema.Number,
          semanticRank: Schema.NullOr(Schema.Number),
          lexicalRank: Schema.NullOr(Schema.Number),
          chunk: Schema.NullOr(Schema.Number),
        }),
      ),
    }),
  ),
})

/** How a score came about, as documents have it. */
export const explanationOf = (explanation: Explanation | undefined) =>
  explanation === undefined
    ? null
    : {
        ...explanation,
        semanticRank: explanation.semanticRank ?? null,
        lexicalRank: explanation.lexicalRank ?? null,
        chunk: explanation.chunk ?? null,
      }

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

/** What every document tells of a job. */
const jobFields = {
  jobId: Schema.String,
  entityType: Schema.String,
  entityId: Schema.String,
  status: JobStatus,
  outcome: Schema.NullOr(Outcome),
  /** The job that took over, when the outcome is `superseded`. */
  successor: Schema.NullOr(Schema.String),
}

/** Why a job failed, or why its last attempt did, and whose fault that was. */
const failureFields = { error: Schema.NullOr(Schema.String), fault: Schema.NullOr(Fault) }

/** `embedbox job`; times in milliseconds since the epoch. */
export const Job = Schema.Struct({
  ...jobFields,
  ...failureFields,
  /** Attempts that went wrong, oldest first: the newest twenty. */
  attempts: Schema.Array(
    Schema.Struct({
      attempt: Schema.Number,
      startedAt: Schema.NullOr(Schema.Number),
      endedAt: Schema.Number,
      /** Which process had it. */
      worker: Schema.NullOr(Schema.String),
      /** What worked on it died, or fell silent. */
      crashed: Schema.Boolean,
      fault: Fault,
      error: Schema.String,
    }),
  ),
})

/** `embedbox jobs`, newest first; times in milliseconds since the epoch. */
export const Jobs = Schema.Struct({
  jobs: Schema.Array(
    Schema.Struct({
      ...jobFields,
      priority: Schema.Number,
      /** Attempts that went wrong so far. */
      failedAttempts: Schema.Number,
      /** Attempts and crashes that count now, since it was last put in line. */
      retryCount: Schema.Number,
      maxRetries: Schema.Number,
      crashCount: Schema.Number,
      ...failureFields,
      createdAt: Schema.Number,
      /** When it is due, while it waits. */
      scheduledFor: Schema.Number,
      endedAt: Schema.NullOr(Schema.Number),
    }),
  ),
  /** There are more than the limit let through. */
  more: Schema.Boolean,
})

/** `embedbox retry` */
export const Retried = Schema.Struct({ retried: Schema.Number })

/** `embedbox cancel`: how the job stands now, and whether this is what ended it. */
export const Cancelled = Schema.Struct({
  ...jobFields,
  cancelled: Schema.Boolean,
})

/** `embedbox pause`, `embedbox resume` */
export const Paused = Schema.Struct({ paused: Schema.Boolean })

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

/** `embedbox list`; times in milliseconds since the epoch. */
export const Listed = Schema.Struct({
  notes: Schema.Array(
    Schema.Struct({
      entityType: Schema.String,
      id: Schema.String,
      title: Schema.String,
      created: Schema.Number,
      updated: Schema.Number,
      embedding: Embedding,
    }),
  ),
  /** There are more behind the last one. */
  more: Schema.Boolean,
})

/** `embedbox edit` */
export const Edited = Schema.Struct({
  entityId: Schema.String,
  jobId: Schema.String,
  change: Schema.Literal("created", "updated", "unchanged"),
})

/** `embedbox rm` */
export const Removed = Schema.Struct({
  removed: Schema.Array(Schema.String),
  /** There are no such notes. */
  missing: Schema.Array(Schema.String),
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

/** Prints one document as one line. */
export const print = <A, I>(schema: Schema.Schema<A, I>, value: A): Effect.Effect<void> =>
  Effect.flatMap(Effect.orDie(Schema.encode(Schema.parseJson(schema))(value)), Console.log)
