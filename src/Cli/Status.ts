/** `embedbox status`: opens the queue alone, so it is quick and starts no model. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityRepository } from "../EntityRepository.js"
import { Access, PlaceTag } from "./Access.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

const read = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const place = yield* PlaceTag
  return {
    ...place,
    stored: yield* repository.count,
    paused: (yield* queue.workAhead).paused,
    queue: yield* queue.getStats,
  }
})

export const run = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const status = yield* Effect.provide(read, access.queue)
    if (json) return yield* Output.print(Output.Status, status)
    const { failed, pending, processing } = status.queue
    const line = (label: string, value: string) => `${screen.dim(label.padEnd(12))}${value}`
    const waiting = pending + processing
    yield* Console.log(
      [
        line("database", status.database),
        line("model", status.model),
        line("embedded", `${status.stored}`),
        line(
          "waiting",
          waiting === 0
            ? "0"
            : screen.yellow(`${waiting}`) + (processing > 0 ? ` (${processing} in work)` : ""),
        ),
        line("failed", failed === 0 ? "0" : screen.red(`${failed}`)),
        ...(status.paused ? [screen.yellow("The queue is paused.")] : []),
      ].join("\n"),
    )
  })
