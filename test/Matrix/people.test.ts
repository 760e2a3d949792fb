import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { quiet } from "../support.js"
import {
  anyTown,
  ask,
  eventually,
  roomWith,
  services,
  settingsOf,
  startBot,
  town as ownTown,
  type Town,
} from "./fixtures.js"
import { does, type Person } from "./Person.js"

const notes = Effect.flatMap(EntityService, (service) =>
  Effect.map(service.listEntities(), (all) => all.map(({ content }) => content).toSorted()),
)

/** Says something that the bot does not hear; whether it kept silent shows when somebody else is answered. */
const isSilent = (person: Person, eventId: string) =>
  does(async () => {
    await person.listen(0)
    assert.deepStrictEqual(person.answersTo(eventId), [])
  })

const invitesTo = (town: Town, by: Person) =>
  does(() => by.createRoom({ preset: "private_chat", invite: [town.bot.userId] }))

describe("who may speak to the Matrix bot", { timeout: 240_000 }, () => {
  it.scopedLive("is said by roles, of people and of rooms; all others are not heard", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      const trusted = yield* town.newPerson("trusted")
      const reader = yield* town.newPerson("reader")
      const stranger = yield* town.newPerson("stranger")
      yield* Effect.gen(function* () {
        const bot = yield* startBot(
          settingsOf(town, {
            roles: { owners: [owner.userId], trusted: [trusted.userId], public: [reader.userId] },
          }),
        )
        const room = yield* roomWith(town, [trusted, reader, stranger])
        const ignored = yield* does(() => stranger.say(room, "!add Spam"))
        yield* does(() => stranger.say(room, "!!pause"))
        assert.match((yield* ask(trusted, room, "!add A good note.")).content.body, /^Saved/)
        assert.match(
          (yield* ask(trusted, room, "!!rm x")).content.body,
          /may not use !!rm here: it takes an owner/,
        )
        assert.match((yield* ask(trusted, room, "!import")).content.body, /it takes an owner/)
        assert.match((yield* ask(reader, room, "!add Nonsense")).content.body, /takes somebody trusted/)
        assert.match((yield* ask(reader, room, "!search note")).content.body, /A good note/)
        const help = yield* ask(reader, room, "!help")
        assert.notInclude(help.content.body, "!add")
        assert.notInclude(help.content.body, "!!")
        assert.deepStrictEqual(yield* notes, ["A good note."])
        yield* isSilent(stranger, ignored)

        // What strangers and bystanders say is not written down anywhere.
        const { sql } = yield* Storage
        const kept = yield* sql<{ readonly sender: string }>`SELECT DISTINCT sender FROM matrix_commands`
        assert.notInclude(
          kept.map(({ sender }) => sender),
          stranger.userId,
        )
        yield* bot.stop
      }).pipe(Effect.provide(yield* services))

      const elsewhere = yield* services
      yield* Effect.gen(function* () {
        const room = yield* does(() =>
          owner.createRoom({ preset: "private_chat", invite: [stranger.userId] }),
        )
        yield* does(() => stranger.join(room))
        const domain = owner.userId.slice(owner.userId.indexOf(":") + 1)
        const bot = yield* startBot(
          settingsOf(town, {
            roles: { owners: [owner.userId], trusted: [room], public: [`@*:${domain}`] },
          }),
        )
        yield* eventually(Effect.filterOrFail(bot.state, (now) => now === "connected"))
        yield* does(() => owner.invite(room, town.bot.userId))
        yield* does(() =>
          owner.until("the bot", () =>
            owner.heard.find((e) => e.roomId === room && e.sender === town.bot.userId),
          ),
        )
        assert.match((yield* ask(stranger, room, "!add Said in a trusted room.")).content.body, /^Saved/)
        const other = yield* roomWith(town, [stranger])
        assert.match((yield* ask(stranger, other, "!add Elsewhere")).content.body, /takes somebody trusted/)
        yield* bot.stop
      }).pipe(Effect.provide(elsewhere))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("invites it only as an owner", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const stranger = yield* town.newPerson("stranger")
      yield* Effect.gen(function* () {
        // An owner's invitation from before it started is accepted, a stranger's is declined.
        const early = yield* invitesTo(town, town.owner)
        const bad = yield* invitesTo(town, stranger)
        yield* startBot(settingsOf(town))
        const memberOf = (person: Person, room: string, membership: string) =>
          does(() =>
            person.until(`the bot to ${membership}`, () =>
              person.heard.find(
                ({ content, roomId, sender, type }) =>
                  roomId === room &&
                  type === "m.room.member" &&
                  sender === town.bot.userId &&
                  "membership" in content &&
                  content.membership === membership,
              ),
            ),
          )
        yield* memberOf(town.owner, early, "join")
        yield* memberOf(stranger, bad, "leave")
        assert.match((yield* ask(town.owner, early, "!help")).content.body, /^I save notes/)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("is not a bot, not an edit, and not in the past", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { bot, owner } = town
      const settings = settingsOf(town)
      const room = yield* does(() => owner.createRoom({ preset: "private_chat", invite: [bot.userId] }))
      yield* does(() => owner.say(room, "!add Said before it was there"))
      yield* Effect.gen(function* () {
        const first = yield* startBot(settings)
        yield* does(() =>
          owner.until("it", () => owner.heard.find((e) => e.roomId === room && e.sender === bot.userId)),
        )
        const added = yield* does(() => owner.say(room, "!add First"))
        yield* does(() => owner.answer(added))
        const silent = yield* does(async () => [
          await owner.send(room, { msgtype: "m.notice", body: "!add A notice" }),
          await owner.send(room, { msgtype: "m.emote", body: "!add An emote" }),
          await owner.say(room, "* !add An edit", {
            "m.new_content": { msgtype: "m.text", body: "!add An edit" },
            "m.relates_to": { rel_type: "m.replace", event_id: added },
          }),
          // The bot's own account, by another client.
          await bot.say(room, "!add From itself"),
          await owner.send(
            room,
            { msgtype: "m.text" as const, body: "!add Not a message" },
            "org.example.other",
          ),
        ])
        yield* ask(owner, room, "!status")
        for (const eventId of silent) yield* isSilent(owner, eventId)

        // What was said while it was briefly away is heard, all of it and in order.
        yield* first.stop
        const missed = yield* does(async () => {
          const said: Array<string> = []
          for (let at = 0; at < 60; at++)
            said.push(await owner.say(room, at % 6 === 0 ? `!add Away ${at}` : `chat ${at}`))
          return said.filter((_, at) => at % 6 === 0)
        })
        yield* startBot(settings)
        for (const eventId of missed) yield* does(() => owner.answer(eventId))
        assert.deepStrictEqual(yield* notes, ["First", ...missed.map((_, at) => `Away ${at * 6}`)].toSorted())
        const order = owner.heard.flatMap(({ content }) => {
          const [, number] = /^Saved “Away (\d+)”/.exec(content.body ?? "") ?? []
          return number === undefined || content["m.new_content"] !== undefined ? [] : [Number(number)]
        })
        assert.deepStrictEqual(
          order,
          order.toSorted((a, b) => a - b),
        )
        assert.lengthOf(order, missed.length)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("is spoken to from its invitation on", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { bot, owner } = town
      yield* Effect.gen(function* () {
        const { state } = yield* startBot(settingsOf(town))
        yield* eventually(Effect.filterOrFail(state, (now) => now === "connected"))
        const [early, late] = yield* does(async () => {
          const room = await owner.createRoom({ preset: "private_chat" })
          const early = await owner.say(room, "!add Before it was invited")
          await owner.invite(room, bot.userId)
          return [early, await owner.say(room, "!add Before it came")] as const
        })
        yield* does(() => owner.answer(late))
        yield* isSilent(owner, early)
        assert.deepStrictEqual(yield* notes, ["Before it came"])
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("was not away for longer than a day", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { homeserver, owner } = town
      yield* Effect.gen(function* () {
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        yield* first.stop
        homeserver.world.skew = -25 * 3_600_000
        const old = yield* does(() => owner.say(room, "!add Yesterday's news"))
        homeserver.world.skew = -23 * 3_600_000
        const young = yield* does(() => owner.say(room, "!add This night's news"))
        homeserver.world.skew = 0
        yield* startBot(settingsOf(town))
        yield* does(() => owner.answer(young))
        yield* isSilent(owner, old)
        assert.deepStrictEqual(yield* notes, ["This night's news"])
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("speaks in the clear: an encrypted room is told once, and nothing is done there", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      const encryption = {
        type: "m.room.encryption",
        state_key: "",
        content: { algorithm: "m.megolm.v1.aes-sha2" },
      }
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town))
        const told = (room: string) =>
          owner.heard.filter(
            ({ content, roomId, sender }) =>
              roomId === room &&
              sender === town.bot.userId &&
              /cannot read encrypted/.test(content.body ?? ""),
          )
        const secret = yield* roomWith(town, [], { initial_state: [encryption] })
        yield* does(() => owner.until("a warning", () => told(secret)[0]))
        yield* does(() =>
          owner.send(secret, { algorithm: "m.megolm.v1.aes-sha2", ciphertext: "x" }, "m.room.encrypted"),
        )
        const plain = yield* does(() => owner.say(secret, "!add Said in the clear"))

        // A room that becomes encrypted while the bot is there.
        const open = yield* roomWith(town)
        // A message of that type changes nothing.
        yield* does(() => owner.send(open, encryption.content, encryption.type))
        yield* ask(owner, open, "!status")
        yield* does(() =>
          owner.call(
            "PUT",
            `/_matrix/client/v3/rooms/${encodeURIComponent(open)}/state/m.room.encryption`,
            encryption.content,
          ),
        )
        yield* does(() => owner.until("a warning", () => told(open)[0]))
        yield* isSilent(owner, plain)
        assert.lengthOf(told(secret), 1)
        assert.lengthOf(told(open), 1)
        assert.deepStrictEqual(yield* notes, [])
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )
})
