/**
 * How much of what was saved can be found by meaning, and when the rest will be. It looks at the tables of queue and
 * repository together, in one statement and so in one snapshot: counts of different moments would not add up.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { notEmbedded } from "../Domain/Chunk.js"
import type { Fingerprint } from "../Domain/Fingerprint.js"
import { Models } from "../Models.js"
import { Storage } from "../Storage.js"

/** Entities, unless it says otherwise; those of types that are not embedded are not among them. */
export interface IndexStatus {
  /** The vectors that are searched, and those of the configured model; the same unless that was changed. */
  readonly searched: Fingerprint
  readonly configured: Fingerprint
  /** Found by meaning, as their newest version is. */
  readonly ready: number
  /** Saved, and waiting for their embedding. */
  readonly pending: number
  /** Found by meaning as an older version was: these are among the pending or the failed. */
  readonly stale: number
  /** Their embedding failed; found by words only, or as an older version. */
  readonly failed: number
  /** `ready` as a share of all, 0 to 1; 1 where there are none. */
  readonly coverage: number
  /** How long the oldest waiting box has waited, in milliseconds; 0 where none waits. */
  readonly oldestMillis: number
  /** Chunks a second, over the last minute. */
  readonly throughput: number
  /** About so many chunks wait. */
  readonly chunksLeft: number
  /** About so long until they are embedded; nothing where nobody has embedded any in the last minute. */
  readonly millisLeft: number | undefined
}

/** Over how long throughput is taken, in milliseconds. */
const window = 60_000

const Row = Schema.Struct({
  stored: Schema.Int,
  covered: Schema.Int,
  chunks: Schema.Int,
  pending: Schema.Int,
  failed: Schema.Int,
  stale: Schema.Int,
  oldest: Schema.NullOr(Schema.Int),
  ended: Schema.Int,
})

const decode = Schema.decodeUnknown(Schema.NonEmptyArray(Row))

export const make = Effect.gen(function* () {
  const models = yield* Models
  const { read, statement } = yield* Storage

  const look = (fingerprint: Fingerprint, now: number) =>
    Effect.map(
      Effect.flatMap(
        statement`WITH live AS MATERIALIZED (
            SELECT entity_type, entity_id, max(status <> 'failed') AS waits, min(created_at) AS since
            FROM embedding_queue INDEXED BY embedding_queue_live WHERE status <> 'completed'
            GROUP BY entity_type, entity_id)
          SELECT (SELECT count(*) FROM entities WHERE input_hash <> ${notEmbedded}) AS stored,
            (SELECT count(*) FROM (SELECT DISTINCT entity_type, entity_id FROM entity_vectors
              WHERE fingerprint = ${fingerprint})) AS covered,
            (SELECT count(*) FROM entity_vectors WHERE fingerprint = ${fingerprint}) AS chunks,
            (SELECT count(*) FROM live WHERE waits) AS pending,
            (SELECT count(*) FROM live WHERE NOT waits) AS failed,
            (SELECT count(*) FROM live JOIN entities USING (entity_type, entity_id)
              WHERE input_hash <> ${notEmbedded}) AS stale,
            (SELECT min(since) FROM live WHERE waits) AS oldest,
            (SELECT count(*) FROM embedding_queue INDEXED BY embedding_queue_completed
              WHERE status = 'completed' AND completed_at > ${now - window} AND outcome = 'stored') AS ended`,
        decode,
      ),
      ([row]) => row,
    ).pipe(read)

  const indexStatus = Effect.gen(function* () {
    const searched = yield* models.searched
    const now = yield* Clock.currentTimeMillis
    const { chunks, covered, ended, failed, oldest, pending, stale, stored } = yield* look(searched, now)
    const ready = Math.max(0, covered - stale)
    const all = stored + pending + failed - stale
    const chunksEach = covered === 0 ? 1 : chunks / covered
    const throughput = (ended * chunksEach * 1000) / window
    const chunksLeft = Math.round(pending * chunksEach)
    const status: IndexStatus = {
      searched,
      configured: models.configured.fingerprint,
      ready,
      pending,
      stale,
      failed,
      coverage: all === 0 ? 1 : ready / all,
      oldestMillis: oldest === null ? 0 : Math.max(0, now - oldest),
      throughput,
      chunksLeft,
      millisLeft: chunksLeft === 0 ? 0 : throughput === 0 ? undefined : (chunksLeft / throughput) * 1000,
    }
    return status
  }).pipe(Effect.withSpan("EntityService.indexStatus"))

  return { indexStatus }
})
