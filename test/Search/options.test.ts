import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import type { SearchOptions } from "../../src/Domain/Search.js"
import { EntityService } from "../../src/EntityService.js"
import { embedAll, withSystem } from "../EntityService/fixtures.js"
import { animals, idsOf, search, store } from "./fixtures.js"

const modes = ["hybrid", "semantic", "lexical"] as const

const create = (id: string, metadata: { readonly [key: string]: unknown }, entityType = "note") =>
  Effect.flatMap(EntityService, (service) =>
    service.createEntity({ id, content: `shared text ${id}`, metadata, entityType }),
  )

describe("filters", () => {
  it.effect("metadata, types and times hold in every mode, for boxes as for rows", () =>
    Effect.gen(function* () {
      yield* create("open", { state: "open", tags: ["a", "b"], n: 1, done: false })
      yield* TestClock.adjust("10 seconds")
      yield* create("shut", { state: "shut", tags: ["b"], n: 2, done: true, none: null })
      yield* embedAll
      yield* TestClock.adjust("10 seconds")
      yield* create("odd", { "a.b\"c'": "x", state: { open: "open" } }, "task")
      const waiting = idsOf(yield* search("shared", { mode: "lexical", metadata: { "a.b\"c'": "x" } }))
      expect(waiting).toEqual(["odd"])
      yield* embedAll
      const found = (options: SearchOptions) =>
        Effect.map(
          Effect.forEach(modes, (mode) => Effect.map(search("shared text", { ...options, mode }), idsOf)),
          (lists) => {
            const [first = [], ...others] = lists.map((list) => list.toSorted())
            for (const other of others) expect(other).toEqual(first)
            return first
          },
        )
      expect(yield* found({ metadata: { state: "open" } })).toEqual(["open"])
      expect(yield* found({ metadata: { tags: "b" } })).toEqual(["open", "shut"])
      expect(yield* found({ metadata: { tags: "b", n: 2 } })).toEqual(["shut"])
      expect(yield* found({ metadata: { n: "1" } })).toEqual([])
      expect(yield* found({ metadata: { done: true } })).toEqual(["shut"])
      expect(yield* found({ metadata: { done: 1 } })).toEqual([])
      expect(yield* found({ metadata: { none: null } })).toEqual(["shut"])
      expect(yield* found({ metadata: { "a.b\"c'": "x" } })).toEqual(["odd"])
      expect(yield* found({ metadata: { toString: "x", __proto__: null } })).toEqual([])
      expect(yield* found({ excludedTypes: ["task"] })).toEqual(["open", "shut"])
      expect(yield* found({ entityTypes: ["task", "note"], excludedTypes: ["note"] })).toEqual(["odd"])
      expect(yield* found({ created: { from: 10_000 } })).toEqual(["odd", "shut"])
      expect(yield* found({ created: { before: 10_000 } })).toEqual(["open"])
      expect(yield* found({ updated: { from: 1, before: 11_000 } })).toEqual(["shut"])
    }).pipe(withSystem),
  )

  it.effect("hold for the newest version, also where an older one is found by meaning", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* create("a", { state: "open" })
      yield* embedAll
      yield* service.updateEntity("a", { content: "shared text anew", metadata: { state: "shut" } })
      for (const mode of modes) {
        expect(idsOf(yield* search("shared", { mode, metadata: { state: "open" } }))).toEqual([])
      }
    }).pipe(withSystem),
  )

  it.effect("that cannot be meant are refused by name", () =>
    Effect.gen(function* () {
      // As a host in JavaScript or a request may have it.
      const bad: SearchOptions = JSON.parse('{"metadata":{"tags":["a"]}}')
      expect(yield* Effect.flip(search("x", bad))).toMatchObject({ field: "metadata.tags" })
      const time = yield* Effect.flip(search("x", { created: { from: Number.NaN } }))
      expect(time).toMatchObject({ _tag: "InvalidEntity", field: "created.from" })
    }).pipe(withSystem),
  )
})

describe("pages", () => {
  it.effect("of any size together are the whole list", () =>
    Effect.gen(function* () {
      yield* store(Object.fromEntries(Array.from({ length: 23 }, (_, i) => [`n${i}`, `text of note ${i}`])))
      for (const mode of modes) {
        const whole = idsOf(yield* search("text note 7", { mode, limit: 23 }))
        expect(whole).toHaveLength(23)
        const pages = yield* Effect.forEach([0, 5, 10, 15, 20], (offset) =>
          Effect.map(search("text note 7", { mode, limit: 5, offset }), idsOf),
        )
        expect(pages.flat()).toEqual(whole)
        expect(idsOf(yield* search("text", { mode, offset: 23 }))).toEqual([])
      }
    }).pipe(withSystem),
  )
})

