/**
 * Follows jobs to their ends and changes the answers that told of them: a receipt once, an import now and then and at
 * its end. What this process ends is heard at once; what another one ends, or what ended while nobody was there, is
 * found by asking, a page of jobs at a time, round and round, so that jobs which are stuck hide none behind them. A job
 * that failed may be put in line again by anybody: its receipts are gone on with when it has come to another end.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { StorageError } from "../Domain/Errors.js"
import type { Job } from "../Domain/Job.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { Storage } from "../Storage.js"
import type { Account } from "./Account.js"
import type { Answer, AnswerRows, Watch } from "./AnswerRows.js"
import type { NotHolder } from "./Errors.js"
import { contentOf } from "./Message.js"
import type { OutboxRows } from "./OutboxRows.js"
import * as Wording from "./Wording.js"

export interface Options {
  /** The least time between two edits that show progress; each further one waits half as long again. */
  readonly editEvery: Duration.Duration
  /** Edits of one message that show progress, at most; its last form always comes. */
  readonly mostEdits: number
  /** How often jobs are asked after that another process may have ended. */
  readonly pollEvery: Duration.Duration
}

export const defaults: Options = {
  editEvery: Duration.seconds(5),
  mostEdits: 20,
  pollEvery: Duration.seconds(2),
}

/** Jobs asked for at a time. */
const glance = 100

/** How long after its last edit a message may show progress again, in milliseconds. */
export const spacingAfter = ({ editEvery }: Pick<Options, "editEvery">, edits: number): number =>
  Duration.toMillis(editEvery) * 1.5 ** edits

export const make = ({
  account,
  answers,
  news,
  options,
  outbox,
}: {
  readonly account: Account
  readonly answers: AnswerRows
  readonly outbox: OutboxRows
  /** Run when there is something to send. */
  readonly news: Effect.Effect<void>
  readonly options: Options
}) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const queue = yield* EmbeddingQueue

    const isOver = ({ entering, open }: Answer) => !entering && open === 0

    const isDue = (row: Answer, now: number) =>
      row.facts.kind === "import" &&
      row.edits < options.mostEdits &&
      now - row.editedAt >= spacingAfter(options, row.edits)

    /** A step of the caller's transaction: changes the message, where it is time to. */
    const refresh = (answer: number) =>
      Effect.gen(function* () {
        const row = Option.getOrUndefined(yield* answers.get(answer))
        if (row === undefined) return
        const now = yield* Clock.currentTimeMillis
        const over = isOver(row)
        if (!over && !isDue(row, now)) return
        yield* outbox.edit(answer, contentOf(Wording.answer(row)))
        yield* answers.edited(answer, now, over)
        yield* storage.afterCommit(news)
      })

    const endingOf = ({ lastError, outcome }: Job) =>
      outcome === "cancelled" ? "cancelled" : (lastError ?? "unknown")

    /** Whether a receipt that told of a failure has to tell something else. That of a success always does. */
    const isNews = ({ edits, ending }: Watch, job: Option.Option<Job>) =>
      Option.match(job, {
        onNone: () => true,
        onSome: (now) =>
          now.status === "completed" ||
          (now.status === "failed" && endingOf(now) !== ending && edits < options.mostEdits),
      })

    const jobOf = (jobId: string) =>
      Effect.map(
        queue.getJob(jobId),
        Option.map((item) => item.job),
      )

    /** How a job stands now. A receipt that was cleared away belongs to a job that completed. */
    const settle = (jobId: string) =>
      Effect.gen(function* () {
        const job = yield* jobOf(jobId)
        const told = (yield* answers.failuresOf(jobId)).filter((one) => isNews(one, job))
        yield* Effect.forEach(told, ({ answer }) => answers.reopen(answer), { discard: true })
        if (Option.isNone(job)) return yield* answers.end(jobId, { failed: false, ending: null })
        const { outcome, status, successor } = job.value
        if (outcome === "superseded" && successor !== null) {
          yield* answers.replace(jobId, successor)
          return []
        }
        if (status === "failed") {
          const ended = yield* answers.end(jobId, { failed: true, ending: endingOf(job.value) })
          yield* Effect.forEach(ended, (answer) => answers.watch(answer, jobId), { discard: true })
          return ended
        }
        if (status !== "completed") return []
        return yield* answers.end(jobId, { failed: false, ending: outcome === "deleted" ? "deleted" : null })
      })

    const settleAll = (jobIds: ReadonlyArray<string>): Effect.Effect<void, NotHolder | StorageError> =>
      jobIds.length === 0
        ? Effect.void
        : account.write(
            Effect.gen(function* () {
              const touched = new Set((yield* Effect.forEach(jobIds, settle)).flat())
              yield* Effect.forEach(touched, refresh, { discard: true })
            }),
          )

    const hasEnded = (jobId: string) =>
      Effect.map(
        jobOf(jobId),
        Option.match({
          onNone: () => true,
          onSome: ({ status }) => status === "completed" || status === "failed",
        }),
      )

    const place = yield* Ref.make("")
    const start = { jobId: "", answer: 0 }
    const placeAmongFailures = yield* Ref.make(start)

    /** Looks at the next page of receipts that told of a failure. */
    const lookAgain = Effect.gen(function* () {
      const page = yield* answers.failures(yield* Ref.get(placeAmongFailures), glance)
      yield* Ref.set(placeAmongFailures, page.length < glance ? start : (page.at(-1) ?? start))
      const other = yield* Effect.filter(page, (one) =>
        Effect.map(jobOf(one.jobId), (job) => isNews(one, job)),
      )
      yield* settleAll([...new Set(other.map(({ jobId }) => jobId))])
    })

    /** Looks at the next page of jobs, without a transaction where nothing has ended. */
    const poll = Effect.gen(function* () {
      const page = yield* answers.page(yield* Ref.get(place), glance)
      yield* Ref.set(place, page.length < glance ? "" : (page.at(-1) ?? ""))
      yield* settleAll(yield* Effect.filter(page, hasEnded))
      yield* lookAgain
      const unfinished = yield* answers.unfinished
      if (unfinished.length > 0) {
        const now = yield* Clock.currentTimeMillis
        const rows = (yield* Effect.forEach(unfinished, (answer) =>
          storage.read(answers.get(answer)),
        )).flatMap(Option.toArray)
        const due = rows.filter((row) => isOver(row) || isDue(row, now))
        if (due.length > 0) {
          yield* account.write(Effect.forEach(due, ({ answer }) => refresh(answer), { discard: true }))
        }
      }
    }).pipe(Effect.withTracerEnabled(false))

    const listen = Effect.gen(function* () {
      const changes = yield* queue.subscribe
      yield* changes.pipe(
        Stream.filter(({ status }) => status === "completed" || status === "failed"),
        Stream.groupedWithin(glance, "100 millis"),
        Stream.runForEach((some) =>
          Effect.flatMap(answers.awaited(Array.from(some, ({ jobId }) => jobId)), settleAll),
        ),
      )
    }).pipe(Effect.scoped)

    return {
      refresh,
      poll: Effect.zipRight(poll, Effect.sleep(options.pollEvery)),
      listen,
    }
  })

export type Following = Effect.Effect.Success<ReturnType<typeof make>>
