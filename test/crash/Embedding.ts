/** What waits is embedded in real time: where processes are killed no test's clock stands still. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import * as EmbeddingWorker from "../../src/EmbeddingWorker.js"

const untilQuiet = Effect.flatMap(EmbeddingQueue, ({ getStats }) =>
  Effect.repeat(getStats, {
    schedule: Schedule.spaced("20 millis"),
    while: ({ pending, processing }) => pending + processing > 0,
  }),
)

/** Until nothing waits or is worked on. */
export const embedAll = Effect.scoped(
  Effect.zipRight(Layer.build(EmbeddingWorker.layerWith({ batchSize: 4 })), untilQuiet),
)
