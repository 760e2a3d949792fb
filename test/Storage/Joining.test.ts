import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { openWithNotes, steps } from "./support.js"

describe("a step that joins", () => {
  it.scoped("is a transaction of its own where there is none", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      yield* storage.join(add("kept"))
      expect(yield* Effect.flip(storage.join(Effect.zipRight(add("undone"), Effect.fail("no"))))).toBe("no")
      expect(yield* notes).toEqual(["kept"])
    }),
  )

  it.scoped("is part of the transaction around it, and undone with it", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      yield* storage.write(Effect.zipRight(storage.join(add("a")), add("b")))
      yield* Effect.flip(storage.write(Effect.zipRight(storage.join(add("c")), Effect.fail("no"))))
      expect(yield* notes).toEqual(["a", "b"])
    }),
  )

  it.scoped("takes the whole transaction down where it fails, also when somebody catches that", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const half = storage.join(Effect.zipRight(add("half"), Effect.fail("no")))
      const careless = storage.write(Effect.zipRight(Effect.ignore(half), add("after")))
      expect(yield* Effect.flip(careless)).toMatchObject({ _tag: "StorageError" })
      expect(yield* notes).toEqual([])
      yield* storage.write(add("next"))
      expect(yield* notes).toEqual(["next"])
    }),
  )

  it.scoped("that is interrupted leaves nothing of the transaction", () =>
    Effect.gen(function* () {
      const { add, notes, storage } = yield* openWithNotes()
      const stuck = storage.join(Effect.zipRight(add("half"), Effect.never))
      const writing = yield* Effect.fork(storage.write(stuck))
      yield* steps(5)
      yield* Fiber.interrupt(writing)
      expect(yield* notes).toEqual([])
    }),
  )
})
