import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { Storage } from "../../src/Storage.js"
import { quiet } from "../support.js"
import {
  anyTown,
  ask,
  eventually,
  finallySays,
  idsIn,
  roomWith,
  services,
  settingsOf,
  startBot,
  startWorker,
} from "./fixtures.js"

describe("the receipts of the Matrix bot", { timeout: 240_000 }, () => {
  it.scopedLive("are gone on with where they told of a failure, whoever tries it again and when", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      yield* Effect.gen(function* () {
        const control = yield* FakeControl
        const queue = yield* EmbeddingQueue
        const { sql } = yield* Storage
        const failWith = (reason: string) =>
          control.failWhen(() => true, new EmbeddingError({ fault: "item", reason }))
        const bot = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const receipt = yield* ask(owner, room, "!add An odd text.")
        const [, jobId = ""] = idsIn(receipt.content.body)
        const { event_id: told } = receipt
        yield* sql`UPDATE embedding_queue SET max_retries = 0 WHERE job_id = ${jobId}`
        yield* failWith("it is odd")
        yield* startWorker
        yield* finallySays(owner, told, /could not be embedded: it is odd\./)

        // The same again is no news; another reason is.
        yield* queue.retryFailed()
        yield* eventually(Effect.filterOrFail(queue.attempts(jobId), (all) => all.length === 2))
        yield* control.reset
        yield* failWith("it is even")
        assert.match((yield* ask(owner, room, "!!retry all")).content.body, /^1 job in line again/)
        yield* finallySays(owner, told, /could not be embedded: it is even\./)
        assert.lengthOf(owner.editsOf(told), 2)

        // By the command line, while the bot is not there.
        yield* bot.stop
        yield* control.reset
        yield* queue.retryFailed({ jobId })
        yield* eventually(
          Effect.filterOrFail(queue.getJob(jobId), (job) =>
            Option.exists(job, ({ job }) => job.status === "completed"),
          ),
        )
        yield* startBot(settingsOf(town))
        yield* finallySays(owner, told, /^Saved [^]*; it is embedded\.$/)
        yield* ask(owner, room, "!status")
        assert.lengthOf(owner.editsOf(told), 3)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )
})
