/**
 * The SQL of lists of jobs. Each list follows an index backwards, newest first, and one statement looks at no more
 * than the stretch between two places, so that a filter which fits nothing stops nobody; how stretches are joined to
 * pages is in `Lists`. What is boxed is not read. The index is named where SQLite would rather sort.
 */
import type { JobFilter } from "../Domain/Job.js"
import type { StatementBuilder } from "../Storage.js"
import { jobColumns } from "./Columns.js"

/** Where a job stands in a list. */
export interface Place {
  readonly generation: number
  readonly updatedAt: number
}

/** The indexes that lists follow: by their last write, or by their end. */
export type Line = "all" | "failed" | "completed"

/** From just after `after` down to `until`. */
export interface Stretch {
  readonly after: Place
  readonly until: Place
}

export const make = (sql: StatementBuilder) => {
  const listed = sql.literal(`${jobColumns},
    (SELECT coalesce(max(attempt), 0) FROM embedding_attempts AS went_wrong
      WHERE went_wrong.generation = embedding_queue.generation) AS "failedAttempts"`)

  const matches = (filter: JobFilter) => {
    const value = (name: Exclude<keyof JobFilter, "status" | "errorContains">) => filter[name] ?? null
    const status = filter.status ?? null
    const part = filter.errorContains ?? null
    return sql.part`(${status} IS NULL OR status = ${status})
      AND (${value("outcome")} IS NULL OR outcome = ${value("outcome")})
      AND (${value("fault")} IS NULL OR last_fault = ${value("fault")})
      AND (${value("entityType")} IS NULL OR entity_type = ${value("entityType")})
      AND (${part} IS NULL OR instr(lower(last_error), lower(${part})) > 0)`
  }

  const ended = (status: "failed" | "completed", column: "updated_at" | "completed_at") => {
    const place = sql.literal(`(${column}, generation)`)
    return {
      table: sql.literal(`embedding_queue INDEXED BY embedding_queue_${status}`),
      after: ({ generation, updatedAt }: Place) =>
        sql.part`${sql.literal(`status = '${status}'`)} AND ${place} < (${updatedAt}, ${generation})`,
      until: ({ generation, updatedAt }: Place) => sql.part`${place} >= (${updatedAt}, ${generation})`,
      place: sql.literal(`generation, ${column} AS "updatedAt"`),
      order: sql.literal(`${column} DESC, generation DESC`),
    }
  }

  const lines = {
    all: {
      table: sql.literal("embedding_queue"),
      after: ({ generation }: Place) => sql.part`generation < ${generation}`,
      until: ({ generation }: Place) => sql.part`generation >= ${generation}`,
      place: sql.literal(`generation, updated_at AS "updatedAt"`),
      order: sql.literal("generation DESC"),
    },
    failed: ended("failed", "updated_at"),
    completed: ended("completed", "completed_at"),
  } satisfies Record<Line, unknown>

  return {
    /** The place of the `count`th job after this one, or nothing where there are fewer. */
    placeAhead: (line: Line, after: Place, count: number) => {
      const { order, place, table, ...of } = lines[line]
      return sql`SELECT ${place} FROM ${table} WHERE ${of.after(after)}
        ORDER BY ${order} LIMIT 1 OFFSET ${count - 1}`
    },

    list: (line: Line, filter: JobFilter, { after, until }: Stretch, limit: number) => {
      const { order, table, ...of } = lines[line]
      return sql`SELECT ${listed} FROM ${table}
        WHERE ${of.after(after)} AND ${of.until(until)} AND ${matches(filter)}
        ORDER BY ${order} LIMIT ${limit}`
    },

    /** What is in anybody's hand is little: it is sorted. */
    listInHand: (filter: JobFilter, after: Place, limit: number) => sql`
      SELECT ${listed} FROM embedding_queue INDEXED BY embedding_queue_lease
      WHERE status = 'processing' AND generation < ${after.generation} AND ${matches(filter)}
      ORDER BY generation DESC LIMIT ${limit}`,

    /** Failed boxes go to the end of the line with their counters cleared; those that changed meanwhile stay. */
    revive: (generations: ReadonlyArray<number>, filter: JobFilter, now: number) => sql`
      UPDATE embedding_queue SET
        status = 'pending', lane = 'ready', outcome = NULL, scheduled_for = ${now}, retry_count = 0,
        crash_count = 0, completed_at = NULL, updated_at = ${now}
      WHERE generation IN (SELECT value FROM json_each(${JSON.stringify(generations)}))
        AND status = 'failed' AND ${matches(filter)}
      RETURNING ${sql.literal(jobColumns)}`,

    /** Since when what heads its lane is due, or will be: the head of the line, the first delayed, the first suspect. */
    firstDue: () => sql`
      SELECT min(due) AS due FROM (
        SELECT (SELECT scheduled_for FROM embedding_queue WHERE lane = 'ready'
          ORDER BY priority DESC, scheduled_for, line LIMIT 1) AS due
        UNION ALL SELECT min(scheduled_for) FROM embedding_queue WHERE lane = 'delayed'
        UNION ALL SELECT min(scheduled_for) FROM embedding_queue WHERE lane = 'suspect'
      )`,
  } as const
}
