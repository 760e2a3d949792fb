import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { quiet } from "../support.js"
import { anyTown, roomWith, services, settingsOf, startBot, startWorker } from "./fixtures.js"
import { does } from "./Person.js"

describe("the Matrix bot", { timeout: 240_000 }, () => {
  it.scopedLive("saves at once, says when it is embedded, and finds it", () =>
    Effect.gen(function* () {
      const town = yield* anyTown
      const { owner } = town
      const context = yield* services
      yield* Effect.gen(function* () {
        yield* startBot(settingsOf(town))
        const room = yield* roomWith(town)
        const added = yield* does(() =>
          owner.say(room, "!add The bicycle is parked behind the town library."),
        )
        const receipt = yield* does(() => owner.answer(added))
        assert.match(
          receipt.content.body,
          /^Saved “The bicycle is parked behind the town library\.” as [0-9a-f-]{36}\.\n/,
        )
        yield* startWorker
        const edited = yield* does(() => owner.edit(receipt.event_id))
        assert.match(edited.content["m.new_content"]?.body ?? "", /it is embedded\.$/)
        const asked = yield* does(() => owner.say(room, "!search where is my bicycle"))
        const found = yield* does(() => owner.answer(asked))
        assert.match(found.content.body, /bicycle is parked behind/)
      }).pipe(Effect.provide(context))
    }).pipe(Effect.provide(quiet)),
  )
})
