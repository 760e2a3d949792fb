import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { InvalidEntity } from "../../src/Domain/Errors.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import * as Wording from "../../src/Matrix/Wording.js"
import { Storage } from "../../src/Storage.js"
import { quiet } from "../support.js"
import { anyTown, ask, idsIn, replyTo, roomWith, services, settingsOf, startBot } from "./fixtures.js"
import { does } from "./Person.js"

describe("what the Matrix bot says to those who do not know it yet", { timeout: 240_000 }, () => {
  it("is a sentence where an input is refused", () => {
    const error = new InvalidEntity({ field: "question", reason: "must have at most 10 characters, has 11" })
    assert.strictEqual(
      Wording.failure(error).plain,
      "The question must have at most 10 characters, and it has 11. Nothing was done.",
    )
  })

  it("is in plain words where a job has ended badly", () => {
    const ended = (outcome: "exhausted" | "cancelled") =>
      Wording.standing({ status: "failed", outcome, successor: null })
    assert.strictEqual(ended("exhausted"), "failed (every attempt went wrong)")
    assert.strictEqual(ended("cancelled"), "failed (it was cancelled)")
  })

  it.scopedLive("quotes what was written, in bounds, and sees through marks around an id", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        const queue = yield* EmbeddingQueue
        yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const says = (text: string, more: object = {}) =>
          Effect.map(ask(owner, room, text, more), ({ content }) => content.body)

        assert.strictEqual(yield* says("!foo1 x"), "I do not know !foo1. !help lists what I do.")
        assert.strictEqual(yield* says("! help"), "I do not know ! help. !help lists what I do.")
        assert.isBelow((yield* says(`!${"x".repeat(5_000)}`)).length, 150)
        const mark = yield* does(() => owner.say(room, "!"))

        for (const id of ["../../etc/passwd", "a/../b", "base/x"]) {
          assert.match(
            yield* says(`!get ${id}`),
            new RegExp(`^There is no note "${id.replaceAll(".", "\\.")}"\\.`),
          )
        }
        assert.isBelow((yield* says(`!get ${"x".repeat(5_000)}`)).length, 200)
        assert.isBelow((yield* says(`!get a/${"x".repeat(5_000)}`)).length, 200)

        yield* service.createEntity({ id: "tax", content: "# Papers\nThe tax papers." })
        for (const id of ["tax", '"tax"', "`tax`", "'tax'", "“tax”", "base/tax"]) {
          assert.match(yield* says(`!get ${id}`), /^Papers · tax · /)
        }

        assert.match(yield* says("!list 5"), /^!list takes nothing behind it/)
        assert.match(yield* says("!import /etc"), /^!import takes nothing behind it/)
        assert.match(yield* says("!!pause now"), /^!!pause takes nothing behind it/)
        assert.isFalse((yield* queue.workAhead).paused)

        const receipt = yield* ask(owner, room, "!add To be thrown away.")
        const [id = "", jobId = ""] = idsIn(receipt.content.body)
        const { sql } = yield* Storage
        yield* sql`INSERT INTO embedding_attempts (generation, attempt, ended_at, crashed, fault, error)
          SELECT generation, 1, 0, 0, 'item', 'odd' FROM embedding_queue WHERE job_id = ${jobId}`
        assert.match(yield* says(`!job ${jobId}`), /; the cause was the note itself\./)
        assert.strictEqual(
          yield* says("!!rm", replyTo(receipt.event_id)),
          `Deleted To be thrown away. (${id}).`,
        )
        yield* service.createEntity({ id: "bare", content: "No title." })
        assert.match(yield* says("!get bare"), /^bare · \d{4}-/)
        assert.match(yield* says("!search title"), /^1\. bare · \d\.\d\d · not embedded yet\n/)
        assert.match(yield* says("!get 1"), /numbers of a list are no ids/)
        assert.strictEqual(yield* says("!!rm bare"), "Deleted bare.")
        assert.deepStrictEqual(owner.answersTo(mark), [])
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("is one line where it comes into a room, and not again after a restart", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      yield* Effect.gen(function* () {
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        yield* ask(owner, room, "!status")
        yield* first.stop
        yield* startBot(settingsOf(town))
        yield* ask(owner, room, "!status")
        const said = owner.heard.filter(
          ({ content }) => content.body === "I save and find notes; !help says how.",
        )
        assert.deepStrictEqual(
          said.map(({ roomId }) => roomId),
          [room],
        )
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )
})
