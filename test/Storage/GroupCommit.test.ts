import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as GroupCommit from "../../src/Storage/GroupCommit.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { Storage } from "../../src/Storage.js"
import { settle } from "../support.js"

const outside = { isInside: Effect.succeed(false) }

/** A writer that notes its groups, fails those with "bad" in them, and can be held up. */
const recording = Effect.gen(function* () {
  const groups = yield* Ref.make<ReadonlyArray<ReadonlyArray<string>>>([])
  const gate = yield* Effect.makeLatch(true)
  const scope = yield* Effect.acquireRelease(Scope.make(), (life) => Scope.close(life, Exit.void))
  const join = yield* Scope.extend(
    GroupCommit.make(
      outside,
      (requests: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          yield* Ref.update(groups, (before) => [...before, requests])
          yield* gate.await
          if (requests.includes("bad")) return yield* Effect.fail("refused")
          if (requests.includes("busy")) return yield* Effect.fail("busy")
          if (requests.includes("bug")) return yield* Effect.die("a bug")
          return requests.map((request) => `${request} written`)
        }),
      (error) => error === "busy",
    ),
    scope,
  )
  return { groups: Ref.get(groups), gate, join, close: Scope.close(scope, Exit.void) }
})

describe("a group commit", () => {
  it.scoped("writes a lone request at once, and alone", () =>
    Effect.gen(function* () {
      const { groups, join } = yield* recording
      expect(yield* join("a")).toBe("a written")
      expect(yield* join("b")).toBe("b written")
      expect(yield* groups).toEqual([["a"], ["b"]])
    }),
  )

  it.scoped("writes together what arrives while a write is under way, and answers each its own", () =>
    Effect.gen(function* () {
      const { gate, groups, join } = yield* recording
      yield* gate.close
      const first = yield* Effect.fork(join("first"))
      yield* settle
      const others = yield* Effect.forEach(["b", "c", "d"], (name) => Effect.fork(join(name)))
      yield* settle
      expect(yield* groups).toEqual([["first"]])
      yield* gate.open
      expect(yield* Fiber.join(first)).toBe("first written")
      expect(yield* Effect.forEach(others, Fiber.join)).toEqual(["b written", "c written", "d written"])
      expect(yield* groups).toEqual([["first"], ["b", "c", "d"]])
    }),
  )

  it.scoped("keeps its transactions short: at most 48 in one", () =>
    Effect.gen(function* () {
      const { groups, join } = yield* recording
      const names = Array.from({ length: 300 }, (_, i) => `n${i}`)
      const answers = yield* Effect.forEach(names, join, { concurrency: "unbounded" })
      expect(answers).toEqual(names.map((name) => `${name} written`))
      const sizes = (yield* groups).map((group) => group.length)
      expect(Math.max(...sizes)).toBe(48)
      expect(sizes.length).toBeLessThan(10)
    }),
  )

  for (const [what, name] of [
    ["that fails", "bad"],
    ["that meets a bug", "bug"],
  ] as const) {
    it.scoped(`a request ${what} takes no neighbours along`, () =>
      Effect.gen(function* () {
        const { gate, groups, join } = yield* recording
        yield* gate.close
        const before = yield* Effect.fork(join("before"))
        yield* settle
        const together = yield* Effect.forEach(["a", name, "b"], (one) => Effect.fork(join(one)))
        yield* settle
        yield* gate.open
        expect(yield* Fiber.join(before)).toBe("before written")
        const exits = yield* Effect.forEach(together, Fiber.await)
        expect(exits.map(Exit.isFailure)).toEqual([false, true, false])
        expect(yield* join("after")).toBe("after written")
        expect(yield* groups).toEqual([["before"], ["a", name, "b"], ["a"], [name], ["b"], ["after"]])
      }),
    )
  }

  it.scoped("trouble that is everybody's is told to all at once, and the writer goes on", () =>
    Effect.gen(function* () {
      const { gate, groups, join } = yield* recording
      yield* gate.close
      const before = yield* Effect.fork(join("before"))
      yield* settle
      const together = yield* Effect.forEach(["a", "busy", "b"], (one) => Effect.fork(join(one)))
      yield* settle
      yield* gate.open
      yield* Fiber.join(before)
      expect(yield* Effect.forEach(together, (fiber) => Effect.flip(Fiber.join(fiber)))).toEqual([
        "busy",
        "busy",
        "busy",
      ])
      expect(yield* join("after")).toBe("after written")
      expect(yield* groups).toEqual([["before"], ["a", "busy", "b"], ["after"]])
    }),
  )

  it.scoped("never writes a request whose caller was interrupted before its turn", () =>
    Effect.gen(function* () {
      const { gate, groups, join } = yield* recording
      yield* gate.close
      const first = yield* Effect.fork(join("first"))
      yield* settle
      const gone = yield* Effect.fork(join("gone"))
      const stays = yield* Effect.fork(join("stays"))
      yield* settle
      yield* Fiber.interrupt(gone)
      yield* gate.open
      yield* Fiber.join(first)
      expect(yield* Fiber.join(stays)).toBe("stays written")
      expect(yield* groups).toEqual([["first"], ["stays"]])
    }),
  )

  it.scoped("an interruption in the middle of the write waits until its outcome is certain", () =>
    Effect.gen(function* () {
      const { gate, join } = yield* recording
      yield* gate.close
      const caller = yield* Effect.fork(join("a"))
      yield* settle
      const interrupted = yield* Deferred.make<void>()
      yield* Effect.fork(Effect.zipRight(Fiber.interrupt(caller), Deferred.succeed(interrupted, undefined)))
      yield* settle
      expect(yield* Deferred.isDone(interrupted)).toBe(false)
      yield* gate.open
      yield* Deferred.await(interrupted)
    }),
  )

  it.scoped("an interruption that comes with the outcome waits for nothing more", () =>
    Effect.gen(function* () {
      const callers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
      const join = yield* GroupCommit.make(
        outside,
        (requests: ReadonlyArray<string>) =>
          // The first has its answer, and has not gone on yet, when the second's is looked at.
          Effect.succeed(
            Object.defineProperty([...requests], 1, {
              get: () => (callers[0]?.unsafeInterruptAsFork(FiberId.none), "second"),
            }),
          ),
        () => false,
      )
      callers.push(yield* Effect.fork(join("first")), yield* Effect.fork(join("second")))
      const [first, second] = yield* Effect.forEach(callers, Fiber.await)
      expect(first !== undefined && Exit.isInterrupted(first)).toBe(true)
      expect(second).toEqual(Exit.succeed("second"))
    }),
  )

  it.scoped("writes what still waits when its scope closes", () =>
    Effect.gen(function* () {
      const { close, gate, groups, join } = yield* recording
      yield* gate.close
      const first = yield* Effect.fork(join("first"))
      yield* settle
      const late = yield* Effect.fork(join("late"))
      yield* settle
      const closing = yield* Effect.fork(close)
      yield* settle
      yield* gate.open
      yield* Fiber.join(closing)
      expect(yield* Fiber.join(first)).toBe("first written")
      expect(yield* Fiber.join(late)).toBe("late written")
      expect(yield* groups).toEqual([["first"], ["late"]])
    }),
  )

  it.scoped("answers everybody, at whatever moment its scope closes", () =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 40; turns++) {
        const { close, join } = yield* recording
        const early = yield* Effect.fork(join("early"))
        yield* Effect.repeatN(Effect.yieldNow(), turns)
        const closing = yield* Effect.fork(close)
        const late = yield* Effect.fork(join("late"))
        yield* Fiber.join(closing)
        yield* settle
        expect([yield* Fiber.poll(early), yield* Fiber.poll(late)].map(Option.isSome)).toEqual([true, true])
        expect(yield* Fiber.join(early)).toBe("early written")
        expect(yield* join("after")).toBe("after written")
      }
    }),
  )

  it.scoped("takes no part in a transaction of the caller's: its write stands or falls with that", () =>
    Effect.gen(function* () {
      const storage = yield* Storage
      const { sql } = storage
      yield* sql`CREATE TABLE t (name TEXT)`
      const join = yield* GroupCommit.make(
        storage,
        (names: ReadonlyArray<string>) =>
          storage.write(
            Effect.forEach(names, (name) => Effect.as(sql`INSERT INTO t VALUES (${name})`, name)),
          ),
        () => true,
      )
      const undone = sql.withTransaction(Effect.zipRight(join("undone"), Effect.fail("rolled back")))
      yield* Effect.all([Effect.flip(undone), join("kept")], { concurrency: 2 })
      yield* storage.write(join("inside"))
      expect(yield* sql`SELECT name FROM t ORDER BY name`).toEqual([{ name: "inside" }, { name: "kept" }])
    }).pipe(Effect.provide(Sqlite.layer({ filename: ":memory:" }))),
  )
})
