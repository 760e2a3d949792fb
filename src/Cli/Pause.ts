/** `embedbox pause` and `embedbox resume`: for every process that works on this database, and across restarts. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { Access } from "./Access.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given {
  readonly paused: boolean
  readonly json: boolean
}

export const run = ({ json, paused }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    yield* Effect.flatMap(EmbeddingQueue, (queue) => (paused ? queue.pause : queue.resume)).pipe(
      Effect.provide(access.queue),
    )
    if (json) return yield* Output.print(Output.Paused, { paused })
    yield* Console.log(
      paused
        ? `${screen.yellow("paused")} ${screen.dim("no job is taken until `embedbox resume`; what is in hand goes on")}`
        : screen.green("resumed"),
    )
  })
