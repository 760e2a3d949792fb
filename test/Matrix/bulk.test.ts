import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { flooded } from "../../src/Matrix/Inbox.js"
import { Storage } from "../../src/Storage.js"
import { quiet, temporaryFolder } from "../support.js"
import {
  anyTown,
  ask,
  finallySays,
  roomWith,
  services,
  settingsOf,
  startBot,
  startWorker,
  town as ownTown,
} from "./fixtures.js"
import { does } from "./Person.js"

const folderOf = (files: number) =>
  Effect.tap(temporaryFolder, (folder) =>
    Effect.promise(async () => {
      await mkdir(join(folder, "deep"))
      for (let at = 0; at < files; at++) {
        await writeFile(
          join(folder, at % 2 === 0 ? "." : "deep", `note-${at}.md`),
          `# Note ${at}\nText ${at}.`,
        )
      }
      await writeFile(join(folder, "empty.md"), "")
    }),
  )

describe("the Matrix bot with much to do", { timeout: 240_000 }, () => {
  it.scopedLive("obeys a burst of 200 commands of four people: all answered, in order, none twice", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      const others = yield* Effect.forEach([1, 2, 3], (at) => town.newPerson(`burst${at}`))
      const people = [owner, ...others]
      yield* Effect.gen(function* () {
        const trusted = others.map(({ userId }) => userId)
        yield* startBot(settingsOf(town, { roles: { owners: [owner.userId], trusted, public: [] } }))
        yield* startWorker
        const room = yield* roomWith(town, others)
        const asked = yield* does(() =>
          Promise.all(
            people.map(async (person, who) => {
              const said: Array<string> = []
              for (let at = 0; at < 50; at++)
                said.push(await person.say(room, `!add Note ${at} of person ${who}.`))
              return said
            }),
          ),
        )
        for (const eventId of asked.flat()) yield* does(() => owner.answer(eventId))
        for (const [who, said] of asked.entries()) {
          const order = owner.heard.flatMap(({ content }) => {
            const to = content["m.relates_to"]?.["m.in_reply_to"]?.event_id ?? ""
            return content["m.new_content"] === undefined && said.includes(to) ? [to] : []
          })
          assert.deepStrictEqual(order, said, `person ${who}`)
        }
        for (const eventId of asked.flat()) {
          const [answer] = owner.answersTo(eventId)
          yield* finallySays(owner, answer?.event_id ?? "", /it is embedded\.$/)
          assert.lengthOf(owner.editsOf(answer?.event_id ?? ""), 1)
        }
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("makes one sender wait beyond the rate, and nobody else", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      const other = yield* town.newPerson("other")
      yield* Effect.gen(function* () {
        yield* startBot(
          settingsOf(town, {
            roles: { owners: [owner.userId], trusted: [other.userId], public: [] },
            // Three at once, then one in 20 seconds.
            commands: { perMinute: 3, concurrency: 8 },
          }),
        )
        const room = yield* roomWith(town, [other])
        const asked = yield* does(async () => {
          const said: Array<string> = []
          for (let at = 0; at < 4; at++) said.push(await owner.say(room, `!get ${at}`))
          return said
        })
        yield* does(() => owner.answer(asked[2] ?? ""))
        yield* ask(other, room, "!help")
        yield* does(() => owner.listen(0))
        assert.deepStrictEqual(owner.answersTo(asked[3] ?? ""), [])
        yield* does(() => owner.answer(asked[3] ?? ""))
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("refuses a flood, once, instead of keeping it", () =>
    Effect.gen(function* () {
      const town = yield* ownTown
      const { bot, homeserver, owner } = town
      yield* Effect.gen(function* () {
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        yield* first.stop
        const device = { userId: owner.userId, deviceId: "X" }
        for (let at = 0; at < 320; at++) {
          homeserver.world.send(room, device, "m.room.message", `f${at}`, {
            msgtype: "m.text",
            body: `!get ${at}`,
          })
        }
        yield* startBot(settingsOf(town))
        const says = (beginning: string) =>
          does(() =>
            owner.until(beginning, () =>
              owner.heard.find(({ content }) => (content.body ?? "").startsWith(beginning)),
            ),
          )
        const warned = yield* says("Too many")
        assert.strictEqual(warned.sender, bot.userId)
        // Until one is done there is no room for another.
        yield* says("There is no note")
        yield* ask(owner, room, "!help")
        const { sql } = yield* Storage
        const [row] = yield* sql<{ readonly n: number }>`
          SELECT count(*) AS n FROM matrix_commands WHERE effect = ${flooded}`
        assert.strictEqual(row?.n, 20)
        assert.lengthOf(
          owner.heard.filter(({ content }) => (content.body ?? "").startsWith("Too many")),
          1,
        )
        assert.lengthOf(
          owner.heard.filter(({ content }) => (content.body ?? "").startsWith("There is no note")),
          300,
        )
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("imports a folder: one message, edited now and then, and finally", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      const importDir = yield* folderOf(300)
      yield* Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* startBot(settingsOf(town, { importDir }))
        const room = yield* roomWith(town)
        yield* queue.pause
        const begun = yield* ask(owner, room, "!import")
        assert.match(begun.content.body, /^Importing .* …$/)
        // It is answered at once, and so is everything else meanwhile.
        yield* ask(owner, room, "!status")
        yield* finallySays(
          owner,
          begun.event_id,
          /^Importing [^]*\n301 files: 300 new, 1 skipped\.\n0 of 300 embedded, 300 to go\.$/,
        )
        yield* startWorker
        yield* queue.resume
        const end = yield* finallySays(owner, begun.event_id, /^Imported/)
        assert.match(end, /\n300 notes embedded\.\nSkipped:\n• empty\.md: is empty$/)
        assert.isAtMost(owner.editsOf(begun.event_id).length, 21)

        const again = yield* ask(owner, room, "!import")
        const nothing = yield* finallySays(owner, again.event_id, /^Imported/)
        assert.match(nothing, /\n301 files: 300 unchanged, 1 skipped\.\nNothing had to be embedded\./)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("goes on with an import after a restart, and counts every file once", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      const importDir = yield* folderOf(400)
      yield* Effect.gen(function* () {
        const { sql } = yield* Storage
        const queue = yield* EmbeddingQueue
        yield* queue.pause
        const first = yield* startBot(settingsOf(town, { importDir }))
        const room = yield* roomWith(town)
        const begun = yield* ask(owner, room, "!import")
        yield* first.stop
        const [row] = yield* sql<{ readonly entering: number }>`SELECT entering FROM matrix_answers`
        assert.strictEqual(row?.entering, 1)
        yield* startBot(settingsOf(town, { importDir }))
        yield* startWorker
        yield* finallySays(owner, begun.event_id, /^Importing [^]*\n401 files: [^]* 400 to go\.$/)
        yield* queue.resume
        const end = yield* finallySays(owner, begun.event_id, /^Imported/)
        const countOf = (kind: string) => Number(new RegExp(`(\\d+) ${kind}`).exec(end)?.[1] ?? 0)
        assert.strictEqual(countOf("new") + countOf("unchanged"), 400)
        assert.match(end, /\n400 notes embedded\./)
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )

  it.scopedLive("says why an import is not possible", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      yield* Effect.gen(function* () {
        const first = yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        assert.match((yield* ask(owner, room, "!import")).content.body, /EMBEDBOX_MATRIX_IMPORT_DIR/)
        yield* first.stop
        yield* startBot(settingsOf(town, { importDir: "/nowhere/at all" }))
        const begun = yield* ask(owner, room, "!import")
        yield* finallySays(
          owner,
          begun.event_id,
          /^Import of \/nowhere\/at all ended early: it does not exist\./,
        )
      }).pipe(Effect.provide(yield* services))
    }).pipe(Effect.provide(quiet)),
  )
})