describe("what is told of a result", () => {
  it.effect("the words of the question are marked in the excerpt", () =>
    Effect.gen(function* () {
      yield* store(animals)
      const [first] = (yield* search("jumping foxes", { mode: "lexical" })).results
      expect(first?.marks.map(([from, to]) => first.excerpt.slice(from, to))).toEqual(["fox", "jumps"])
    }).pipe(withSystem),
  )

  it.effect("the score explained adds up, in every mode, and only where it is asked for", () =>
    Effect.gen(function* () {
      yield* store(animals)
      for (const mode of modes) {
        for (const { explanation, score, similarity } of (yield* search("lazy dog", { mode, explain: true }))
          .results) {
          expect((explanation?.semantic ?? 0) + (explanation?.lexical ?? 0)).toBeCloseTo(score, 10)
          expect(explanation?.coverage).toBeLessThanOrEqual(1)
          expect(explanation?.chunk).toBe(similarity === undefined ? undefined : 0)
        }
      }
      const [dog] = (yield* search("lazy dog", { explain: true })).results
      expect(dog?.explanation).toMatchObject({ semanticRank: 1, lexicalRank: 1 })
      expect((yield* search("lazy dog")).results[0]?.explanation).toBe(undefined)
    }).pipe(withSystem),
  )

  it.effect("the headings above the part that was found", () =>
    Effect.gen(function* () {
      const filler = "filler ".repeat(12)
      yield* store({
        a: `# Bread\n\n${filler}\n\n## Dough\n\nyeast and patience ${filler}\n\n## Oven\n\n${filler}`,
      })
      const [first] = (yield* search("yeast patience", { mode: "semantic" })).results
      expect(first?.path).toEqual(["Bread", "Dough"])
      expect(first?.excerpt).toContain("yeast and patience")
    }).pipe(withSystem),
  )

  it.effect("Chinese and Japanese are found by any part of them, and code by parts of its names", () =>
    Effect.gen(function* () {
      yield* store({
        ja: "私は日本語を話します",
        zh: "版本控制系统的使用方法",
        code: "call getEntityById to read it",
        accents: "naïve café",
      })
      const found = (question: string) => Effect.map(search(question, { mode: "lexical" }), idsOf)
      expect(yield* found("日本語")).toEqual(["ja"])
      expect(yield* found("語")).toEqual(["ja"])
      expect(yield* found("す")).toEqual(["ja"])
      expect(yield* found("控制系统")).toEqual(["zh"])
      expect(yield* found("entity")).toEqual(["code"])
      expect(yield* found("getEntityById")).toEqual(["code"])
      expect(yield* found("cafe")).toEqual(["accents"])
    }).pipe(withSystem),
  )
})

describe("related", () => {
  it.effect("are the others by nearness, filtered, without asking the model; one that waits says so", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* store({ fox: "quick brown fox", hare: "quick brown hare", moon: "tides of the sea" })
      yield* store({ task: "quick brown task" }, "task")
      const near = yield* service.related("fox", { limit: 2 })
      expect(idsOf(near).toSorted()).toEqual(["hare", "task"])
      expect(near.results.every(({ similarity = 0 }) => similarity > 0.3)).toBe(true)
      expect(idsOf(yield* service.related("fox", { excludedTypes: ["task"], limit: 1 }))).toEqual(["hare"])
      expect(idsOf(yield* service.related("fox", { entityTypes: ["task"] }))).toEqual(["task"])
      yield* service.createEntity({ id: "new", content: "quick brown bird" })
      const waiting = yield* service.related("new")
      expect(waiting).toMatchObject({ results: [], pending: 1 })
      expect(waiting.notice).toContain("not embedded yet")
      expect(yield* Effect.flip(service.related("nobody"))).toMatchObject({ _tag: "EntityNotFound" })
      yield* store({ fox: "another type" }, "task")
      expect(yield* Effect.flip(service.related("fox"))).toMatchObject({ _tag: "AmbiguousEntityId" })
      expect(idsOf(yield* service.related("fox", { entityType: "base", limit: 1 })).length).toBe(1)
    }).pipe(withSystem),
  )
})
