/**
 * The SQL of `embedding_queue` and `embedding_boxes`: every statement the queue runs, none of its rules. They are
 * apart from the queue so that a test can ask SQLite for the plan of each (`EXPLAIN QUERY PLAN`) and a second
 * dialect can stand beside them. SQLite, left to itself, reads an entity's whole history of completed jobs to find
 * its live ones; where that is so the index is named (and named once more in the condition that a partial index
 * must be proved by). Columns come back under the names of `Job`. Lists and records are in files of their own.
 */
import type * as Arr from "effect/Array"
import type { Fault } from "../Domain/Errors.js"
import { type EntityKey, keyList } from "../Domain/Entity.js"
import type { AttemptToken, Job, JobId, Outcome } from "../Domain/Job.js"
import type { StatementBuilder } from "../Storage.js"
import { jobColumns } from "./Columns.js"
import * as ListStatements from "./ListStatements.js"
import * as RecordStatements from "./RecordStatements.js"

const contentColumn = `
  (SELECT content FROM embedding_boxes AS box WHERE box.generation = embedding_queue.generation) AS content`

/** Whether its holder has nothing else in hand. */
const aloneColumn = `
  NOT EXISTS (
    SELECT 1 FROM embedding_queue AS other
    WHERE other.status = 'processing' AND other.claimed_by = embedding_queue.claimed_by
      AND other.generation <> embedding_queue.generation
  ) AS alone`

/** Pending jobs wait in a lane: `ready`, `delayed` until they are due, or `suspect` (to be claimed alone). */
export type Lane = "ready" | "delayed" | "suspect"

export interface ClaimStamp {
  readonly now: number
  readonly leaseUntil: number
  readonly owner: string
}

/** As much of a claim as tells whether it is still good. */
export interface InHand {
  readonly token: AttemptToken
  readonly job: Pick<Job, "generation">
}

/** What changes when a job goes back to its line. */
export interface PutBack {
  readonly lane: Lane
  readonly scheduledFor: number
  readonly retryCount: number
  readonly crashCount: number
  readonly lastError: string | null
  readonly lastFault: Fault | null
  readonly now: number
}

export interface Ending {
  readonly status: "completed" | "failed"
  readonly outcome: Outcome
  readonly successor: JobId | null
  /** Null leaves it as it is; so do the two after it. */
  readonly crashCount: number | null
  readonly lastError: string | null
  readonly lastFault: Fault | null
  readonly now: number
}

