import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { EntityService } from "../../src/EntityService.js"
import * as Shell from "../../src/Shell.js"
import * as Config from "../../src/Shell/Config.js"
import { runHere } from "../Cli/inProcess.js"
import { Storage } from "../../src/Storage.js"
import { quiet, temporaryFolder } from "../support.js"
import { start } from "../support/Processes.js"
import {
  finallySays,
  replyTo,
  roomWith,
  services,
  settingsOf,
  startBot,
  startWorker,
  town as ownTown,
} from "./fixtures.js"
import { type Homeserver, type Seen } from "./homeserver/Homeserver.js"
import { does } from "./Person.js"

const never = new Promise<void>(() => undefined)

/** The daemon as an operator starts it, with the bot; it is killed with the scope. */
const daemonOf = (town: Effect.Effect.Success<typeof ownTown>, folder: string) =>
  start("main.ts", [], {
    env: {
      EMBEDBOX_DATABASE: join(folder, "notes.sqlite"),
      EMBEDBOX_MATRIX_HOMESERVER: town.url,
      EMBEDBOX_MATRIX_USER: town.bot.userId,
      EMBEDBOX_MATRIX_PASSWORD: town.bot.password,
      EMBEDBOX_MATRIX_OWNERS: town.owner.userId,
      EMBEDBOX_MATRIX_COMMANDS_PER_MINUTE: "10000",
    },
  })

const kill = (daemon: Effect.Effect.Success<ReturnType<typeof daemonOf>>) =>
  Effect.zipRight(daemon.signal("SIGKILL"), daemon.ended)

/** Ends when the homeserver is asked something. */
const isAsked = (homeserver: Homeserver, matches: (seen: Seen) => boolean, times = 1) =>
  does(() => homeserver.comes(matches, times))

/** Every note that there is, read beside the daemon. */
const notesIn = (folder: string) =>
  Effect.gen(function* () {
    const settings = yield* Config.load({ database: join(folder, "notes.sqlite"), model: "fake" })
    const all = yield* Effect.flatMap(EntityService, (service) => service.listEntities({ limit: 1000 })).pipe(
      Effect.provide(
        Shell.layerWithoutWorkerWith(settings).pipe(Layer.provide(Logger.minimumLogLevel(LogLevel.None))),
      ),
    )
    return all.map(({ content }) => content)
  })

