import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { EntityService } from "../../src/EntityService.js"
import { asked } from "../../src/Matrix/Addressing.js"
import * as Message from "../../src/Matrix/Message.js"
import { quiet } from "../support.js"
import { ask, idsIn, replyTo, roomWith, services, settingsOf, startBot, town as ownTown } from "./fixtures.js"
import { does } from "./Person.js"

const nasty = FastCheck.array(
  FastCheck.oneof(
    FastCheck.fullUnicodeString({ maxLength: 8 }),
    FastCheck.constantFrom(
      "<script>alert(1)</script>",
      '"><img src=x onerror=y>',
      "@room",
      "@Room",
      "&lt;",
      "\u202e",
      "\u2066",
      "\u2069",
      "שלום",
      "\ud800",
      "\u0000",
      "\u001b[2J",
      "\n",
      "\r",
      "\u2028",
      "</code></pre>",
      "https://matrix.to/#/@a:b",
    ),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(""))

const unescaped = (html: string) =>
  html
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&")

describe("somebody's words", () => {
  it("cannot act, whatever they are", () => {
    FastCheck.assert(
      FastCheck.property(nasty, (text) => {
        for (const made of [
          Message.words(text),
          Message.code(text),
          Message.block(text),
          Message.say`${text}`,
        ]) {
          const inner = made.html.replace(/^<pre><code>|<\/code><\/pre>$|^<code>|<\/code>$/g, "")
          assert.notMatch(inner, /[<>"]/)
          assert.strictEqual(unescaped(inner), made.plain)
          assert.notMatch(made.plain, /@room/i)
          assert.isTrue(made.plain.isWellFormed())
          // Nothing turns the direction but a pair of our own around the whole.
          assert.notMatch(made.plain.replace(/^\u2068([^]*)\u2069$/, "$1"), /\p{Bidi_Control}/u)
          assert.notMatch(made.plain, /(?![\n\t])[\p{Cc}\u2028\u2029]/u)
        }
        assert.notInclude(Message.words(text).plain, "\n")
      }),
    )
  })

  it("fit into an event, twice in an edit, however long they are", () => {
    const sizes = (text: Message.Text) => {
      const content = Message.contentOf(text)
      const edit = Message.asEdit(content, `$${"x".repeat(250)}`)
      return [content, Message.inThread(content, { eventId: "$a", thread: "$b" }), edit].map((one) =>
        Buffer.byteLength(JSON.stringify(one)),
      )
    }
    const long = ['"', "<", "\\", "漢", "🙂", "\u0001", "ש"].map((character) => character.repeat(100_000))
    for (const text of long) {
      for (const made of [Message.words(text), Message.block(text), Message.bold(text)]) {
        assert.isBelow(Math.max(...sizes(made)), 60_000)
      }
    }
    // What fits is formatted.
    assert.isDefined(Message.contentOf(Message.words("short"))["formatted_body"])
  })

  it("are links only to the web", () => {
    assert.strictEqual(
      Message.link("a", "https://example.org/?a=1&b=2").html,
      '<a href="https://example.org/?a=1&amp;b=2">a</a>',
    )
    for (const href of [
      "javascript:alert(1)",
      "data:text/html,x",
      " https://x",
      "https://a b",
      'https://a"b\u202e',
      "ftp://x",
      "",
    ]) {
      assert.strictEqual(Message.link("a", href).html, "a")
    }
    assert.notMatch(Message.link("a", 'https://x/"onclick="y').html, /"onclick/)
  })

  it("are read in a moment, however they are made", { timeout: 10_000 }, () => {
    const self = { userId: "@notes:example.org", displayName: "Note (Box)*" }
    const texts = ["!", "!add ", "> ", "@", "Note (Box)*", "/", " ", "\n> ", "!!retry all ", ":,"].map(
      (part) => part.repeat(Math.ceil(60_000 / part.length)),
    )
    for (const body of texts) {
      asked({ msgtype: "m.text", body, formatted_body: body, ...replyTo("$a") }, { self, isDirect: true })
      Message.words(body)
      Message.link(body, `https://${body}`)
    }
    // A pattern that goes back and forth over such texts takes minutes: the test would run out of time.
  })
})

describe("the Matrix bot and people who mean no good", { timeout: 240_000 }, () => {
  it.scopedLive("shows hostile notes as the words that they are, and forged replies as nothing", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const evil = `</code><script>alert("apple")</script> @room \u202egnp.exe <a href="javascript:x">apple</a>`
        const receipt = yield* ask(owner, room, `!add ${evil}`)
        const [id = ""] = idsIn(receipt.content.body)
        // The note is kept as it was written.
        assert.strictEqual((yield* service.getEntity(id)).content, evil)
        yield* service.createEntity({
          id: "<b>x</b>",
          content: "apple ".repeat(20_000),
          metadata: { title: "@room <i>", url: "javascript:x" },
        })
        const answers = [
          receipt,
          yield* ask(owner, room, "!search apple"),
          yield* ask(owner, room, `!get ${id}`),
          yield* ask(owner, room, "!get <b>x</b>"),
          yield* ask(owner, room, "!list"),
          yield* ask(owner, room, "!job <script>x</script>"),
          yield* ask(owner, room, `!get ${"<".repeat(30_000)}`),
        ]
        for (const { content } of answers) {
          assert.deepStrictEqual(content["m.mentions"], {})
          assert.notMatch(content.body, /@room|\u202e/)
          assert.notMatch(content.formatted_body ?? "", /<script|<i>|<b>|@room|javascript:x"|\u202e/)
        }

        // A reply to something in another room, and one whose quotation is made up.
        const elsewhere = yield* roomWith(town)
        const hidden = yield* does(() => owner.say(elsewhere, "A secret of another room."))
        assert.match(
          (yield* ask(owner, room, "!add", replyTo(hidden))).content.body,
          /cannot see the message/,
        )
        const malformed = [
          { "m.relates_to": { "m.in_reply_to": { event_id: "not an id" } } },
          { "m.relates_to": "nonsense" },
          { "m.mentions": "nonsense" },
        ]
        const device = { userId: owner.userId, deviceId: "X" }
        for (const more of malformed) {
          // As other people's servers may send it: ours would refuse it.
          const eventId = homeserver.world.smuggle(room, device.userId, {
            msgtype: "m.text",
            body: "!add",
            ...more,
          })
          assert.match((yield* does(() => owner.answer(eventId))).content.body, /^Say what to save/)
        }
        homeserver.world.smuggle(room, owner.userId, { msgtype: 7, body: ["!add"] })
        homeserver.world.smuggle(room, "not a user", { msgtype: "m.text", body: "!add x" })

        // A thread that does not exist: answered beside it.
        const lost = homeserver.world.smuggle(room, owner.userId, {
          msgtype: "m.text",
          body: "!help",
          "m.relates_to": { rel_type: "m.thread", event_id: "$nowhere" },
        })
        const beside = yield* does(() =>
          owner.until("an answer beside the thread", () =>
            owner.heard.find(({ content }) => String(content.body).startsWith("I save notes")),
          ),
        )
        assert.isUndefined(beside.content["m.relates_to"])
        assert.isString(lost)
        const related = homeserver.world.smuggle(room, owner.userId, {
          msgtype: "m.text",
          body: "!status",
          "m.relates_to": { rel_type: "m.reference", event_id: beside.event_id },
        })
        const reply = yield* does(() => owner.answer(related))
        assert.deepStrictEqual(reply.content["m.relates_to"], { "m.in_reply_to": { event_id: related } })
        assert.strictEqual(reply.sender, bot.userId)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )
})
