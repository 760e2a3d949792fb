import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Lanes from "../../src/Embedder/Lanes.js"

/** Holds the lock while others queue up, lets go, and tells in which order they had it. */
const order = (
  ask: (lanes: Lanes.Lanes, had: (name: string) => Effect.Effect<void>) => Effect.Effect<void>,
) =>
  Effect.gen(function* () {
    const lanes = Lanes.make()
    const latch = yield* Effect.makeLatch(false)
    const had: Array<string> = []
    const holder = yield* Effect.fork(lanes.bulk(latch.await))
    yield* Effect.yieldNow()
    yield* ask(lanes, (name) => Effect.sync(() => void had.push(name)))
    yield* latch.open
    yield* Fiber.join(holder)
    yield* lanes.bulk(Effect.void)
    return had
  })

const forkAll = (effects: ReadonlyArray<Effect.Effect<void>>) =>
  Effect.forEach(effects, (effect) => Effect.zipRight(Effect.fork(effect), Effect.yieldNow()), {
    discard: true,
  })

describe("Lanes", () => {
  it.effect("questions go before texts, each line in its order", () =>
    Effect.gen(function* () {
      const had = yield* order((lanes, had) =>
        forkAll([
          lanes.bulk(had("text 1")),
          lanes.bulk(had("text 2")),
          lanes.queries(had("question 1")),
          lanes.queries(had("question 2")),
        ]),
      )
      assert.deepStrictEqual(had, ["question 1", "question 2", "text 1", "text 2"])
    }),
  )

  it.effect("texts are not starved", () =>
    Effect.gen(function* () {
      const questions = Array.from({ length: 2 * Lanes.queriesInARow }, () => "question")
      const had = yield* order((lanes, had) =>
        forkAll([lanes.bulk(had("text")), ...questions.map((name) => lanes.queries(had(name)))]),
      )
      assert.strictEqual(had.indexOf("text"), Lanes.queriesInARow)
    }),
  )

  it.effect("an interrupted waiter is passed over, and one that fails hands on", () =>
    Effect.gen(function* () {
      const had = yield* order((lanes, had) =>
        Effect.gen(function* () {
          const waiting = yield* Effect.fork(lanes.bulk(had("interrupted")))
          yield* Effect.fork(Effect.ignore(lanes.bulk(Effect.zipRight(had("failed"), Effect.fail("no")))))
          yield* Effect.fork(lanes.bulk(had("next")))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(waiting)
        }),
      )
      assert.deepStrictEqual(had, ["failed", "next"])
    }),
  )
})
