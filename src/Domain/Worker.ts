/**
 * What a worker tells of itself, for people and for other processes. Nothing is decided by it: who may take a job is
 * settled by tokens and leases alone, so a report that is late or missing costs only knowledge.
 *
 * @example
 * import { EmbeddingQueue, type Worker } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * const sentence = ({ host, inHand, pid }: Worker.Worker) => `${host}:${pid} has ${inHand} jobs in hand`
 *
 * export const whoWorks = Effect.gen(function* () {
 *   const queue = yield* EmbeddingQueue.EmbeddingQueue
 *   return (yield* queue.workers).map(sentence)
 * })
 */
import * as Schema from "effect/Schema"
import { Millis } from "./Entity.js"

/** Whether a worker's provider of embeddings can be asked. */
export const ProviderState = Schema.Union(
  Schema.Struct({ state: Schema.Literal("closed") }),
  Schema.Struct({
    /** `open`: nothing is tried until `until`; then one job probes (`until` lies in the past). */
    state: Schema.Literal("open"),
    /** How often it has failed in a row: 1 or more. */
    failures: Schema.Int,
    /** Milliseconds since the epoch. */
    until: Schema.Number,
    reason: Schema.String,
  }),
)
export type ProviderState = typeof ProviderState.Type

/** What a worker reports. */
export const WorkerReport = Schema.Struct({
  /** Jobs that it holds. */
  inHand: Schema.Int,
  /** Jobs that it has stored since it started. */
  stored: Schema.Int,
  /** Jobs that it has failed for good since it started. */
  failed: Schema.Int,
  provider: ProviderState,
})
export interface WorkerReport extends Schema.Schema.Type<typeof WorkerReport> {}

/** A worker as others see it. Times in milliseconds since the epoch. */
export const Worker = Schema.Struct({
  /** host:pid:random, as in a job's `claimedBy`. */
  owner: Schema.String,
  host: Schema.String,
  pid: Schema.Int,
  startedAt: Millis,
  /** When it last reported. */
  beatAt: Millis,
  /** It reported within its lease. A worker that is certainly gone is not in a list at all. */
  alive: Schema.Boolean,
  ...WorkerReport.fields,
})
export interface Worker extends Schema.Schema.Type<typeof Worker> {}