describe("the Matrix bot, killed", { timeout: 240_000 }, () => {
  it.scopedLive("between receiving, obeying, sending and hearing that it was sent: each command once", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      const folder = yield* temporaryFolder
      const isSend = (seen: Seen) => seen.userId === bot.userId && seen.path.includes("/send/")
      const isFetch = (seen: Seen) => seen.userId === bot.userId && seen.path.includes("/event/")

      const first = yield* daemonOf(town, folder)
      const room = yield* roomWith(town)

      // Received, and not obeyed yet: the message to save is still being fetched.
      const text = yield* does(() => owner.say(room, "A message to save."))
      // To two people that is a question. It is answered first: what is sent from here on is about the commands.
      yield* does(() => owner.answer(text))
      homeserver.plan(isFetch, { kind: "hold", until: never })
      const received = yield* does(() =>
        owner.say(room, "!add", { "m.relates_to": { "m.in_reply_to": { event_id: text } } }),
      )
      yield* isAsked(homeserver, isFetch)
      yield* kill(first)

      // Obeyed, and not answered: the answer never gets through.
      homeserver.plan(isSend, { kind: "hold", until: never })
      const second = yield* daemonOf(town, folder)
      const obeyed = yield* does(() => owner.say(room, "!add Obeyed."))
      yield* isAsked(homeserver, isSend)
      yield* kill(second)

      // Answered, and not known to be: the connection breaks behind the answer.
      homeserver.plan(isSend, { kind: "break", when: "after" }, 1_000)
      const before = homeserver.seen.filter(isSend).length
      const third = yield* daemonOf(town, folder)
      const answered = yield* does(() => owner.say(room, "!add Answered."))
      yield* isAsked(homeserver, isSend, before + 1)
      yield* kill(third)
      homeserver.heal()

      yield* daemonOf(town, folder)
      for (const eventId of [received, obeyed, answered]) {
        const { event_id } = yield* does(() => owner.answer(eventId))
        yield* finallySays(owner, event_id, /it is embedded\.$/)
        assert.lengthOf(owner.answersTo(eventId), 1)
        assert.lengthOf(owner.editsOf(event_id), 1)
      }
      assert.deepStrictEqual((yield* notesIn(folder)).toSorted(), [
        "A message to save.",
        "Answered.",
        "Obeyed.",
      ])

      const status = yield* runHere(join(folder, "notes.sqlite"), ["status"])
      assert.match(status.stdout, new RegExp(`^matrix +${bot.userId} connected for \\d`, "m"))
      const json = JSON.parse((yield* runHere(join(folder, "notes.sqlite"), ["status", "--json"])).stdout)
      assert.strictEqual(json.interfaces[0].state, "connected")
      assert.strictEqual(json.interfaces[0].subject, bot.userId)
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("again and again in a stream of commands: each is obeyed and answered once, in order", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      const folder = yield* temporaryFolder
      const asked: Array<string> = []
      let daemon = yield* daemonOf(town, folder)
      const room = yield* roomWith(town)
      const sent = (seen: Seen) => seen.userId === bot.userId && seen.path.includes("/send/")
      for (let round = 0; round < 4; round++) {
        const before = homeserver.seen.filter(sent).length
        for (let at = 0; at < 15; at++) {
          asked.push(yield* does(() => owner.say(room, `!add Note ${asked.length}.`)))
        }
        // At another place in its work each time.
        yield* isAsked(homeserver, sent, before + 1 + round * 4)
        yield* kill(daemon)
        daemon = yield* daemonOf(town, folder)
      }
      for (const eventId of asked) yield* does(() => owner.answer(eventId))
      for (const eventId of asked) {
        const [answer, ...more] = owner.answersTo(eventId)
        assert.lengthOf(more, 0)
        yield* finallySays(owner, answer?.event_id ?? "", /it is embedded\.$/)
      }
      assert.deepStrictEqual(
        (yield* notesIn(folder)).toSorted(),
        asked.map((_, at) => `Note ${at}.`).toSorted(),
      )
      const order = owner.heard.flatMap(({ content, sender }) => {
        const [, number] = /^Saved “Note (\d+)\.”/.exec(content.body ?? "") ?? []
        return number === undefined || sender !== bot.userId ? [] : [Number(number)]
      })
      assert.deepStrictEqual(
        order,
        asked.map((_, at) => at),
      )
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("by a command, three times: it is given up, and those after it are obeyed", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const text = yield* does(() => owner.say(room, "A message to save."))
        const isFetch = (seen: Seen) => seen.userId === bot.userId && seen.path.includes("/event/")
        homeserver.plan(isFetch, { kind: "hold", until: never })
        const deadly = yield* does(() => owner.say(room, "!add", replyTo(text)))
        const harmless = yield* does(() => owner.say(room, "!help"))
        yield* isAsked(homeserver, isFetch)
        yield* first.stop
        const { sql } = yield* Storage
        const [row] = yield* sql<{ readonly attempts: number }>`
          SELECT attempts FROM matrix_commands WHERE event_id = ${deadly}`
        assert.strictEqual(row?.attempts, 1)
        yield* sql`UPDATE matrix_commands SET attempts = 3 WHERE event_id = ${deadly}`
        yield* startBot(settingsOf(town))
        const { content } = yield* does(() => owner.answer(deadly))
        assert.match(content.body, /^I gave this command up/)
        yield* does(() => owner.answer(harmless))
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("or only ended, before the embedding is there: the receipt is edited after the restart", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { owner } = town
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const said = yield* does(() => owner.say(room, "!add First text."))
        const receipt = yield* does(() => owner.answer(said))
        const other = yield* does(() => owner.say(room, "!add Soon deleted."))
        const deleted = yield* does(() => owner.answer(other))
        yield* first.stop
        // Meanwhile one is written anew and embedded as that, and one is deleted.
        const [note, gone] = yield* service.listEntities()
        yield* service.updateEntity(note?.id ?? "", { content: "Second text." })
        yield* service.deleteEntity(gone?.id ?? "")
        const worker = yield* startWorker
        yield* service.awaitJob((yield* service.getEntity(note?.id ?? "")).embedding.jobId, {
          pollEvery: "20 millis",
        })
        yield* worker.stop
        yield* startBot(settingsOf(town))
        yield* finallySays(owner, receipt.event_id, /it is embedded\.$/)
        yield* finallySays(owner, deleted.event_id, /deleted before it was embedded\.$/)
        assert.lengthOf(owner.editsOf(receipt.event_id), 1)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )
})
