/**
 * Answers that will still change, and the jobs whose ends will change them. Kept in the transaction that makes the jobs,
 * so that no end is missed, whoever brings it about and whether or not the bot is there. A receipt that told of a failure
 * is finished and keeps its job all the same: somebody may put that in line again. Methods that change something are
 * steps of the caller's transaction.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Storage } from "../Storage.js"

/** What a receipt is about. */
const Receipt = Schema.Struct({
  kind: Schema.Literal("receipt"),
  /** `saved` by `!add`, or `retried` by `!retry`. */
  verb: Schema.Literal("saved", "retried"),
  title: Schema.String,
  entityType: Schema.String,
  entityId: Schema.String,
  jobId: Schema.String,
})
export interface Receipt extends Schema.Schema.Type<typeof Receipt> {}

/** How far an import is, in files. */
const Import = Schema.Struct({
  kind: Schema.Literal("import"),
  folder: Schema.String,
  created: Schema.Int,
  updated: Schema.Int,
  unchanged: Schema.Int,
  skipped: Schema.Int,
  /** The first few that were skipped, and why. */
  reasons: Schema.Array(Schema.String),
  /** Why it ended before its end. */
  broken: Schema.NullOr(Schema.String),
})
export interface Import extends Schema.Schema.Type<typeof Import> {}

export const Facts = Schema.Union(Receipt, Import)
export type Facts = typeof Facts.Type

const FactsJson = Schema.parseJson(Facts)
const encode = Schema.encode(FactsJson)

const Answer = Schema.Struct({
  /** The message, by its place in the outbox. */
  answer: Schema.Int,
  facts: FactsJson,
  /** More jobs will come. */
  entering: Schema.transformLiterals([0, false], [1, true]),
  /** Jobs that have not ended, and those that have. */
  open: Schema.Int,
  done: Schema.Int,
  failed: Schema.Int,
  /** How the last one ended, if not by being embedded: a reason, or `deleted`. */
  ending: Schema.NullOr(Schema.String),
  /** How often the message was edited to show progress, and when it last was. */
  edits: Schema.Int,
  editedAt: Schema.Int,
})
export interface Answer extends Schema.Schema.Type<typeof Answer> {}

/** How a job ended, as an answer counts it. */
export interface Ending {
  readonly failed: boolean
  readonly ending: string | null
}

const decode = Schema.decodeUnknown(Schema.Array(Answer))
/** A finished receipt of a job that failed. */
const Watch = Schema.Struct({
  jobId: Schema.String,
  answer: Schema.Int,
  /** Why it failed, as the receipt says. */
  ending: Schema.NullOr(Schema.String),
  edits: Schema.Int,
})
export interface Watch extends Schema.Schema.Type<typeof Watch> {}

const decodeWatches = Schema.decodeUnknown(Schema.Array(Watch))
const decodeJobs = Schema.decodeUnknown(Schema.Array(Schema.Struct({ jobId: Schema.String })))
const decodeSeqs = Schema.decodeUnknown(Schema.Array(Schema.Struct({ answer: Schema.Int })))

