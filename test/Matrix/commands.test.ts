import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { quiet } from "../support.js"
import {
  anyTown,
  ask,
  finallySays,
  idsIn,
  replyTo,
  roomWith,
  services,
  settingsOf,
  startBot,
  startWorker,
  type Town,
} from "./fixtures.js"
import { does } from "./Person.js"

/** A room in which the owner and the bot are, and services that the test can look at. */
const withRoom = <A, E, R>(
  test: (given: { readonly town: Town; readonly room: string }) => Effect.Effect<A, E, R>,
  more: { readonly third?: boolean } = {},
) =>
  Effect.gen(function* () {
    const town = yield* anyTown
    const context = yield* services
    return yield* Effect.gen(function* () {
      const third = more.third === true ? [yield* town.newPerson("third")] : []
      yield* startBot(settingsOf(town))
      return yield* test({ town, room: yield* roomWith(town, third) })
    }).pipe(Effect.provide(context))
  }).pipe(Effect.provide(quiet))

describe("the commands of the Matrix bot", { timeout: 240_000 }, () => {
  it.scopedLive("answer in a thread with a fallback, as a notice that mentions nobody", () =>
    withRoom(({ room, town: { owner } }) =>
      Effect.gen(function* () {
        const asked = yield* does(() => owner.say(room, "!help"))
        const { content } = yield* does(() => owner.answer(asked))
        assert.strictEqual(content.msgtype, "m.notice")
        assert.strictEqual(content.format, "org.matrix.custom.html")
        assert.deepStrictEqual(content["m.mentions"], {})
        assert.deepStrictEqual(content["m.relates_to"], {
          rel_type: "m.thread",
          event_id: asked,
          is_falling_back: true,
          "m.in_reply_to": { event_id: asked },
        })
        for (const word of ["!add", "!search", "!more", "!import", "!!pause"])
          assert.include(content.body, word)
        // Within a thread the answer stays in it.
        const within = yield* does(() =>
          owner.say(room, "!status", {
            "m.relates_to": {
              rel_type: "m.thread",
              event_id: asked,
              is_falling_back: true,
              "m.in_reply_to": { event_id: asked },
            },
          }),
        )
        const answer = yield* does(() => owner.answer(within))
        assert.strictEqual(answer.content["m.relates_to"]?.event_id, asked)
      }),
    ),
  )

  it.scopedLive(
    "save the message that is replied to, as the homeserver has it and as it was last edited",
    () =>
      withRoom(({ room, town: { owner } }) =>
        Effect.gen(function* () {
          const service = yield* EntityService
          const original = yield* does(() => owner.say(room, "The key is under the mat."))
          const receipt = yield* ask(
            owner,
            room,
            "> <@somebody:else> The key is in the pot.\n\n!add",
            replyTo(original),
          )
          const [first = ""] = idsIn(receipt.content.body)
          const note = yield* service.getEntity(first)
          assert.strictEqual(note.content, "The key is under the mat.")
          assert.strictEqual(note.metadata["event"], original)
          assert.strictEqual(note.metadata["sender"], owner.userId)
          assert.strictEqual(note.metadata["title"], "The key is under the mat.")

          yield* does(() =>
            owner.say(room, "* The key is in the shed.", {
              "m.new_content": { msgtype: "m.text", body: "The key is in the shed." },
              "m.relates_to": { rel_type: "m.replace", event_id: original },
            }),
          )
          const again = yield* ask(owner, room, "!add", replyTo(original))
          const [second = ""] = idsIn(again.content.body)
          assert.strictEqual((yield* service.getEntity(second)).content, "The key is in the shed.")

          const nothing = yield* ask(owner, room, "!add")
          assert.match(nothing.content.body, /^Say what to save/)
          const nowhere = yield* ask(owner, room, "!add", replyTo("$nobody/knows+this"))
          assert.match(nowhere.content.body, /cannot see the message/)
        }),
      ),
  )

  it.scopedLive("save text files, attached or replied to, and refuse others", () =>
    withRoom(({ room, town: { owner } }) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        const text = "# Wörter\nEin kurzer Text."
        const url = yield* does(() => owner.upload("words.md", Buffer.from(text)))
        const file = { msgtype: "m.file", filename: "words.md", url }
        const receipt = yield* ask(owner, room, "!add", file)
        assert.match(receipt.content.body, /^Saved “Wörter” as/)
        const note = yield* service.getEntity(idsIn(receipt.content.body)[0] ?? "")
        assert.strictEqual(note.content, text)
        assert.strictEqual(note.metadata["file"], "words.md")

        const lone = yield* does(() => owner.send(room, { msgtype: "m.file", body: "list.TXT", url }))
        const replied = yield* ask(owner, room, "!add", replyTo(lone))
        assert.match(replied.content.body, /^Saved “Wörter” as/)

        const refusals: ReadonlyArray<readonly [content: object, says: RegExp]> = [
          [{ ...file, filename: "words.pdf" }, /text files only/],
          [{ msgtype: "m.file", filename: "a.md", file: { url, key: {} } }, /encrypted/],
          [{ ...file, url: "mxc://example.org/../../secret" }, /names no file/],
          [{ ...file, url: "https://example.org/words.md" }, /names no file/],
          [
            { ...file, url: url.replace(/[^/]+$/, "missing") },
            /does not have the file words\.md[^]*Nothing was saved\./,
          ],
        ]
        for (const [content, says] of refusals) {
          assert.match((yield* ask(owner, room, "!add", content)).content.body, says)
        }
        const binary = yield* does(() => owner.upload("b.txt", Buffer.from([0xff, 0xfe, 0x00])))
        const bad = yield* ask(owner, room, "!add", { msgtype: "m.file", filename: "b.txt", url: binary })
        assert.match(bad.content.body, /not valid UTF-8/)
        const large = yield* does(() => owner.upload("l.txt", Buffer.alloc(4 * 1024 * 1024 + 1, "a")))
        const tooLarge = yield* ask(owner, room, "!add", { msgtype: "m.file", filename: "l.txt", url: large })
        assert.match(tooLarge.content.body, /too large/)
      }),
    ),
  )

  it.scopedLive("find what is like a note, and go on with more", () =>
    withRoom(({ room, town: { owner } }) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* Effect.forEach(
          Array.from({ length: 8 }, (_, at) => at + 1),
          (nr) => service.createEntitySync({ id: `bread-${nr}`, content: `Bread with flour, number ${nr}.` }),
        )
        const like = yield* ask(owner, room, "!related bread-3")
        assert.match(like.content.body, /^1\. [^]*5\. [^]*There is more: !more/)
        const more = yield* ask(owner, room, "!more")
        assert.match(more.content.body, /^6\. [^]*7\. /)
        const ids = `${like.content.body}\n${more.content.body}`.match(/bread-\d/g)
        assert.sameMembers(
          [...new Set(ids)],
          [1, 2, 4, 5, 6, 7, 8].map((nr) => `bread-${nr}`),
        )

        yield* service.createEntity({ id: "new", content: "Just saved." })
        const early = yield* ask(owner, room, "!related new")
        assert.match(early.content.body, /^Nothing found\.[^]*not embedded yet/)
        assert.match(
          (yield* ask(owner, room, "!related")).content.body,
          /^Say which one by its id: !related <id>/,
        )
      }),
    ),
  )

  it.scopedLive("take a mention with a question for a search, and everything in a room of two", () =>
    withRoom(
      ({ room, town }) =>
        Effect.gen(function* () {
          const { bot, owner } = town
          yield* ask(owner, room, "!add The bicycle is behind the library.")
          const mentions = { "m.mentions": { user_ids: [bot.userId] } }
          const asked = [
            yield* ask(owner, room, "Note Box: where is the bicycle?", mentions),
            yield* ask(owner, room, "please, where is the bicycle?", mentions),
            yield* ask(owner, room, `${bot.userId} where is the bicycle`),
            yield* ask(owner, room, "Note Box: where is the bicycle", {
              format: "org.matrix.custom.html",
              formatted_body: `<a href="https://matrix.to/#/${bot.userId}">Note Box</a>: where is the bicycle`,
            }),
          ]
          for (const { content } of asked) assert.match(content.body, /^1\. The bicycle is behind/)
          const bare = yield* ask(owner, room, "Note Box", mentions)
          assert.match(bare.content.body, /^I save notes/)

          // None of these is meant for the bot: it answers only what comes after.
          const ignored = yield* does(async () => [
            await owner.say(room, "where is the bicycle?"),
            await owner.say(room, "Note Box is a good bot", { "m.mentions": {} }),
            await owner.say(room, "!roll 2d6"),
            await owner.say(room, "thanks!", { ...mentions, ...replyTo(asked[0]?.event_id ?? "") }),
          ])
          yield* ask(owner, room, "!status")
          for (const eventId of ignored) assert.deepStrictEqual(owner.answersTo(eventId), [])

          const direct = yield* roomWith(town, [], { is_direct: true, preset: "trusted_private_chat" })
          assert.match((yield* ask(owner, direct, "where is the bicycle?")).content.body, /^1\. The bicycle/)
          assert.match((yield* ask(owner, direct, "!roll 2d6")).content.body, /^I do not know !roll\./)
        }),
      { third: true },
    ),
  )

  it.scopedLive("cut what is long, and go on with !more", () =>
    withRoom(({ room, town: { owner } }) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* Effect.forEach(
          Array.from({ length: 17 }, (_, at) => String(at + 10)),
          (id) => service.createEntity({ id: `note-${id}`, content: `A note on apples, number ${id}.` }),
        )
        const list = yield* ask(owner, room, "!list")
        assert.strictEqual(list.content.body.split("\n")[0], "1. note-10 · not embedded yet")
        assert.match(list.content.body, /15\. note-24 [^]*There are more: !more$/)
        const rest = yield* ask(owner, room, "!more")
        assert.match(rest.content.body, /^16\. note-25 [^]*17\. note-26[^]*yet$/)
        assert.match((yield* ask(owner, room, "!more")).content.body, /nothing to go on with/)

        const found = yield* ask(owner, room, "!search apples")
        assert.match(found.content.body, /^1\. [^]*5\. [^]*There is more: !more\n/)
        assert.match((yield* ask(owner, room, "!more")).content.body, /^6\. [^]*10\. /)

        yield* service.createEntity({ id: "long", content: `# Long\n${"🙂".repeat(3_000)}end` })
        const first = yield* ask(owner, room, "!get long")
        assert.match(first.content.body, /^Long · long · \d{4}-\d\d-\d\d[^]*more characters: !more$/)
        assert.isTrue(first.content.body.isWellFormed())
        assert.match((yield* ask(owner, room, "!more")).content.body, /^🙂[^]*end$/u)
        assert.match((yield* ask(owner, room, "!get nothing")).content.body, /^There is no note "nothing"\./)
        // What somebody else was shown is not what I go on with.
        assert.match((yield* ask(owner, room, "!more")).content.body, /nothing to go on with/)
      }),
    ),
  )

  it.scopedLive("tell why an embedding ended badly, and follow it anew when it is tried again", () =>
    withRoom(({ room, town: { owner } }) =>
      Effect.gen(function* () {
        const control = yield* FakeControl
        yield* control.failWhen(
          () => true,
          new EmbeddingError({ fault: "item", reason: "the text is <b>odd</b>" }),
        )
        const receipt = yield* ask(owner, room, "!add An odd text.")
        const queue = yield* EmbeddingQueue
        const [, jobId = ""] = idsIn(receipt.content.body)
        assert.match((yield* ask(owner, room, `!job ${jobId}`)).content.body, /: pending, note /)
        // Without retries, so that it ends at once.
        const worker = yield* startWorker
        yield* Effect.addFinalizer(() => worker.stop)
        yield* queue.cancel(jobId)
        const cancelled = yield* finallySays(owner, receipt.event_id, /could not be embedded: cancelled/)
        assert.include(cancelled, `!retry ${jobId}`)
        yield* control.reset
        const retried = yield* ask(owner, room, "!retry", replyTo(receipt.event_id))
        assert.match(retried.content.body, /^Trying “An odd text\.” as [^]* again\./)
        yield* finallySays(owner, retried.event_id, /^Tried [^]* again; it is embedded\.$/)
        assert.match((yield* ask(owner, room, `!job ${jobId}`)).content.body, /: completed, note /)
        assert.match(
          (yield* ask(owner, room, `!retry ${jobId}`)).content.body,
          /nothing to try again: the job is completed/,
        )
        // What said that it could not be embedded says so no longer.
        yield* finallySays(owner, receipt.event_id, /^Saved [^]*; it is embedded\.$/)
        assert.lengthOf(owner.editsOf(receipt.event_id), 2)
      }),
    ),
  )

  it.scopedLive("let owners pause, resume, try all again and delete", () =>
    withRoom(({ room, town: { owner } }) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        const service = yield* EntityService
        yield* startWorker
        assert.match((yield* ask(owner, room, "!!pause")).content.body, /^Paused/)
        assert.isTrue((yield* queue.workAhead).paused)
        const receipt = yield* ask(owner, room, "!add A note <i>that</i> waits.")
        assert.match(receipt.content.body, /and waits: the queue is paused\./)
        assert.match((yield* ask(owner, room, "!status")).content.body, /1 waiting[^]*the queue is paused/)
        assert.match((yield* ask(owner, room, "!!resume")).content.body, /goes on/)
        yield* finallySays(owner, receipt.event_id, /it is embedded/)
        const status = yield* ask(owner, room, "!status")
        assert.match(
          status.content.body,
          /^1 note embedded, 0 waiting, 0 failed\.\n1 worker, all well\.\nmatrix @notes/,
        )
        assert.match((yield* ask(owner, room, "!!retry all")).content.body, /nothing to try again/)
        assert.match((yield* ask(owner, room, "!!retry")).content.body, /!!retry all/)
        const [id = ""] = idsIn(receipt.content.body)
        assert.match(
          (yield* ask(owner, room, `!!rm ${id}`)).content.body,
          /^Deleted A note <i>that<\/i> waits\./,
        )
        assert.strictEqual((yield* Effect.flip(service.getEntity(id)))._tag, "EntityNotFound")
        assert.match((yield* ask(owner, room, `!!rm ${id}`)).content.body, /^There is no note/)
      }),
    ),
  )
})
