import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Account from "../../src/Matrix/Account.js"
import * as AnswerRows from "../../src/Matrix/AnswerRows.js"
import * as Inbox from "../../src/Matrix/Inbox.js"
import * as OutboxRows from "../../src/Matrix/OutboxRows.js"
import { Storage } from "../../src/Storage.js"
import { system } from "../support.js"

const user = "@notes:example.org"

const tables = Effect.gen(function* () {
  const storage = yield* Storage
  return {
    storage,
    outbox: yield* OutboxRows.make(user),
    answers: yield* AnswerRows.make(user),
    inbox: yield* Inbox.make(user),
  }
})

const receipt = {
  kind: "receipt",
  verb: "saved",
  title: "a",
  entityType: "base",
  entityId: "a",
  jobId: "job",
} as const

const command = (eventId: string, sender = "@a:b") => ({
  type: "m.room.message",
  event_id: eventId,
  sender,
  origin_server_ts: 1,
  content: { msgtype: "m.text", body: "!help" },
})

describe("the tables of the Matrix interface", () => {
  it.scoped("send answers before edits, and an edit only when its message is there", () =>
    Effect.gen(function* () {
      const { outbox, storage } = yield* tables
      const next = Effect.map(outbox.next, (due) => Option.getOrUndefined(due))
      const first = yield* storage.write(outbox.message("!a:b", { body: "one" }))
      yield* storage.write(outbox.edit(first, { body: "one, edited" }))
      const second = yield* storage.write(outbox.message("!a:b", { body: "two" }))
      assert.strictEqual((yield* next)?.seq, first)
      yield* storage.write(outbox.sent(first, "$one"))
      assert.strictEqual((yield* next)?.seq, second)
      yield* storage.write(outbox.sent(second, "$two"))
      const edit = yield* next
      assert.strictEqual(edit?.edited, "$one")

      // One that was not tried says the newest; one that was may have arrived, and keeps what it said.
      yield* storage.write(outbox.edit(first, { body: "newer" }))
      assert.deepStrictEqual((yield* next)?.content, { body: "newer" })
      assert.strictEqual((yield* next)?.txnId, edit?.txnId)
      yield* storage.write(outbox.tried(edit?.seq ?? 0))
      yield* storage.write(outbox.edit(first, { body: "newest" }))
      assert.deepStrictEqual((yield* next)?.content, { body: "newer" })
      yield* storage.write(outbox.sent(edit?.seq ?? 0, "$edit"))
      assert.deepStrictEqual((yield* next)?.content, { body: "newest" })
      assert.strictEqual(yield* outbox.waiting, 1)

      // What is refused takes its edits along.
      const third = yield* storage.write(outbox.message("!a:b", { body: "three" }))
      yield* storage.write(outbox.edit(third, { body: "three, edited" }))
      yield* storage.write(outbox.refused(third, "M_FORBIDDEN"))
      assert.strictEqual(yield* outbox.waiting, 1)
    }).pipe(Effect.provide(system())),
  )

  it.scoped("know a command that is told again, and forget it in the end", () =>
    Effect.gen(function* () {
      const { inbox, storage } = yield* tables
      assert.isTrue(yield* storage.write(inbox.enter("!a:b", command("$1"))))
      assert.isFalse(yield* storage.write(inbox.enter("!a:b", command("$1"))))
      yield* storage.write(inbox.enter("!a:b", command("$2", "@c:d")))
      yield* storage.write(inbox.enter("!a:b", command("$3")))
      assert.deepStrictEqual(yield* inbox.senders, ["@a:b", "@c:d"])
      const one = Option.getOrThrow(yield* inbox.next("@a:b"))
      assert.strictEqual(one.event.event_id, "$1")
      yield* storage.write(inbox.end(one.seq, "helped", null))
      assert.strictEqual(Option.getOrThrow(yield* inbox.next("@a:b")).event.event_id, "$3")
      assert.isFalse(yield* storage.write(inbox.enter("!a:b", command("$1"))))
      yield* TestClock.adjust("8 days")
      yield* storage.write(inbox.forget(7 * 86_400_000))
      assert.isTrue(yield* storage.write(inbox.enter("!a:b", command("$1"))))
      assert.isFalse(yield* storage.write(inbox.enter("!a:b", command("$3"))))
      // What was said is let go of when it is done.
      const rows =
        yield* storage.sql`SELECT event FROM matrix_commands WHERE ended_at IS NOT NULL AND event <> ''`
      assert.lengthOf(rows, 0)
    }).pipe(Effect.provide(system())),
  )

  it.scoped("keep a message as long as it will change, and count each job once", () =>
    Effect.gen(function* () {
      const { answers, outbox, storage } = yield* tables
      const message = yield* storage.write(
        Effect.gen(function* () {
          const seq = yield* outbox.message("!a:b", { body: "receipt" })
          yield* answers.put(seq, receipt, ["job"], false)
          yield* outbox.sent(seq, "$receipt")
          return seq
        }),
      )
      yield* TestClock.adjust("8 days")
      yield* storage.write(outbox.forget(7 * 86_400_000))
      assert.deepStrictEqual(yield* answers.about("$receipt"), Option.some(receipt))
      yield* storage.write(answers.replace("job", "successor"))
      assert.deepStrictEqual(yield* answers.awaited(["job", "successor", "other"]), ["successor"])
      const ending = { failed: false, ending: null }
      assert.deepStrictEqual(yield* storage.write(answers.end("successor", ending)), [message])
      assert.deepStrictEqual(yield* storage.write(answers.end("successor", ending)), [])
      const row = Option.getOrThrow(yield* storage.read(answers.get(message)))
      assert.deepStrictEqual([row.open, row.done, row.failed], [0, 1, 0])
      yield* storage.write(answers.edited(message, 0, true))
      assert.isTrue(Option.isNone(yield* storage.read(answers.get(message))))
      yield* storage.write(outbox.forget(7 * 86_400_000))
      assert.isTrue(Option.isNone(yield* answers.about("$receipt")))
    }).pipe(Effect.provide(system())),
  )

  it.scoped("keep a receipt that told of a failure with its job, until that ends otherwise", () =>
    Effect.gen(function* () {
      const { answers, outbox, storage } = yield* tables
      const put = (facts: AnswerRows.Facts) =>
        storage.write(
          Effect.gen(function* () {
            const seq = yield* outbox.message("!a:b", { body: "answer" })
            yield* answers.put(seq, facts, ["job"], false)
            yield* outbox.sent(seq, "$answer")
            return seq
          }),
        )
      const folder = { created: 1, updated: 0, unchanged: 0, skipped: 0, reasons: [], broken: null }
      const first = yield* put(receipt)
      const other = yield* put({ kind: "import", folder: "/notes", ...folder })
      const fail = storage.write(
        Effect.gen(function* () {
          const ended = yield* answers.end("job", { failed: true, ending: "odd" })
          yield* Effect.forEach(ended, (answer) => answers.watch(answer, "job"))
          yield* Effect.forEach(ended, (answer) => answers.edited(answer, 0, true))
          return ended
        }),
      )
      const start = { jobId: "", answer: 0 }
      assert.deepStrictEqual(yield* fail, [first, other])
      const watch = { jobId: "job", answer: first, ending: "odd", edits: 1 }
      assert.deepStrictEqual(yield* answers.failures(start, 10), [watch])
      assert.deepStrictEqual(yield* answers.failures(watch, 10), [])
      assert.deepStrictEqual(yield* answers.page("", 10), [])
      // It failed again: nobody who was open waited for it.
      assert.deepStrictEqual(yield* fail, [])
      yield* TestClock.adjust("8 days")
      yield* storage.write(outbox.forget(7 * 86_400_000))
      yield* storage.write(answers.reopen(first))
      assert.deepStrictEqual(yield* answers.failures(start, 10), [])
      assert.deepStrictEqual(yield* answers.page("", 10), ["job"])
      const end = answers.end("job", { failed: false, ending: null })
      assert.deepStrictEqual(yield* storage.write(end), [first])
      const row = Option.getOrThrow(yield* storage.read(answers.get(first)))
      assert.deepStrictEqual([row.open, row.done, row.failed], [0, 1, 0])
    }).pipe(Effect.provide(system())),
  )

  it.scoped("let one process speak for an account, and fence the one before it", () =>
    Effect.gen(function* () {
      const first = yield* Account.make(user)
      const second = yield* Account.make(user)
      assert.isTrue(yield* first.take)
      assert.isTrue(yield* first.take)
      assert.isFalse(yield* second.take)
      assert.strictEqual((yield* Effect.flip(second.renew))._tag, "NotHolder")
      yield* TestClock.adjust("40 seconds")
      yield* first.renew
      yield* TestClock.adjust("40 seconds")
      assert.isFalse(yield* second.take)
      // Silent for too long.
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* second.take)
      const late = first.write(first.moveTo("s1"))
      assert.strictEqual((yield* Effect.flip(late))._tag, "NotHolder")
      assert.isNull((yield* second.state).syncToken)
      yield* second.write(second.moveTo("s2"))
      assert.strictEqual((yield* first.state).syncToken, "s2")
      yield* second.release
      assert.isTrue(yield* first.take)
    }).pipe(Effect.provide(system())),
  )
})
