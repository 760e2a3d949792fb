/**
 * What a claim costs with a small backlog and with a large one, in turns in one run: `npm run bench:claim`. Beside
 * it the same claim over the seed's index, which sorted the whole backlog each time. The queue's own claim is
 * measured through the service, its Effects and Schemas included.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import * as EmbeddingQueue from "../../src/EmbeddingQueue.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { Storage } from "../../src/Storage.js"
import { argument, median, percentile, report, round, say, temporaryFolder, timed } from "./support.js"

const small = argument("small", 1_000)
const large = argument("large", 100_000)
const claims = argument("claims", 300)
const seedClaims = 10

/** A queue with so many pending boxes of 1.5 KB, of several priorities, as after a bulk import. */
const backlog = (folder: string, boxes: number) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      EmbeddingQueue.layer.pipe(
        Layer.provideMerge(Sqlite.layer({ filename: Path.join(folder, `${boxes}.sqlite`) })),
      ),
    )
    return yield* Effect.provide(
      Effect.gen(function* () {
        const { sql } = yield* Storage
        yield* sql`
          WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${boxes})
          INSERT INTO embedding_queue (
            generation, job_id, entity_type, entity_id, status, lane, line, priority, scheduled_for, max_retries,
            created_at, updated_at
          ) SELECT i, 'job-' || i, 'base', 'note-' || i, 'pending', 'ready', i, i % 3, 1000 + i % 1000, 3, 1000, 1000
          FROM n`
        yield* sql`
          INSERT INTO embedding_boxes (generation, content)
          SELECT generation, json_object('entityType', 'base', 'id', entity_id, 'content', printf('%.1400c', 'x'),
            'metadata', json('{}'), 'contentHash', 'h', 'created', 0, 'updated', 0) FROM embedding_queue`
        yield* sql`UPDATE embedding_queue_state SET generation = ${boxes}`
        const queue = yield* EmbeddingQueue.EmbeddingQueue
        return { queue, sql }
      }),
      context,
    )
  })

type Backlog = Effect.Effect.Success<ReturnType<typeof backlog>>

const claimOnce = ({ queue }: Backlog) =>
  Effect.gen(function* () {
    const [ms, batch] = yield* timed(queue.dequeueBatch(1))
    // Back to its place, outside the measured time, so that the backlog stays as it is.
    yield* Effect.forEach(batch, queue.release, { discard: true })
    return ms
  })

/** The seed's claim: its index does not serve its order. */
const seedClaim = ({ sql }: Backlog) =>
  Effect.map(
    timed(sql`
      SELECT generation FROM embedding_queue INDEXED BY seed_status
      WHERE status = 'pending' AND scheduled_for <= 999999 ORDER BY priority DESC, scheduled_for LIMIT 1`),
    ([ms]) => ms,
  )

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  say(`filling two queues: ${small} and ${large} pending boxes of 1.5 KB`)
  const few = yield* backlog(folder, small)
  const many = yield* backlog(folder, large)
  const times = { few: [] as Array<number>, many: [] as Array<number> }
  for (let i = 0; i < 20 + claims; i++) {
    const a = yield* claimOnce(few)
    const b = yield* claimOnce(many)
    if (i < 20) continue
    times.few.push(a)
    times.many.push(b)
  }
  yield* many.sql`CREATE INDEX seed_status ON embedding_queue (status, scheduled_for)`
  const seed = yield* Effect.forEach(Array.from({ length: seedClaims }), () => seedClaim(many))
  const figures = {
    claims,
    small: { boxes: small, medianMs: round(median(times.few)), p99Ms: round(percentile(times.few, 0.99)) },
    large: { boxes: large, medianMs: round(median(times.many)), p99Ms: round(percentile(times.many, 0.99)) },
    largeToSmall: round(median(times.many) / median(times.few)),
    seedIndexMedianMs: round(median(seed)),
  }
  say(`one claim, ${claims} times in turns:`)
  for (const { boxes, medianMs, p99Ms } of [figures.small, figures.large]) {
    say(`  ${String(boxes).padStart(7)} pending: median ${medianMs} ms, p99 ${p99Ms} ms`)
  }
  say(`  large to small: ${figures.largeToSmall} (goal: 2 or less)`)
  say(
    `  for comparison, the seed's index at ${large}: median ${figures.seedIndexMedianMs} ms for the look alone`,
  )
  report(figures)
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
