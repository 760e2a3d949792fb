import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import { embeddedTexts, withSystem } from "../EntityService/fixtures.js"
import { animals, idsOf, search, store } from "./fixtures.js"

describe("what is asked", () => {
  it.effect("may name the types; other types are not found in any mode", () =>
    Effect.gen(function* () {
      yield* store({ a: "shared text", b: "shared text" }, "note")
      yield* store({ a: "shared text" }, "task")
      for (const mode of ["hybrid", "semantic", "lexical"] as const) {
        const found = (entityTypes: ReadonlyArray<string>) =>
          Effect.map(search("shared", { mode, entityTypes }), ({ results }) =>
            results.map(({ entityId, entityType }) => `${entityType}/${entityId}`).toSorted(),
          )
        expect(yield* found(["task"])).toEqual(["task/a"])
        expect(yield* found(["task", "note", "'"])).toEqual(["note/a", "note/b", "task/a"])
        expect(yield* found([])).toHaveLength(3)
        expect(yield* found(["none"])).toEqual([])
      }
    }).pipe(withSystem),
  )

  it.effect("limits how many, between one and a hundred, ten if it does not say", () =>
    Effect.gen(function* () {
      yield* store(Object.fromEntries(Array.from({ length: 105 }, (_, i) => [`n${i}`, `text ${i}`])))
      for (const [limit, count] of [
        [undefined, 10],
        [3, 3],
        [1, 1],
        [100, 100],
      ] as const) {
        for (const mode of ["hybrid", "semantic", "lexical"] as const) {
          const ids = idsOf(yield* search("text", { mode, limit }))
          expect([limit, mode, new Set(ids).size]).toEqual([limit, mode, count])
        }
      }
    }).pipe(withSystem),
  )

  it.effect("must be something", () =>
    Effect.gen(function* () {
      const nothing: ReadonlyArray<unknown> = ["", " \n\t", undefined, null, 7]
      for (const question of nothing) {
        const error = yield* Effect.flip(search(question as string))
        expect(error).toMatchObject({ _tag: "InvalidEntity", field: "question" })
      }
      expect(yield* embeddedTexts).toEqual([])
    }).pipe(withSystem),
  )

  it.effect.prop(
    "may be anything: never an error, never syntax",
    [
      FastCheck.oneof(
        FastCheck.fullUnicodeString({ minLength: 1 }),
        FastCheck.array(
          FastCheck.constantFrom(
            '"',
            "'",
            "*",
            "^",
            "-",
            "NEAR(",
            ")",
            "title:",
            " OR ",
            "AND",
            "\u0000",
            "a",
            "🎈",
          ),
          { minLength: 1, maxLength: 30 },
        ).map((parts) => parts.join("")),
      ).filter((question) => question.trim() !== ""),
    ],
    ([question]) =>
      Effect.gen(function* () {
        yield* store({ b: "words of a note" })
        for (const mode of ["hybrid", "semantic", "lexical"] as const) {
          const answer = yield* search(question, { mode })
          expect(answer.mode).toBe(mode)
          if (mode !== "lexical") expect(idsOf(answer)).toEqual(["b"])
        }
      }).pipe(withSystem),
    { fastCheck: { numRuns: 50 } },
  )

  it.effect("may have a thousand words, but not a book", () =>
    Effect.gen(function* () {
      yield* store(animals)
      const question = `fox ${Array.from({ length: 1000 }, (_, i) => `word${i}`).join(" ")}`
      expect(idsOf(yield* search(question, { mode: "lexical" }))).toEqual(["fox"])
      expect((yield* search(question)).mode).toBe("hybrid")
      expect(yield* Effect.flip(search(question.repeat(10)))).toMatchObject({ field: "question" })
      const repeated = `${"rocket ".repeat(1000)} fox`
      expect(idsOf(yield* search(repeated, { mode: "lexical" }))).toEqual(["fox"])
    }).pipe(withSystem),
  )
})
