/**
 * A session with the Matrix bot, printed as its user sees it: the daemon with the bundled model, a homeserver of the
 * tests, and somebody who talks. The README's transcript is made by it. Run it: npx tsx scratchpad/matrix.ts
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Homeserver from "../test/Matrix/homeserver/Homeserver.js"
import { Person } from "../test/Matrix/Person.js"
import { start } from "../test/support/Processes.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "embedbox-matrix-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
)

const says = (who: string, text: string) =>
  Console.log(
    text
      .split("\n")
      .map((line, at) => `${(at === 0 ? who : "").padEnd(9)} ${line}`)
      .join("\n"),
  )

const session = Effect.gen(function* () {
  const home = yield* folder
  const notes = join(home, "notes")
  yield* Effect.sync(() => {
    mkdirSync(notes)
    writeFileSync(
      join(notes, "bread.md"),
      "# Bread\nFlour, water, salt, and a night of patience in the fridge.",
    )
    writeFileSync(
      join(notes, "bike.md"),
      "# Bike\nThe chain wants oil every month; the pump is in the cellar.",
    )
  })
  const homeserver = yield* Homeserver.start
  const [bot, anna] = yield* Effect.promise(() =>
    Promise.all([Person.register(homeserver.url, "notes"), Person.register(homeserver.url, "anna")]),
  )
  const daemon = yield* start("main.ts", [], {
    env: {
      EMBEDBOX_MODEL: undefined,
      EMBEDBOX_DATABASE: join(home, "notes.sqlite"),
      EMBEDBOX_MATRIX_HOMESERVER: homeserver.url,
      EMBEDBOX_MATRIX_USER: bot.userId,
      EMBEDBOX_MATRIX_PASSWORD: bot.password,
      EMBEDBOX_MATRIX_OWNERS: anna.userId,
      EMBEDBOX_MATRIX_IMPORT_DIR: notes,
    },
  })
  yield* daemon.says("matrix: connected")
  const room = yield* Effect.promise(() =>
    anna.createRoom({ preset: "trusted_private_chat", is_direct: true, invite: [bot.userId] }),
  )

  const ask = (body: string, more: object = {}) =>
    Effect.gen(function* () {
      yield* says("anna", body)
      const answer = yield* Effect.promise(async () => anna.answer(await anna.say(room, body, more)))
      yield* says("notes", answer.content.body)
      return answer
    })
  const turnsInto = (eventId: string, pattern: RegExp) =>
    Effect.gen(function* () {
      const edit = yield* Effect.promise(() => anna.edit(eventId, (body) => pattern.test(body), 120_000))
      yield* says(" (edited)", edit.content["m.new_content"]?.body ?? "")
      yield* Console.log("")
    })

  const saved = yield* ask("!add I parked the car on level 3, next to the blue pillar.")
  yield* turnsInto(saved.event_id, /embedded\.$|could not/)
  const imported = yield* ask("!import")
  yield* turnsInto(imported.event_id, /^Imported/)
  yield* ask("where did I leave my vehicle?")
  yield* Console.log("")
  yield* ask("!get bread")
  yield* Console.log("")
  yield* ask("!status")
}).pipe(Effect.scoped)

NodeRuntime.runMain(session)
