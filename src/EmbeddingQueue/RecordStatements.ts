/**
 * The SQL of what is only written down: attempts that went wrong, and who works. Apart from the statements that move
 * jobs, because no rule of the queue reads what these write.
 */
import type { Fault } from "../Domain/Errors.js"
import type { StatementBuilder } from "../Storage.js"

export interface NewAttempt {
  readonly generation: number
  readonly startedAt: number | null
  readonly endedAt: number
  readonly worker: string | null
  readonly crashed: boolean
  readonly fault: Fault
  readonly error: string
}

/** What a worker writes on the board. The last two are null where its provider is well. */
export interface Notice {
  readonly owner: string
  readonly now: number
  readonly inHand: number
  readonly stored: number
  readonly failed: number
  readonly failures: number
  readonly until: number | null
  readonly reason: string | null
}

export const make = (sql: StatementBuilder) =>
  ({
    /** Answers its number. */
    insertAttempt: (row: NewAttempt) => sql`
      INSERT INTO embedding_attempts (generation, attempt, started_at, ended_at, worker, crashed, fault, error)
      SELECT ${row.generation}, coalesce(max(attempt), 0) + 1, ${row.startedAt}, ${row.endedAt}, ${row.worker},
        ${row.crashed ? 1 : 0}, ${row.fault}, ${row.error}
      FROM embedding_attempts WHERE generation = ${row.generation}
      RETURNING attempt`,

    forgetAttempts: (generation: number, upTo: number) =>
      sql`DELETE FROM embedding_attempts WHERE generation = ${generation} AND attempt <= ${upTo}`,

    attempts: (jobId: string) => sql`
      SELECT attempt, started_at AS "startedAt", ended_at AS "endedAt", worker, crashed, fault, error
      FROM embedding_attempts
      WHERE generation = (SELECT generation FROM embedding_queue WHERE job_id = ${jobId})
      ORDER BY attempt`,

    postNotice: (notice: Notice) => sql`
      INSERT INTO embedding_workers (
        owner, started_at, beat_at, in_hand, stored, failed, provider_failures, provider_until, provider_reason
      ) VALUES (
        ${notice.owner}, ${notice.now}, ${notice.now}, ${notice.inHand}, ${notice.stored}, ${notice.failed},
        ${notice.failures}, ${notice.until}, ${notice.reason}
      ) ON CONFLICT (owner) DO UPDATE SET
        beat_at = excluded.beat_at, in_hand = excluded.in_hand, stored = excluded.stored,
        failed = excluded.failed, provider_failures = excluded.provider_failures,
        provider_until = excluded.provider_until, provider_reason = excluded.provider_reason`,

    notices: () => sql`
      SELECT owner, started_at AS "startedAt", beat_at AS "beatAt", in_hand AS "inHand", stored, failed,
        provider_failures AS failures, provider_until AS until, provider_reason AS reason
      FROM embedding_workers ORDER BY started_at, owner`,

    removeNotice: (owner: string) => sql`DELETE FROM embedding_workers WHERE owner = ${owner}`,
  }) as const
