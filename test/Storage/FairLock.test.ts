import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FairLock from "../../src/Storage/FairLock.js"
import { steps } from "./support.js"

const hold = <A, E, R>(lock: FairLock.FairLock, effect: Effect.Effect<A, E, R>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(lock.acquire(restore), Effect.ensuring(restore(effect), Effect.sync(lock.release))),
  )

/** Fails when the lock is not free, instead of waiting for ever. */
const expectFree = (lock: FairLock.FairLock) =>
  Effect.gen(function* () {
    expect(lock.waiting()).toBe(0)
    const fiber = yield* Effect.fork(hold(lock, Effect.void))
    yield* steps(5)
    expect(fiber.unsafePoll()?._tag).toBe("Success")
  })

describe("FairLock", () => {
  it.effect("has one holder at a time, served in the order of asking", () =>
    Effect.gen(function* () {
      const lock = FairLock.make()
      const gate = yield* Deferred.make<void>()
      const served: Array<number> = []
      let holders = 0
      const first = yield* Effect.fork(hold(lock, Deferred.await(gate)))
      yield* steps(1)
      const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], (n) =>
        Effect.zipLeft(
          Effect.fork(
            hold(
              lock,
              Effect.gen(function* () {
                expect(++holders).toBe(1)
                yield* steps(3)
                served.push(n)
                holders--
              }),
            ),
          ),
          steps(1),
        ),
      )
      expect(lock.waiting()).toBe(5)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(first)
      yield* Fiber.joinAll(fibers)
      expect(served).toEqual([1, 2, 3, 4, 5])
      yield* expectFree(lock)
    }),
  )

  it.effect("does not let the one who releases barge in before those who wait", () =>
    Effect.gen(function* () {
      const lock = FairLock.make()
      const order: Array<string> = []
      const again = hold(
        lock,
        Effect.zipRight(
          steps(1),
          Effect.sync(() => order.push("a")),
        ),
      )
      const greedy = yield* Effect.fork(Effect.repeatN(again, 9))
      const modest = yield* Effect.fork(
        Effect.repeatN(
          hold(
            lock,
            Effect.sync(() => order.push("b")),
          ),
          4,
        ),
      )
      yield* Fiber.join(modest)
      expect(order.filter((who) => who === "a").length).toBeLessThanOrEqual(6)
      yield* Fiber.join(greedy)
      yield* expectFree(lock)
    }),
  )

  it.effect("is not lost when a waiter is interrupted, before, at or after the hand-over", () =>
    Effect.gen(function* () {
      for (let before = 0; before < 6; before++) {
        for (let between = 0; between < 6; between++) {
          for (const interruptFirst of [true, false]) {
            const lock = FairLock.make()
            const gate = yield* Deferred.make<void>()
            const holder = yield* Effect.fork(hold(lock, Deferred.await(gate)))
            yield* steps(1)
            const victim = yield* Effect.fork(hold(lock, steps(2)))
            const heir = yield* Effect.fork(hold(lock, Effect.succeed("served")))
            yield* steps(before)
            const release = Deferred.succeed(gate, undefined)
            const interrupt = Fiber.interruptFork(victim)
            yield* interruptFirst ? interrupt : release
            yield* steps(between)
            yield* interruptFirst ? release : interrupt
            yield* steps(20)
            expect(heir.unsafePoll()?._tag).toBe("Success")
            yield* Fiber.join(holder)
            yield* Fiber.await(victim)
            yield* expectFree(lock)
          }
        }
      }
    }),
  )

  it.effect("is not lost when hand-over and interruption happen in the same instant", () =>
    Effect.gen(function* () {
      for (const releaseFirst of [true, false]) {
        const lock = FairLock.make()
        yield* Effect.uninterruptibleMask((restore) => lock.acquire(restore))
        const victim = yield* Effect.fork(hold(lock, Effect.never))
        yield* steps(2)
        expect(lock.waiting()).toBe(1)
        // No step of any fiber between the two.
        yield* Effect.withFiberRuntime<void>((self) =>
          Effect.sync(() => {
            if (releaseFirst) lock.release()
            victim.unsafeInterruptAsFork(self.id())
            if (!releaseFirst) lock.release()
          }),
        )
        yield* Fiber.await(victim)
        yield* expectFree(lock)
      }
    }),
  )

  it.effect("survives a crowd that comes and goes at random", () =>
    Effect.gen(function* () {
      let seed = 1
      const random = (below: number) => {
        seed = (seed * 48271) % 2147483647
        return seed % below
      }
      for (let round = 0; round < 100; round++) {
        const lock = FairLock.make()
        let holders = 0
        const visit = hold(
          lock,
          Effect.acquireUseRelease(
            Effect.sync(() => expect(++holders).toBe(1)),
            () => steps(random(4)),
            () => Effect.sync(() => holders--),
          ),
        )
        const fibers = yield* Effect.forEach(Array.from({ length: 12 }), () =>
          Effect.zipLeft(Effect.fork(visit), steps(random(3))),
        )
        for (const fiber of fibers) {
          if (random(2) === 0) yield* Fiber.interruptFork(fiber)
          yield* steps(random(3))
        }
        yield* Effect.forEach(fibers, Fiber.await)
        yield* expectFree(lock)
      }
    }),
  )

  it.effect("waits without being interrupted where its caller cannot be", () =>
    Effect.gen(function* () {
      const lock = FairLock.make()
      yield* Effect.uninterruptibleMask((restore) => lock.acquire(restore))
      const fiber = yield* Effect.fork(Effect.uninterruptible(hold(lock, Effect.succeed("served"))))
      yield* steps(2)
      yield* Fiber.interruptFork(fiber)
      yield* steps(5)
      expect(fiber.unsafePoll()).toBeNull()
      lock.release()
      yield* Fiber.await(fiber)
      yield* expectFree(lock)
    }),
  )
})
