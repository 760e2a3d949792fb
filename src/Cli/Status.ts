/** `embedbox status`: opens the queue alone, so it is quick and starts no model. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { clipped } from "../Domain/Text.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityRepository } from "../EntityRepository.js"
import { InterfaceBoard } from "../InterfaceBoard.js"
import { Access, PlaceTag } from "./Access.js"
import * as JobWords from "./JobWords.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

type Status = typeof Output.Status.Type

/** How far a change of model is that somebody began. */
const changing = (repository: typeof EntityRepository.Service) =>
  Effect.gen(function* () {
    const { next } = yield* repository.generations
    if (next === undefined) return null
    const { covered, entities } = yield* repository.coverage(next)
    return { to: next, embedded: covered, stored: entities }
  })

const read = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const place = yield* PlaceTag
  const status: Status = {
    ...place,
    stored: yield* repository.count,
    paused: (yield* queue.workAhead).paused,
    queue: yield* queue.getStats,
    lagMillis: yield* queue.lag,
    reembedding: yield* changing(repository),
    workers: yield* queue.workers,
    interfaces: yield* (yield* InterfaceBoard).notices,
  }
  return status
})

/** A wait that is shorter is none. */
const noticeableLag = 10_000

const waitingOf = (screen: typeof Screen.Service, { lagMillis, queue }: Status) => {
  const waiting = queue.pending + queue.processing
  if (waiting === 0) return "0"
  const lag = lagMillis < noticeableLag ? "" : `, the next one due for ${JobWords.span(lagMillis)}`
  return `${screen.yellow(`${waiting}`)}${queue.processing > 0 ? ` (${queue.processing} in work)` : ""}${lag}`
}

const workersOf = (screen: typeof Screen.Service, { queue, workers }: Status) => {
  const alive = workers.filter((worker) => worker.alive)
  const silent = workers.length - alive.length
  // Workers report now and then: what they had in hand may have ended since.
  const inHand = Math.min(
    queue.processing,
    alive.reduce((sum, worker) => sum + worker.inHand, 0),
  )
  const none = queue.pending > 0 ? screen.yellow("none: start the daemon, or use --wait") : "none"
  return (
    (alive.length === 0 ? none : `${alive.length}, ${inHand} in hand`) +
    (silent > 0 ? `; ${silent} silent` : "")
  )
}

/** Of the providers that are down, the one that is asked again first. */
const troubleOf = ({ workers }: Status) =>
  workers
    .flatMap(({ alive, provider }) => (alive && provider.state === "open" ? [provider] : []))
    .toSorted((a, b) => a.until - b.until)[0]

/** An interface: since when it is how it is, and what keeps it from being connected. */
const interfaceOf = (
  screen: typeof Screen.Service,
  { alive, beatAt, reason, since, state, subject, waiting }: Status["interfaces"][number],
  now: number,
) => {
  if (!alive) return `${oneLine(subject)} ${screen.yellow(`silent for ${JobWords.span(now - beatAt)}`)}`
  const tint = state === "connected" ? screen.green : state === "refused" ? screen.red : screen.yellow
  const unsent = waiting > 0 ? `, ${JobWords.counted(waiting, "message")} to send` : ""
  const why = reason === null ? "" : `: ${clipped(oneLine(reason), Math.max(12, screen.width - 40))}`
  return `${oneLine(subject)} ${tint(state)} for ${JobWords.span(now - since)}${unsent}${why}`
}

const text = (screen: typeof Screen.Service, status: Status, now: number) => {
  const line = (label: string, value: string) => `${screen.dim(label.padEnd(12))}${value}`
  const { failed } = status.queue
  const trouble = troubleOf(status)
  const next =
    trouble === undefined || trouble.until <= now
      ? "; trying again"
      : `; next try in ${JobWords.span(trouble.until - now)}`
  return [
    line("database", status.database),
    line("model", status.model),
    line("embedded", `${status.stored}`),
    line("waiting", waitingOf(screen, status)),
    line(
      "failed",
      failed === 0 ? "0" : `${screen.red(`${failed}`)} ${screen.dim("(embedbox jobs --failed)")}`,
    ),
    line("workers", workersOf(screen, status)),
    ...(status.reembedding === null
      ? []
      : [
          line(
            "reembedding",
            `${status.reembedding.embedded} of ${status.reembedding.stored} for ${status.reembedding.to.split("|")[0]} ${screen.dim("(embedbox reembed goes on)")}`,
          ),
        ]),
    ...(trouble === undefined
      ? []
      : [
          line(
            "provider",
            screen.red(
              `down: ${clipped(oneLine(trouble.reason), Math.max(12, screen.width - 18 - next.length))}`,
            ) + next,
          ),
        ]),
    ...status.interfaces.map((one) => line(one.name, interfaceOf(screen, one, now))),
    ...(status.paused ? [screen.yellow("The queue is paused: `embedbox resume` lets it go on.")] : []),
  ].join("\n")
}

export const run = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const status = yield* Effect.provide(read, access.queue)
    yield* json
      ? Output.print(Output.Status, status)
      : Console.log(text(screen, status, yield* Clock.currentTimeMillis))
  })