export const make = (sql: StatementBuilder) => {
  const job = sql.literal(jobColumns)
  const boxed = sql.literal(`${jobColumns}, ${contentColumn}`)
  const held = sql.literal(`${jobColumns}, ${aloneColumn}`)
  /** A claim is known by its job and its token together: whoever lost either finds nothing. */
  const isHeld = (claims: ReadonlyArray<InHand>) => sql.part`
    generation IN (SELECT value FROM json_each(${JSON.stringify(claims.map(({ job }) => job.generation))}))
    AND attempt_token IN (SELECT value FROM json_each(${JSON.stringify(claims.map(({ token }) => token))}))
    AND status = 'processing'`
  /** The queue is not paused, and nobody has an older version of this entity in hand. */
  const isFree = (table: string) =>
    sql.literal(`
      NOT EXISTS (SELECT 1 FROM embedding_queue_state WHERE id = 1 AND paused = 1)
        AND NOT EXISTS (
          SELECT 1 FROM embedding_queue AS busy INDEXED BY embedding_queue_live
          WHERE busy.entity_type = ${table}.entity_type AND busy.entity_id = ${table}.entity_id
            AND busy.status = 'processing' AND busy.status <> 'completed'
        )`)
  return {
    ...ListStatements.make(sql),
    ...RecordStatements.make(sql),

    /** Takes `n` generations, of which the last is answered, and tells how many boxes wait. */
    takeGenerations: (n: number) => sql`
      UPDATE embedding_queue_state SET generation = generation + ${n} WHERE id = 1 RETURNING generation, waiting`,

    generation: () => sql`SELECT generation FROM embedding_queue_state WHERE id = 1`,

    waiting: () => sql`SELECT waiting FROM embedding_queue_state WHERE id = 1`,

    /** A job at its beginning, with its place in line. Row by row: as one SELECT of many it takes twice as long. */
    insertJob: (job: Job, place: { readonly lane: Lane | null; readonly line: number }) => sql`
      INSERT INTO embedding_queue (
        generation, job_id, entity_type, entity_id, status, lane, line, outcome, priority, scheduled_for,
        max_retries, batch_id, created_at, updated_at, completed_at
      ) VALUES (
        ${job.generation}, ${job.jobId}, ${job.entityType}, ${job.entityId}, ${job.status}, ${place.lane},
        ${place.line}, ${job.outcome}, ${job.priority}, ${job.scheduledFor}, ${job.maxRetries}, ${job.batchId},
        ${job.createdAt}, ${job.updatedAt}, ${job.completedAt}
      )`,

    insertBox: (generation: number, content: string) =>
      sql`INSERT INTO embedding_boxes (generation, content) VALUES (${generation}, ${content})`,

    deleteBoxes: (generations: ReadonlyArray<number>) => sql`
      DELETE FROM embedding_boxes WHERE generation IN (SELECT value FROM json_each(${JSON.stringify(generations)}))`,

    /** At most three rows (one per live status), newest first. */
    liveOfKey: (key: EntityKey) => sql`
      SELECT ${boxed}, line FROM embedding_queue INDEXED BY embedding_queue_live
      WHERE entity_type = ${key.entityType} AND entity_id = ${key.entityId} AND status <> 'completed'
      ORDER BY generation DESC`,

    /** The same of several keys, in no particular order. */
    liveOfKeys: (keys: ReadonlyArray<EntityKey>) => sql`
      SELECT ${boxed} FROM json_each(${keyList(keys)}) AS wanted
        CROSS JOIN embedding_queue INDEXED BY embedding_queue_live
      WHERE entity_type = wanted.value ->> 0 AND entity_id = wanted.value ->> 1 AND status <> 'completed'`,

    /** A row where any of these keys has a live box. A lone key as plain values: a table of JSON costs more than the look. */
    anyLive: ([one, ...more]: Arr.NonEmptyReadonlyArray<EntityKey>) =>
      more.length === 0
        ? sql`SELECT 1 FROM embedding_queue INDEXED BY embedding_queue_live
            WHERE entity_type = ${one.entityType} AND entity_id = ${one.entityId} AND status <> 'completed' LIMIT 1`
        : sql`SELECT 1 FROM json_each(${keyList([one, ...more])}) AS wanted
            CROSS JOIN embedding_queue INDEXED BY embedding_queue_live
            WHERE entity_type = wanted.value ->> 0 AND entity_id = wanted.value ->> 1 AND status <> 'completed' LIMIT 1`,

    /** What a new box of these keys would take the place of. */
    replaceable: (keys: ReadonlyArray<EntityKey>) => sql`
      SELECT generation, entity_type AS "entityType", entity_id AS "entityId", status, line, priority,
        scheduled_for AS "scheduledFor"
      FROM json_each(${keyList(keys)}) AS wanted CROSS JOIN embedding_queue INDEXED BY embedding_queue_live
      WHERE entity_type = wanted.value ->> 0 AND entity_id = wanted.value ->> 1
        AND status <> 'completed' AND status <> 'processing'`,

    /** The newest live box of each type that has this id. */
    liveByEntityId: (entityId: string) => sql`
      SELECT ${boxed}, max(generation) FROM embedding_queue
      WHERE entity_id = ${entityId} AND status <> 'completed' GROUP BY entity_id, entity_type`,

    /** Newest live box per key, in the order of keys, after the given key. */
    livePage: (entityTypes: string, after: readonly [string, string], limit: number) => sql`
      SELECT ${boxed} FROM embedding_queue
      WHERE status <> 'completed' AND (entity_type, entity_id) > (${after[0]}, ${after[1]})
        AND (${entityTypes} = '[]' OR entity_type IN (SELECT value FROM json_each(${entityTypes})))
        AND NOT EXISTS (
          SELECT 1 FROM embedding_queue AS newer
          WHERE newer.entity_type = embedding_queue.entity_type AND newer.entity_id = embedding_queue.entity_id
            AND newer.status <> 'completed' AND newer.generation > embedding_queue.generation
        )
      ORDER BY entity_type, entity_id LIMIT ${limit}`,

    byJobId: (jobId: string) => sql`SELECT ${boxed} FROM embedding_queue WHERE job_id = ${jobId}`,

    /** The newest job of each type that has this id. */
    newestByEntityId: (entityId: string) => sql`
      SELECT ${boxed}, max(generation) FROM embedding_queue WHERE entity_id = ${entityId}
      GROUP BY entity_id, entity_type`,

    newestByKey: (entityType: string, entityId: string) => sql`
      SELECT ${boxed} FROM embedding_queue WHERE entity_id = ${entityId} AND entity_type = ${entityType}
      ORDER BY generation DESC LIMIT 1`,

    /** What a worker needs to know before it takes the write lock. */
    probe: () => sql`
      SELECT
        (SELECT paused FROM embedding_queue_state WHERE id = 1) AS paused,
        EXISTS (SELECT 1 FROM embedding_queue WHERE lane = 'ready') AS ready,
        (SELECT min(scheduled_for) FROM embedding_queue WHERE lane = 'delayed') AS "nextDelayed",
        (SELECT min(scheduled_for) FROM embedding_queue WHERE lane = 'suspect') AS "nextSuspect"`,

    promote: (now: number) =>
      sql`UPDATE embedding_queue SET lane = 'ready' WHERE lane = 'delayed' AND scheduled_for <= ${now}`,

    /** Those at the head of the line. */
    ready: (limit: number) => sql`
      SELECT ready.generation FROM embedding_queue AS ready
      WHERE ready.lane = 'ready' AND ${isFree("ready")}
      ORDER BY ready.priority DESC, ready.scheduled_for, ready.line LIMIT ${limit}`,

    /** The one suspect whose turn it is. */
    suspect: (now: number) => sql`
      SELECT suspect.generation FROM embedding_queue AS suspect
      WHERE suspect.lane = 'suspect' AND suspect.scheduled_for <= ${now} AND ${isFree("suspect")}
      ORDER BY suspect.scheduled_for, suspect.line LIMIT 1`,

    /** One by one: in a statement with those that pick it, SQLite takes twice as long. */
    claim: (generation: number, stamp: ClaimStamp) => sql`
      UPDATE embedding_queue SET
        status = 'processing', lane = NULL, attempt_token = lower(hex(randomblob(16))),
        lease_until = ${stamp.leaseUntil}, claimed_at = ${stamp.now}, claimed_by = ${stamp.owner},
        updated_at = ${stamp.now}
      WHERE generation = ${generation} AND status = 'pending' RETURNING ${boxed}, line`,

    /** Renews every claim that still bears its token; the others come back missing. */
    renew: (claims: ReadonlyArray<InHand>, leaseUntil: number, now: number) => sql`
      UPDATE embedding_queue SET lease_until = ${leaseUntil}, updated_at = ${now}
      WHERE ${isHeld(claims)} RETURNING attempt_token AS "token"`,

    /** Ends a live job. Whoever does so for a claim has looked at its token in the same transaction. */
    endLive: (generation: number, ending: Ending) => sql`
      UPDATE embedding_queue SET
        status = ${ending.status}, lane = NULL, outcome = ${ending.outcome}, successor = ${ending.successor},
        attempt_token = NULL, lease_until = NULL, crash_count = coalesce(${ending.crashCount}, crash_count),
        last_error = coalesce(${ending.lastError}, last_error),
        last_fault = coalesce(${ending.lastFault}, last_fault),
        updated_at = ${ending.now}, completed_at = ${ending.now}
      WHERE generation = ${generation} AND status <> 'completed' RETURNING ${job}`,

    /** From a worker's hand back to its line. */
    putBack: (generation: number, back: PutBack) => sql`
      UPDATE embedding_queue SET
        status = 'pending', lane = ${back.lane}, scheduled_for = ${back.scheduledFor},
        retry_count = ${back.retryCount}, crash_count = ${back.crashCount},
        attempt_token = NULL, lease_until = NULL, claimed_by = NULL,
        last_error = coalesce(${back.lastError}, last_error),
        last_fault = coalesce(${back.lastFault}, last_fault), updated_at = ${back.now}
      WHERE generation = ${generation} AND status = 'processing' RETURNING ${job}`,

    held: (claims: ReadonlyArray<InHand>) => sql`SELECT ${held} FROM embedding_queue WHERE ${isHeld(claims)}`,

    /** Which of these claims are still good. */
    stillHeld: (claims: ReadonlyArray<InHand>) =>
      sql`SELECT attempt_token AS "token" FROM embedding_queue WHERE ${isHeld(claims)}`,

    /** Ends a claim under its token: the hot path. */
    complete: ({ job: { generation }, token }: InHand, outcome: Outcome, now: number) => sql`
      UPDATE embedding_queue SET
        status = 'completed', outcome = ${outcome}, attempt_token = NULL, lease_until = NULL,
        updated_at = ${now}, completed_at = ${now}
      WHERE generation = ${generation} AND attempt_token = ${token} AND status = 'processing'
      RETURNING generation`,

    /** The newest live box of a key that is newer than `generation`. */
    newerLive: (key: EntityKey, generation: number) => sql`
      SELECT job_id AS "jobId" FROM embedding_queue INDEXED BY embedding_queue_live
      WHERE entity_type = ${key.entityType} AND entity_id = ${key.entityId} AND status <> 'completed'
        AND generation > ${generation}
      ORDER BY generation DESC LIMIT 1`,

    /** Jobs that wait for a time, or are in hand, and were last touched later than `after`. */
    ahead: (after: number) => sql`
      SELECT
        (SELECT count(*) FROM embedding_queue WHERE lane IN ('delayed', 'suspect') AND updated_at > ${after})
          + (SELECT count(*) FROM embedding_queue WHERE status = 'processing' AND updated_at > ${after}) AS count`,

    /** Moves their times back, so that what was left of a wait or a lease is left again. */
    setBackWaiting: (after: number, now: number) => sql`
      UPDATE embedding_queue SET scheduled_for = scheduled_for - updated_at + ${now}, updated_at = ${now}
      WHERE lane IN ('delayed', 'suspect') AND updated_at > ${after}`,

    setBackHeld: (after: number, now: number) => sql`
      UPDATE embedding_queue SET
        lease_until = lease_until - updated_at + ${now}, claimed_at = claimed_at - updated_at + ${now},
        updated_at = ${now}
      WHERE status = 'processing' AND updated_at > ${after}`,

    expired: (now: number, limit: number) => sql`
      SELECT ${held} FROM embedding_queue
      WHERE status = 'processing' AND lease_until < ${now} ORDER BY lease_until LIMIT ${limit}`,

    stuck: (claimedBefore: number, now: number) => sql`
      SELECT ${held} FROM embedding_queue
      WHERE status = 'processing' AND lease_until < ${now} AND claimed_at < ${claimedBefore}`,

    heldBy: (owner: string) => sql`
      SELECT ${held} FROM embedding_queue
      WHERE status = 'processing' AND claimed_by = ${owner}`,

    owners: () => sql`
      SELECT DISTINCT claimed_by AS owner FROM embedding_queue
      WHERE status = 'processing' AND claimed_by IS NOT NULL`,

    failed: (entityType: string | null) => sql`
      SELECT ${boxed} FROM embedding_queue
      WHERE status = 'failed' AND (${entityType} IS NULL OR entity_type = ${entityType})
      ORDER BY updated_at`,

    /**
     * An entity has at most one live box of each status: who is both in hand and waiting is counted as waiting, and
     * who has a failed box as failed only where nothing newer waits.
     */
    waitingEntities: (entityTypes: string) => sql`
      SELECT
        count(*) FILTER (WHERE status = 'pending' OR (status = 'processing' AND NOT EXISTS (
          SELECT 1 FROM embedding_queue AS newer INDEXED BY embedding_queue_live
          WHERE newer.entity_type = live.entity_type AND newer.entity_id = live.entity_id
            AND newer.status <> 'completed' AND newer.generation > live.generation
        ))) AS pending,
        count(*) FILTER (WHERE status = 'failed') AS failed
      FROM embedding_queue AS live INDEXED BY embedding_queue_live
      WHERE status <> 'completed'
        AND (${entityTypes} = '[]' OR entity_type IN (SELECT value FROM json_each(${entityTypes})))`,

    counts: () => sql`
      SELECT
        (SELECT count(*) FROM embedding_queue WHERE lane = 'ready')
          + (SELECT count(*) FROM embedding_queue WHERE lane = 'delayed')
          + (SELECT count(*) FROM embedding_queue WHERE lane = 'suspect') AS pending,
        (SELECT count(*) FROM embedding_queue WHERE status = 'processing') AS processing,
        (SELECT count(*) FROM embedding_queue WHERE status = 'failed') AS failed,
        (SELECT count(*) FROM embedding_queue WHERE status = 'completed') AS completed`,

    cleanup: (completedBefore: number) => sql`
      DELETE FROM embedding_queue WHERE status = 'completed' AND completed_at < ${completedBefore}
      RETURNING generation`,

    setPaused: (paused: boolean) =>
      sql`UPDATE embedding_queue_state SET paused = ${paused ? 1 : 0} WHERE id = 1`,
  } as const
}

export type Statements = ReturnType<typeof make>
