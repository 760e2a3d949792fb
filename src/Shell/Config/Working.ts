/** Settings: how the queue is worked on: what makes it fast, and what keeps it safe. */
import type * as Duration from "effect/Duration"
import * as Values from "../Values.js"
import type { TableOf } from "./Setting.js"

export interface Settings {
  /** Nothing: one more than the embedder works on. */
  readonly concurrency: number | undefined
  readonly batchSize: number
  /** Nothing: as many as suit the model. */
  readonly processes: number | undefined
  /** Nothing: as many as suit the model. */
  readonly threads: number | undefined
  /** How long a process that holds the model is kept without work. */
  readonly modelIdleTime: Duration.Duration
  readonly pollInterval: Duration.Duration
  readonly maxProcessingTime: Duration.Duration
  readonly leaseDuration: Duration.Duration
  readonly drainTimeout: Duration.Duration
  readonly cleanupInterval: Duration.Duration
  readonly cleanupAge: Duration.Duration
  readonly busyBudget: Duration.Duration
  /** Infinity: as many as the disk holds. */
  readonly maxWaiting: number
  /** Vectors that are kept by their text. */
  readonly vectorCache: number
  readonly indexMemory: number
}

export const settings: TableOf<Settings> = {
  concurrency: {
    variable: "EMBEDBOX_CONCURRENCY",
    fallback: "auto",
    meaning:
      "Batches that a worker has in hand at once. `auto` is one more than the embedder works on at a time: the next is claimed and another one stored while it computes.",
    value: Values.countOrAuto(1, 64),
  },
  batchSize: {
    variable: "EMBEDBOX_BATCH_SIZE",
    // The seed's is 1. From create to stored, as a share of the bare session, in one series of 1,000 texts with 8, 16, 32
    // and 64: 0.74, 0.80, 0.88 and 0.86. What is woken for each batch finds its caches cold.
    fallback: "32",
    meaning: "Jobs in a batch: they are embedded together and stored in one transaction.",
    value: Values.count(1, 1000),
  },
  processes: {
    variable: "EMBEDBOX_PROCESSES",
    fallback: "auto",
    meaning: "Child processes that run the model. `auto` fits it to the model and the processor's cores.",
    value: Values.countOrAuto(1, 64),
  },
  threads: {
    variable: "EMBEDBOX_THREADS",
    fallback: "auto",
    meaning: "Threads in each of them.",
    value: Values.countOrAuto(1, 256),
  },
  modelIdleTime: {
    variable: "EMBEDBOX_MODEL_IDLE_TIME",
    fallback: "5 minutes",
    meaning: "How long such a process is kept without work; it is opened again when there is some.",
    value: Values.duration("1 second", "7 days"),
  },
  pollInterval: {
    variable: "EMBEDBOX_POLL_INTERVAL",
    fallback: "100 millis",
    meaning: "How often a worker looks for jobs that another process wrote.",
    value: Values.duration("1 milli", "1 hour"),
  },
  maxProcessingTime: {
    variable: "EMBEDBOX_MAX_PROCESSING_TIME",
    fallback: "5 minutes",
    meaning: "Deadline of one attempt at a job.",
    value: Values.duration("1 second", "24 hours"),
  },
  leaseDuration: {
    variable: "EMBEDBOX_LEASE_DURATION",
    fallback: "30 seconds",
    meaning: "How long a claimed job is safe from others when its worker goes silent.",
    value: Values.duration("1 second", "1 hour"),
  },
  drainTimeout: {
    variable: "EMBEDBOX_DRAIN_TIMEOUT",
    fallback: "10 seconds",
    meaning:
      "Grace period at the end: what is not embedded by then goes back into the queue, uncounted. The command line's default is 2 seconds.",
    value: Values.duration("0 millis", "10 minutes"),
  },
  cleanupInterval: {
    variable: "EMBEDBOX_CLEANUP_INTERVAL",
    fallback: "1 hour",
    meaning: "How often receipts of completed jobs are cleared away.",
    value: Values.duration("1 second", "7 days"),
  },
  cleanupAge: {
    variable: "EMBEDBOX_CLEANUP_AGE",
    fallback: "24 hours",
    meaning: "How long such a receipt is kept.",
    value: Values.duration("1 second", "3650 days"),
  },
  busyBudget: {
    variable: "EMBEDBOX_BUSY_BUDGET",
    fallback: "10 seconds",
    meaning: "How long to wait for another process that holds the database before giving up.",
    value: Values.duration("0 millis", "10 minutes"),
  },
  maxWaiting: {
    variable: "EMBEDBOX_MAX_WAITING",
    fallback: "unlimited",
    meaning:
      "How many notes may wait for their embedding. A new note beyond is refused (`QueueFull`), never dropped; imports and bulk writes wait for room.",
    value: Values.countOrUnlimited(1, 999_999_999),
  },
  vectorCache: {
    variable: "EMBEDBOX_VECTOR_CACHE",
    fallback: "20000",
    meaning:
      "How many vectors are kept by their text, so that copies, renames and reverts are not embedded again; a thousand take 1.7 MB of the database. 0: none.",
    value: Values.count(0, 100_000_000),
  },
  indexMemory: {
    variable: "EMBEDBOX_INDEX_MEMORY",
    fallback: "512",
    meaning:
      "Megabytes of memory for searching by meaning, taken as notes need them: 0.4 KB a chunk with the default model. Chunks beyond are read from the database by every question.",
    value: Values.count(1, 1_048_576),
  },
}
