import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InterfaceBoard } from "../../src/InterfaceBoard.js"
import { Storage } from "../../src/Storage.js"
import { quiet } from "../support.js"
import {
  ask,
  eventually,
  finallySays,
  roomWith,
  services,
  settingsOf,
  startBot,
  startWorker,
  town as ownTown,
} from "./fixtures.js"
import type { Seen } from "./homeserver/Homeserver.js"
import { does } from "./Person.js"

const isSend = (bot: { readonly userId: string }) => (seen: Seen) =>
  seen.userId === bot.userId && seen.path.includes("/send/m.room.message/")

const isSync = (bot: { readonly userId: string }) => (seen: Seen) =>
  seen.userId === bot.userId && seen.path.endsWith("/sync")

describe("the Matrix bot and its homeserver", { timeout: 240_000 }, () => {
  it.scopedLive("sends what got no answer again, and it is the same message", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        homeserver.plan(isSend(bot), { kind: "break", when: "after" })
        const first = yield* ask(owner, room, "!add Once only.")
        homeserver.plan(isSend(bot), { kind: "break", when: "before" })
        homeserver.plan(isSend(bot), { kind: "answer", status: 502, body: {} })
        yield* ask(owner, room, "!status")
        yield* ask(owner, room, "!help")
        yield* does(() => owner.listen(0))
        const receipts = owner.heard.filter(({ content }) => content.body?.startsWith("Saved “Once only.”"))
        assert.deepStrictEqual(
          receipts.map(({ event_id }) => event_id),
          [first.event_id],
        )
        // The first is what it says as it comes.
        const sends = homeserver.seen.filter(isSend(bot)).slice(1)
        assert.lengthOf(sends, 6)
        assert.lengthOf(new Set(sends.map(({ path }) => path)), 3)
        // Rooms and transactions are percent-encoded.
        for (const { path } of sends) {
          assert.match(
            path,
            /^\/_matrix\/client\/v3\/rooms\/(%21|!)[A-Za-z0-9_-]+%3Aexample\.org\/send\/m\.room\.message\/embedbox-[0-9a-f-]{36}$/,
          )
        }
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("waits as long as it is asked to, by header or member, and loses nothing", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const limited = (body: object, headers: Record<string, string> = {}) =>
          homeserver.plan(isSend(bot), {
            kind: "answer",
            status: 429,
            body: { errcode: "M_LIMIT_EXCEEDED", error: "Too Many Requests", ...body },
            headers,
          })
        limited({ retry_after_ms: 300 })
        limited({ retry_after_ms: 1 }, { "retry-after": "1" })
        yield* ask(owner, room, "!help")
        const [first, second, third] = homeserver.seen
          .filter(isSend(bot))
          .slice(1)
          .map(({ at }) => at)
        assert.isAtLeast((second ?? 0) - (first ?? 0), 290)
        assert.isAtLeast((third ?? 0) - (second ?? 0), 990)

        homeserver.rate = { perSecond: 20, burst: 3, only: bot.userId }
        const asked = yield* does(() =>
          Promise.all(Array.from({ length: 12 }, (_, at) => owner.say(room, `!get ${at}`))),
        )
        for (const eventId of asked) yield* does(() => owner.answer(eventId))
        for (const eventId of asked) assert.lengthOf(owner.answersTo(eventId), 1)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("survives an outage, and says meanwhile how it stands", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        const { state } = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const receipt = yield* ask(owner, room, "!add Embedded while nobody could be told.")
        const board = yield* InterfaceBoard
        const stateIs = (wanted: string) =>
          eventually(Effect.filterOrFail(board.notices, ([notice]) => notice?.state === wanted))
        yield* stateIs("connected")
        homeserver.plan(isSync(bot), { kind: "break", when: "before" }, 2)
        homeserver.plan(isSend(bot), { kind: "answer", status: 503, body: {} }, 2)
        homeserver.breakConnections()
        const [notice] = yield* stateIs("retrying")
        assert.match(notice?.reason ?? "", /^sync: no answer/)
        assert.strictEqual(yield* state, "retrying")
        yield* startWorker
        yield* finallySays(owner, receipt.event_id, /it is embedded/)
        assert.match((yield* ask(owner, room, "!status")).content.body, /matrix [^]*: connected for/)
        yield* stateIs("connected")
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("signs in again on the same device when it was signed out, softly or not", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const devices = () =>
          [...homeserver.world.tokens.values()]
            .filter(({ userId }) => userId === bot.userId)
            .map(({ deviceId }) => deviceId)
        const before = devices().filter((id) => id.startsWith("EMBEDBOX"))
        for (const softly of [true, false]) {
          homeserver.world.signOut(bot.userId, softly)
          assert.match((yield* ask(owner, room, "!help")).content.body, /^I save notes/)
        }
        assert.deepStrictEqual(devices(), before)
        assert.lengthOf(before, 1)
        // The token is nowhere in the database.
        const { sql } = yield* Storage
        const rows = yield* sql`SELECT * FROM matrix_accounts`
        assert.notInclude(JSON.stringify(rows), "syt_")
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("says that it is refused when its credentials are bad, and who they belong to", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, owner } = town
      const bad = [
        [{ _tag: "Password", password: Redacted.make("wrong") }, /^login: M_FORBIDDEN/],
        [{ _tag: "Token", token: Redacted.make("old") }, /^whoami: M_UNKNOWN_TOKEN/],
        [
          { _tag: "Token", token: Redacted.make(owner.token) },
          new RegExp(`belong to ${owner.userId}, not to ${bot.userId}`),
        ],
      ] as const
      for (const [credentials, reason] of bad) {
        const context = yield* services
        yield* Effect.gen(function* () {
          const { stop } = yield* startBot(settingsOf(town, { credentials }))
          const board = yield* InterfaceBoard
          const [notice] = yield* eventually(
            Effect.filterOrFail(board.notices, ([notice]) => notice?.state === "refused"),
          )
          assert.match(notice?.reason ?? "", reason)
          yield* stop
        }).pipe(Effect.provide(context))
      }
      // With the bot's own token it is on the device that the token stands for.
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town, { credentials: { _tag: "Token", token: Redacted.make(bot.token) } }))
        const room = yield* roomWith(town)
        yield* ask(owner, room, "!help")
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("gives up what is refused for good, and goes on", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town))
        const left = yield* roomWith(town)
        const room = yield* roomWith(town)
        const receipt = yield* ask(owner, left, "!add A note from a room that it is thrown out of.")
        yield* does(() =>
          owner.call("POST", `/_matrix/client/v3/rooms/${encodeURIComponent(left)}/kick`, {
            user_id: bot.userId,
          }),
        )
        yield* startWorker
        assert.match((yield* ask(owner, room, "!help")).content.body, /^I save notes/)
        const { sql } = yield* Storage
        yield* eventually(
          Effect.filterOrFail(
            sql<{ readonly refused: string }>`SELECT refused FROM matrix_outbox WHERE refused IS NOT NULL`,
            ([row]) => row?.refused.includes("M_FORBIDDEN") === true,
          ),
        )
        assert.deepStrictEqual(owner.editsOf(receipt.event_id), [])
        assert.isAbove(homeserver.seen.length, 0)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("finds files also where servers before v1.11 have them", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { homeserver, owner } = town
      homeserver.oldMedia = true
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const url = yield* does(() => owner.upload("a.md", Buffer.from("# Old\ntext")))
        const receipt = yield* ask(owner, room, "!add", { msgtype: "m.file", filename: "a.md", url })
        assert.match(receipt.content.body, /^Saved “Old”/)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("starts afresh where the homeserver does not know any more where it was", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { owner } = town
      yield* Effect.gen(function* () {
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        yield* first.stop
        const { sql } = yield* Storage
        yield* sql`UPDATE matrix_accounts SET sync_token = 's999999'`
        const unheard = yield* does(() => owner.say(room, "!help"))
        const { state } = yield* startBot(settingsOf(town))
        yield* eventually(Effect.filterOrFail(state, (now) => now === "connected"))
        yield* ask(owner, room, "!help")
        assert.deepStrictEqual(owner.answersTo(unheard), [])
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("is one of several daemons on a file: the others stand by, and one takes over", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { owner } = town
      yield* Effect.gen(function* () {
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const second = yield* startBot(settingsOf(town))
        yield* eventually(Effect.filterOrFail(second.state, (now) => now === "standby"))
        const one = yield* ask(owner, room, "!add Said to two.")
        yield* first.stop
        const two = yield* ask(owner, room, "!add Said to one.")
        assert.strictEqual(yield* second.state, "connected")
        for (const { content } of [one, two]) assert.match(content.body, /^Saved/)
        const saved = owner.heard.filter(({ content }) => (content.body ?? "").startsWith("Saved"))
        assert.lengthOf(saved, 2)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("does not hold people up for each other", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      const other = yield* town.newPerson("other")
      yield* Effect.gen(function* () {
        yield* startBot(
          settingsOf(town, { roles: { owners: [owner.userId], trusted: [other.userId], public: [] } }),
        )
        const room = yield* roomWith(town, [other])
        const go = yield* Deferred.make<void>()
        homeserver.plan((seen) => seen.userId === bot.userId && seen.path.includes("/event/"), {
          kind: "hold",
          until: Effect.runPromise(Deferred.await(go)),
        })
        const text = yield* does(() => owner.say(room, "Slow to fetch."))
        const slow = yield* does(() =>
          owner.say(room, "!add", { "m.relates_to": { "m.in_reply_to": { event_id: text } } }),
        )
        const after = yield* does(() => owner.say(room, "!help"))
        assert.match((yield* ask(other, room, "!add Quick.")).content.body, /^Saved “Quick\.”/)
        yield* does(() => owner.listen(0))
        assert.deepStrictEqual([...owner.answersTo(slow), ...owner.answersTo(after)], [])
        yield* Deferred.succeed(go, undefined)
        yield* does(() => owner.answer(after))
        assert.lengthOf(owner.answersTo(slow), 1)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )
})