export const make = (account: string) =>
  Effect.map(Storage, (storage) => {
    const sql = storage.statement
    const columns = sql.literal(
      'answer, facts, entering, open, done, failed, ending, edits, edited_at AS "editedAt"',
    )

    const follow = (answer: number, jobId: string) =>
      Effect.gen(function* () {
        const added = yield* sql`INSERT INTO matrix_jobs (job_id, answer) VALUES (${jobId}, ${answer})
          ON CONFLICT DO NOTHING RETURNING 1 AS added`
        if (added.length > 0) yield* sql`UPDATE matrix_answers SET open = open + 1 WHERE answer = ${answer}`
      })

    const isOpen = sql.literal("answer IN (SELECT answer FROM matrix_answers WHERE finished = 0)")
    const watches = sql.literal(`SELECT j.job_id AS "jobId", a.answer, a.ending, a.edits
      FROM matrix_jobs AS j JOIN matrix_answers AS a ON a.answer = j.answer WHERE a.finished = 1`)

    /** No open answer waits for the job any more. Answers which did. */
    const take = (jobId: string) =>
      Effect.flatMap(
        sql`DELETE FROM matrix_jobs WHERE job_id = ${jobId} AND ${isOpen} RETURNING answer`,
        decodeSeqs,
      )

    return {
      /** The message will change when these jobs have ended; with `entering`, more of them will come. */
      put: (answer: number, facts: Facts, jobs: ReadonlyArray<string>, entering: boolean) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          yield* sql`INSERT INTO matrix_answers (answer, account, facts, entering, open, edited_at)
            VALUES (${answer}, ${account}, ${yield* encode(facts)}, ${entering ? 1 : 0}, 0, ${now})`
          yield* Effect.forEach(jobs, (jobId) => follow(answer, jobId), { discard: true })
        }),

      follow,

      /** New facts; `entering: false` when no more jobs will come. */
      learn: (answer: number, facts: Facts, entering: boolean) =>
        Effect.gen(function* () {
          yield* sql`UPDATE matrix_answers SET facts = ${yield* encode(facts)}, entering = ${entering ? 1 : 0}
            WHERE answer = ${answer}`
        }),

      get: (answer: number) =>
        Effect.map(
          Effect.flatMap(
            sql`SELECT ${columns} FROM matrix_answers WHERE answer = ${answer} AND finished = 0`,
            decode,
          ),
          ([row]) => Option.fromNullable(row),
        ),

      /** The import that is to be made next, or to be gone on with. */
      entering: Effect.map(
        storage.read(
          Effect.flatMap(
            sql`SELECT ${columns} FROM matrix_answers
              WHERE account = ${account} AND finished = 0 AND entering = 1 ORDER BY answer LIMIT 1`,
            decode,
          ),
        ),
        ([row]) => Option.fromNullable(row),
      ),

      /** Those that still change. */
      unfinished: Effect.map(
        storage.read(
          Effect.flatMap(
            sql`SELECT answer FROM matrix_answers WHERE account = ${account} AND finished = 0`,
            decodeSeqs,
          ),
        ),
        (rows) => rows.map(({ answer }) => answer),
      ),

      /** Of these jobs, those that somebody waits for. */
      awaited: (jobIds: ReadonlyArray<string>) =>
        Effect.map(
          storage.read(
            Effect.flatMap(
              sql`SELECT DISTINCT job_id AS "jobId" FROM matrix_jobs
                WHERE job_id IN (SELECT value FROM json_each(${JSON.stringify(jobIds)}))`,
              decodeJobs,
            ),
          ),
          (rows) => rows.map(({ jobId }) => jobId),
        ),

      /** A page of the jobs that open answers wait for, after this one. */
      page: (after: string, limit: number) =>
        Effect.map(
          storage.read(
            Effect.flatMap(
              sql`SELECT DISTINCT job_id AS "jobId" FROM matrix_jobs
                WHERE job_id > ${after} AND ${isOpen} ORDER BY job_id LIMIT ${limit}`,
              decodeJobs,
            ),
          ),
          (rows) => rows.map(({ jobId }) => jobId),
        ),

      /** A page of the receipts that told of a failure, after this one. */
      failures: ({ answer, jobId }: Pick<Watch, "answer" | "jobId">, limit: number) =>
        storage.read(
          Effect.flatMap(
            sql`${watches} AND (j.job_id, j.answer) > (${jobId}, ${answer})
              ORDER BY j.job_id, j.answer LIMIT ${limit}`,
            decodeWatches,
          ),
        ),

      /** The receipts that told of this job's failure. */
      failuresOf: (jobId: string) => Effect.flatMap(sql`${watches} AND j.job_id = ${jobId}`, decodeWatches),

      /** The job has failed: if the answer is its receipt, it keeps it. */
      watch: (answer: number, jobId: string) => sql`INSERT INTO matrix_jobs (job_id, answer)
        SELECT ${jobId}, answer FROM matrix_answers
        WHERE answer = ${answer} AND json_extract(facts, '$.kind') = 'receipt'
        ON CONFLICT DO NOTHING`,

      /** What a receipt told was not the end: it is open again, until its job ends. */
      reopen: (answer: number) =>
        sql`UPDATE matrix_answers SET finished = 0, open = 1, failed = 0 WHERE answer = ${answer}`,

      /** The job was superseded: its successor is waited for instead. */
      replace: (jobId: string, successor: string) =>
        Effect.gen(function* () {
          const answers = yield* take(jobId)
          yield* Effect.forEach(
            answers,
            ({ answer }) =>
              Effect.zipRight(
                sql`UPDATE matrix_answers SET open = open - 1 WHERE answer = ${answer}`,
                follow(answer, successor),
              ),
            { discard: true },
          )
        }),

      /** The job has ended: counted in every answer that waits for it. Answers which those are. */
      end: (jobId: string, { ending, failed }: Ending) =>
        Effect.gen(function* () {
          const answers = yield* take(jobId)
          yield* Effect.forEach(
            answers,
            ({ answer }) => sql`UPDATE matrix_answers SET open = open - 1,
              done = done + ${failed ? 0 : 1}, failed = failed + ${failed ? 1 : 0},
              ending = coalesce(${ending}, ending) WHERE answer = ${answer}`,
            { discard: true },
          )
          return answers.map(({ answer }) => answer)
        }),

      edited: (answer: number, at: number, finished: boolean) => sql`
        UPDATE matrix_answers SET edits = edits + 1, edited_at = ${at}, finished = ${finished ? 1 : 0}
        WHERE answer = ${answer}`,

      /** What a message of the bot, or the command that it answers, was about. */
      about: (eventId: string) =>
        Effect.map(
          storage.read(
            Effect.flatMap(
              sql`SELECT ${columns} FROM matrix_answers WHERE account = ${account} AND answer IN (
                  SELECT seq FROM matrix_outbox WHERE event_id = ${eventId}
                  UNION ALL
                  SELECT answer FROM matrix_commands WHERE account = ${account} AND event_id = ${eventId}
                ) ORDER BY answer DESC LIMIT 1`,
              decode,
            ),
          ),
          ([row]) => Option.map(Option.fromNullable(row), ({ facts }) => facts),
        ),
    }
  })

export type AnswerRows = Effect.Effect.Success<ReturnType<typeof make>>
