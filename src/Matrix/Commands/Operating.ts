/** `!status`, `!job`, `!retry`, `!import` and the owners' commands: what is done to the queue and to notes. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { JobNotFound } from "../../Domain/Errors.js"
import { clipped, titleOf } from "../../Domain/Text.js"
import { EmbeddingQueue } from "../../EmbeddingQueue.js"
import { EntityRepository } from "../../EntityRepository.js"
import { EntityService, type EntityView } from "../../EntityService.js"
import { InterfaceBoard } from "../../InterfaceBoard.js"
import type { AnswerRows } from "../AnswerRows.js"
import { type Failure, type Handler, Refused, type Request } from "../Handler.js"
import { code, lines, nothing, say, words } from "../Message.js"
import * as Wording from "../Wording.js"
import { hindrance } from "./Saving.js"

/** An id without the marks that somebody put around it. */
const unquoted = (text: string): string =>
  (/^(?:"([^]+)"|'([^]+)'|`([^]+)`|[“„”]([^]+)[“”])$/.exec(text)?.slice(1) ?? [text])
    .find((inner) => inner !== undefined)
    ?.trim() ?? text

const refused = (reason: string) => new Refused({ reason })

export const make = ({
  answers,
  find,
  importDir,
}: {
  readonly answers: AnswerRows
  readonly find: (reference: string) => Effect.Effect<EntityView, Failure>
  /** The folder that `!import` reads. */
  readonly importDir: string | undefined
}) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const queue = yield* EmbeddingQueue
    const repository = yield* EntityRepository
    const board = yield* InterfaceBoard

    /** What was named, or else what the message that was replied to, or the thread, is about. */
    const subject =
      (kind: "jobId" | "entityId", usage: string) =>
      ({ command, message }: Request): Effect.Effect<string, Failure> =>
        Effect.gen(function* () {
          if (command.rest !== "") return unquoted(command.rest)
          for (const eventId of [message.repliesTo, message.thread]) {
            const about = eventId === undefined ? Option.none() : yield* answers.about(eventId)
            if (Option.isSome(about) && about.value.kind === "receipt") return about.value[kind]
          }
          return yield* refused(
            `Say which one by its id: ${usage}, or send it as a reply to a receipt of mine.`,
          )
        })

    const status: Handler = () =>
      Effect.gen(function* () {
        const stats = yield* queue.getStats
        const stored = yield* repository.count
        const waits = yield* Effect.provideService(hindrance, EmbeddingQueue, queue)
        const waiting = stats.pending + stats.processing
        const workers = (yield* queue.workers).filter(({ alive }) => alive)
        const now = yield* Clock.currentTimeMillis
        const interfaces = (yield* board.notices).filter(({ alive }) => alive)
        const text = lines(
          say`${Wording.counted(stored, "note")} embedded, ${waiting} waiting${stats.processing > 0 ? ` (${stats.processing} in work)` : ""}, ${stats.failed} failed.`,
          say`${Wording.counted(workers.length, "worker")}${waits === undefined ? ", all well" : `; nothing is embedded at the moment: ${waits}`}.`,
          ...interfaces.map(
            ({ name, reason, since, state, subject, waiting: unsent }) =>
              say`${name} ${subject}: ${state} for ${Wording.span(now - since)}${unsent > 1 ? `, ${unsent} messages to send` : ""}${reason === null ? "" : ` (${reason})`}.`,
          ),
        )
        return Effect.succeed({ effect: "told the status", text })
      })

    const job: Handler = (request) =>
      Effect.gen(function* () {
        const jobId = yield* subject("jobId", "!job <job>")(request)
        const item = yield* queue.getJob(jobId)
        if (Option.isNone(item)) {
          const known = yield* Effect.flatMap(
            service.getAsyncJobStatus(jobId),
            Effect.mapError(() => new JobNotFound({ jobId: clipped(jobId, 80) })),
          )
          return Effect.succeed({
            effect: "told of a job",
            text: say`${code(jobId)}: ${known.status}, note ${code(known.entityId)}.`,
          })
        }
        const { entityId, lastError, retryCount, scheduledFor, status } = item.value.job
        const now = yield* Clock.currentTimeMillis
        const [last] = (yield* queue.attempts(jobId)).toReversed()
        const text = lines(
          say`${code(jobId)}: ${Wording.standing(item.value.job)}, note ${code(entityId)}.`,
          status === "pending" && scheduledFor > now
            ? say`Next try in ${Wording.span(scheduledFor - now)}, after ${Wording.counted(retryCount, "failed attempt")}.`
            : nothing,
          lastError === null || status === "completed" ? nothing : words(lastError),
          last === undefined || status === "completed"
            ? nothing
            : say`Its last attempt went wrong ${Wording.span(now - last.endedAt)} ago; the cause was ${Wording.culprit[last.fault]}.`,
          status === "failed" ? say`To try it again: ${code(`!retry ${jobId}`)}` : nothing,
        )
        return Effect.succeed({ effect: "told of a job", text })
      })

    const retry: Handler = (request) =>
      Effect.gen(function* () {
        const jobId = yield* subject("jobId", "!retry <job>")(request)
        const { job } = yield* Effect.flatMap(
          queue.getJob(jobId),
          Effect.mapError(() => new JobNotFound({ jobId: clipped(jobId, 80) })),
        )
        const view = yield* Effect.option(service.getEntity(job.entityId, job.entityType))
        const waits = yield* Effect.provideService(hindrance, EmbeddingQueue, queue)
        return Effect.gen(function* () {
          const retried = yield* queue.retryFailed({ jobId })
          if (retried === 0) {
            return {
              effect: "nothing to retry",
              text: say`There is nothing to try again: the job is ${Wording.standing(job)}.`,
            }
          }
          const title = Option.match(view, { onNone: () => job.entityId, onSome: titleOf })
          const { entityId, entityType } = job
          const facts = {
            kind: "receipt",
            verb: "retried",
            title: clipped(title, 80),
            entityType,
            entityId,
            jobId,
          } as const
          return {
            effect: `retried ${jobId}`,
            text: Wording.receipt(facts, waits),
            follow: { facts, jobs: [jobId], entering: false },
          }
        })
      })

    /** In bounded transactions, before the one that ends the command: to do it twice does no more than once. */
    const retryAll: Handler = ({ command }) =>
      command.rest.toLowerCase() !== "all"
        ? refused("To try all failed ones again say !!retry all; one is tried again with !retry <job>.")
        : Effect.map(queue.retryFailed(), (retried) =>
            Effect.succeed({
              effect: `retried ${retried}`,
              text:
                retried === 0
                  ? say`There is nothing to try again.`
                  : say`${Wording.counted(retried, "job")} in line again, with fresh attempts. ${code("!status")} says how it goes.`,
            }),
          )

    const importing: Handler = () =>
      Effect.gen(function* () {
        if (importDir === undefined) {
          return yield* refused("No folder is configured: an operator can set EMBEDBOX_MATRIX_IMPORT_DIR.")
        }
        if (Option.isSome(yield* answers.entering)) return yield* refused("An import is under way already.")
        const facts = {
          kind: "import",
          folder: importDir,
          created: 0,
          updated: 0,
          unchanged: 0,
          skipped: 0,
          reasons: [],
          broken: null,
        } as const
        const start = { done: 0, failed: 0, open: 0, entering: true }
        return Effect.succeed({
          effect: "began an import",
          text: Wording.imported(facts, start),
          follow: { facts, jobs: [], entering: true },
        })
      })

    const pause: Handler = () =>
      Effect.succeed(
        Effect.as(queue.pause, {
          effect: "paused",
          text: say`Paused: nothing is embedded, by any process, until ${code("!!resume")}. Notes are still saved.`,
        }),
      )

    const resume: Handler = () =>
      Effect.succeed(Effect.as(queue.resume, { effect: "resumed", text: say`The queue goes on.` }))

    const remove: Handler = (request) =>
      Effect.gen(function* () {
        const view = yield* Effect.flatMap(subject("entityId", "!!rm <id>")(request), find)
        const title = titleOf(view)
        return Effect.as(service.deleteEntity(view.id, view.entityType), {
          effect: `deleted ${view.id}`,
          text:
            title === view.id ? say`Deleted ${code(view.id)}.` : say`Deleted ${title} (${code(view.id)}).`,
        })
      })

    return { subject, status, job, retry, retryAll, importing, pause, resume, remove }
  })
