import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { stat } from "node:fs"
import * as EventLoop from "../../src/Storage/EventLoop.js"

/** Keeps the thread, as a long statement does. */
const hog = (millis: number) =>
  Effect.sync(() => {
    const end = performance.now() + millis
    while (performance.now() < end);
  })

/** Goes on where the event loop has just heard of a file. */
const afterPolling = Effect.async<void>((resume) => stat(".", () => resume(Effect.void)))

describe("the watch of the event loop", () => {
  it.live("tells of statements that have run for too long, until the loop turns", () =>
    Effect.gen(function* () {
      // More than any pause that the system makes between two lines.
      const loop = EventLoop.make(300)
      expect(loop.isHogged()).toBe(false)
      yield* hog(310)
      expect(loop.isHogged()).toBe(true)
      yield* loop.turn
      expect(loop.isHogged()).toBe(false)
    }),
  )

  it.live("counts the first statement after a turn, which has asked before it", () =>
    Effect.gen(function* () {
      const loop = EventLoop.make()
      yield* loop.turn
      yield* hog(3)
      expect(loop.isHogged()).toBe(true)
    }),
  )

  it.live("lets timers run in a turn, wherever it began", () =>
    Effect.gen(function* () {
      const loop = EventLoop.make()
      yield* afterPolling
      let hasRun = false
      // @effect-diagnostics-next-line globalTimers:off
      setTimeout(() => (hasRun = true), 1)
      yield* hog(3)
      yield* loop.turn
      expect(hasRun).toBe(true)
    }),
  )
})
