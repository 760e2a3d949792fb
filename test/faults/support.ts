/**
 * What the tests of injected faults share. Each works on a real file, and each ends with the doctor: whatever was done
 * to the system, what it leaves behind must be in order.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Doctor from "../../src/Doctor.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import {
  settle,
  type Options,
  passTimeUntil,
  plainBackoff,
  quiet,
  system,
  temporaryDatabase,
} from "../support.js"

/** What the doctor finds. */
export const findings = Effect.gen(function* () {
  const { checks } = yield* (yield* Doctor.Doctor).examine
  return checks.flatMap(({ violations }) =>
    violations.map(({ entityId, message }) => ({ entityId, message })),
  )
})

/** The system on a file of its own; a worker ends before the doctor comes, and the doctor finds nothing. */
export const onFile = <A, E, R>(
  test: (file: string) => Effect.Effect<A, E, R>,
  options: Omit<Options, "filename"> = {},
) =>
  Effect.gen(function* () {
    const file = yield* temporaryDatabase
    const whole = Layer.provideMerge(
      Doctor.layer,
      system({ ...options, filename: file, queue: { backoff: plainBackoff, ...options.queue } }),
    )
    yield* Effect.gen(function* () {
      yield* Effect.scoped(test(file))
      expect(yield* findings).toEqual([])
    }).pipe(Effect.provide(whole), Effect.provide(quiet))
  })

/** How the jobs of these receipts stand. */
export const jobsOf = (receipts: ReadonlyArray<{ readonly jobId: string }>) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    return yield* Effect.forEach(receipts, ({ jobId }) =>
      Effect.map(Effect.flatten(queue.getJob(jobId)), ({ job }) => job),
    )
  })

/** All of these jobs are stored, and none has paid for anything. */
export const expectUnharmed = (receipts: ReadonlyArray<{ readonly jobId: string }>) =>
  Effect.map(jobsOf(receipts), (jobs) => {
    for (const job of jobs) {
      expect(job).toMatchObject({ status: "completed", outcome: "stored", retryCount: 0, crashCount: 0 })
    }
  })

/** Notes with ids `n0`, `n1` …, each with a text of its own. */
export const createMany = (count: number, text: (n: number) => string = (n) => `text ${n}`) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    return yield* Effect.forEach(Array.from({ length: count }), (_, n) =>
      service.createEntity({ id: `n${n}`, content: text(n) }),
    )
  })

/** Until so many jobs are in a worker's hand. */
export const untilInHand = (count: number) =>
  passTimeUntil(
    Effect.flatMap(EmbeddingQueue, (queue) =>
      Effect.map(queue.getStats, ({ processing }) => processing === count),
    ),
  )

/** Lets so many seconds pass, in steps in which everything comes to its turn. */
export const passSeconds = (seconds: number) => {
  let steps = 0
  return passTimeUntil(
    Effect.sync(() => steps++ === seconds * 10),
    seconds * 10 + 1,
  ).pipe(Effect.zipRight(settle))
}

/** How many rows each table has. */
export const rowCounts = Effect.gen(function* () {
  const { sql } = yield* Storage
  const [counts] = yield* sql<{ readonly [table: string]: number }>`SELECT
    (SELECT count(*) FROM embedding_queue) AS jobs, (SELECT count(*) FROM embedding_boxes) AS boxes,
    (SELECT count(*) FROM entities) AS entities, (SELECT count(*) FROM entity_vectors) AS vectors,
    (SELECT count(*) FROM entity_texts) AS texts, (SELECT count(*) FROM entity_fulltext_docsize) AS words,
    (SELECT waiting FROM embedding_queue_state) AS waiting, (SELECT generation FROM embedding_queue_state) AS generation`
  return counts
})
