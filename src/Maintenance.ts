/**
 * The queue's housekeeping, each duty on its own schedule: receipts of long completed jobs go, jobs whose worker
 * died come back. It is apart from the worker because any process may do it, with or without a model, and because
 * it must go on while every hand of the worker is busy.
 *
 * @example
 * import { Maintenance } from "embedbox"
 *
 * export const keepsReceiptsForAMonth = Maintenance.layerWith({ cleanupAge: "30 days" })
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { StorageError } from "./Domain/Errors.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"

/** How often what is done. */
export interface Settings {
  /** How often receipts are cleaned up. */
  readonly cleanupInterval: Duration.DurationInput
  /** How long the receipt of a completed job is kept. */
  readonly cleanupAge: Duration.DurationInput
  /** How often jobs of dead workers are looked for. */
  readonly reclaimInterval: Duration.DurationInput
}

/** The seed's numbers, where it names any. */
export const defaults: Settings = {
  cleanupInterval: "1 hour",
  cleanupAge: "24 hours",
  reclaimInterval: "5 seconds",
}

/** Does the duty at once and then on its schedule; a failure is logged and the next time comes. */
const onSchedule = (
  name: string,
  interval: Duration.DurationInput,
  duty: Effect.Effect<number, StorageError>,
) =>
  duty.pipe(
    Effect.flatMap((count) => (count > 0 ? Effect.logInfo(`${name}: ${count}`) : Effect.void)),
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : Effect.logError(`${name} failed`, cause),
    ),
    Effect.withTracerEnabled(false),
    Effect.repeat(Schedule.spaced(interval)),
    Effect.forkScoped,
  )

/** Housekeeping with other settings than the defaults, for as long as the Layer stands. */
export const layerWith = (given: Partial<Settings>): Layer.Layer<never, never, EmbeddingQueue> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const settings: Settings = { ...defaults, ...given }
      const queue = yield* EmbeddingQueue
      yield* onSchedule("jobs taken back from dead workers", settings.reclaimInterval, queue.reclaim)
      yield* onSchedule(
        "receipts cleaned up",
        settings.cleanupInterval,
        queue.cleanup(Duration.toMillis(settings.cleanupAge)),
      )
    }),
  )

/** Housekeeping with the seed's settings. */
export const layer: Layer.Layer<never, never, EmbeddingQueue> = layerWith({})
