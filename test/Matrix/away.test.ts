import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EntityService } from "../../src/EntityService.js"
import { quiet } from "../support.js"
import { ask, roomWith, services, settingsOf, startBot, town as ownTown } from "./fixtures.js"
import { does } from "./Person.js"

const notes = Effect.flatMap(EntityService, (service) =>
  Effect.map(service.listEntities(), (all) => all.map(({ content }) => content).toSorted()),
)

describe("what was said while the Matrix bot was away", { timeout: 240_000 }, () => {
  it.scopedLive(
    "is heard, whatever time others give to their messages and however pages of history are told",
    () =>
      Effect.gen(function* () {
        const town = yield* ownTown
        const { bot, homeserver, owner } = town
        const { world } = homeserver
        const stranger = yield* town.newPerson("stranger")
        yield* Effect.gen(function* () {
          const first = yield* startBot(settingsOf(town))
          const room = yield* roomWith(town, [stranger])
          const heard = yield* ask(owner, room, "!help")
          yield* first.stop
          const early = yield* does(() => owner.say(room, "!add Said first"))
          // By a clock that is wrong, in the stretch that is left out of the next sync and in that sync itself.
          const misdate = (hours: number) => {
            world.skew = hours * 3_600_000
            world.smuggle(room, stranger.userId, { msgtype: "m.text", body: `${hours} hours` })
            world.skew = 0
          }
          misdate(-25)
          misdate(1_000)
          yield* does(async () => {
            for (let at = 0; at < 60; at++) await stranger.say(room, `chat ${at}`)
          })
          misdate(-25)
          misdate(1_000)
          const late = yield* does(() => owner.say(room, "!add Said last"))
          // A page with nothing that the filter lets through, and one with something that is known already.
          const page = (events: ReadonlyArray<unknown>, end: number) =>
            homeserver.plan(({ path }) => path.endsWith("/messages"), {
              kind: "answer",
              status: 200,
              body: { chunk: events, end: `t${end}` },
            })
          const known = world.find(room, heard.content["m.relates_to"]?.event_id ?? "")
          page([], world.position)
          page(
            known === undefined ? [] : [world.shown(known, { userId: bot.userId, deviceId: "X" })],
            world.position - 1,
          )
          yield* startBot(settingsOf(town))
          yield* does(() => owner.answer(late))
          yield* does(() => owner.answer(early))
          assert.deepStrictEqual(yield* notes, ["Said first", "Said last"])
          assert.lengthOf(owner.answersTo(heard.content["m.relates_to"]?.event_id ?? ""), 1)
        }).pipe(Effect.provide(yield* services))
      }).pipe(Effect.provide(quiet)),
  )
})
