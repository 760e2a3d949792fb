import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describe } from "vitest"
import { EmbeddingError } from "../src/Domain/Errors.js"
import { FakeControl, vectorOf } from "../src/Embedder/Fake.js"
import { dot } from "../src/Domain/Vector.js"
import { EmbeddingQueue } from "../src/EmbeddingQueue.js"
import { EntityOverlay } from "../src/EntityOverlay.js"
import { EntityService } from "../src/EntityService.js"
import * as Search from "../src/Search.js"
import * as Fusion from "../src/Search/Fusion.js"
import { createFailed, createProcessing, embedAll, withSystem } from "./EntityService/fixtures.js"
import { animals, idsOf, search, store } from "./Search/fixtures.js"
import { system, temporaryDatabase } from "./support.js"

const down = new EmbeddingError({ fault: "provider", reason: "the model is away" })

describe("modes", () => {
  it.effect("semantic: every entity by its nearness, with the cosine that it has", () =>
    Effect.gen(function* () {
      yield* store(animals)
      const answer = yield* search("lazy dog", { mode: "semantic" })
      expect(answer).toMatchObject({ mode: "semantic", notice: undefined, pending: 0, failed: 0 })
      expect(answer.results).toHaveLength(3)
      expect(answer.results[0]).toMatchObject({
        entityType: "base",
        entityId: "dog",
        title: "dog",
        excerpt: animals.dog,
        lexical: false,
        embedding: { state: "ready" },
      })
      for (const { entityId, similarity } of answer.results) {
        const text = Object.entries(animals).find(([id]) => id === entityId)?.[1] ?? ""
        expect(similarity).toBeCloseTo(dot(vectorOf("lazy dog"), vectorOf(text)), 5)
      }
      const scores = answer.results.map(({ score }) => score)
      expect(scores.toSorted((a, b) => b - a)).toEqual(scores)
    }).pipe(withSystem),
  )

  it.effect("lexical: those that have the words, without asking the model", () =>
    Effect.gen(function* () {
      yield* store(animals)
      const before = yield* (yield* FakeControl).counters
      const answer = yield* search("Quick, sleeping!", { mode: "lexical" })
      expect(answer.mode).toBe("lexical")
      expect(idsOf(answer).toSorted()).toEqual(["cat", "dog", "fox"])
      expect(idsOf(answer)[0]).toBe("cat")
      expect(answer.results[0]).toMatchObject({ lexical: true, similarity: undefined })
      expect(yield* (yield* FakeControl).counters).toEqual(before)
    }).pipe(withSystem),
  )

  it.effect("hybrid, the default: what both rankings have comes before what only one has", () =>
    Effect.gen(function* () {
      yield* store(animals)
      const answer = yield* search("lazy dog")
      expect(answer).toMatchObject({ mode: "hybrid", notice: undefined })
      expect(answer.results).toHaveLength(3)
      expect(answer.results[0]).toMatchObject({ entityId: "dog", lexical: true })
      expect(answer.results[0]?.similarity).toBeGreaterThan(0.4)
      const [dog, next] = answer.results
      expect(dog?.score).toBeGreaterThan(Fusion.meaning * (dog?.similarity ?? 0))
      expect(next).toMatchObject({ lexical: false })
      expect(next?.score).toBeCloseTo(Fusion.meaning * Math.max(0, next?.similarity ?? 0), 10)
    }).pipe(withSystem),
  )
})

describe("what waits", () => {
  it.effect("is found by its words at once, says so, and is counted", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* store({ stored: "shared" })
      const { jobId } = yield* service.createEntity({ id: "boxed", content: "shared words that wait" })
      const answer = yield* search("shared")
      expect(answer).toMatchObject({ mode: "hybrid", pending: 1, failed: 0 })
      expect(answer.results.find(({ entityId }) => entityId === "boxed")).toMatchObject({
        embedding: { state: "pending", jobId },
        excerpt: "shared words that wait",
        similarity: undefined,
        lexical: true,
      })
      expect(yield* search("shared", { mode: "semantic" })).toMatchObject({
        results: [{ entityId: "stored" }],
        pending: 1,
      })
      yield* embedAll
      expect((yield* search("shared", { mode: "semantic" })).results).toHaveLength(2)
    }).pipe(withSystem),
  )

  it.effect("in hand, it is counted as well; failed, it is counted apart and found by its words", () =>
    Effect.gen(function* () {
      yield* createFailed("b", "bad words")
      yield* createProcessing("a", "other words")
      const answer = yield* search("words", { mode: "lexical" })
      expect(answer).toMatchObject({ pending: 1, failed: 1 })
      expect(Object.fromEntries(answer.results.map((one) => [one.entityId, one.embedding.state]))).toEqual({
        a: "processing",
        b: "failed",
      })
    }).pipe(withSystem),
  )

  it.effect(
    "an update that waits: found by the older text's vector with the older text, and by its new words",
    () =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* store({ a: "about gardens", b: "about rockets" })
        const { jobId } = yield* service.updateEntity("a", {
          content: "# Engines\nabout engines",
          metadata: {},
        })
        const byMeaning = yield* search("gardens", { mode: "semantic" })
        expect(byMeaning.pending).toBe(1)
        expect(byMeaning.results[0]).toMatchObject({
          entityId: "a",
          excerpt: "about gardens",
          embedding: { state: "pending", jobId },
        })
        expect(byMeaning.results[0]?.similarity).toBeCloseTo(
          dot(vectorOf("gardens"), vectorOf("about gardens")),
          5,
        )
        expect(idsOf(yield* search("engines", { mode: "lexical" }))).toEqual(["a"])
        expect(idsOf(yield* search("gardens", { mode: "lexical" }))).toEqual([])
        yield* embedAll
        const after = yield* search("gardens", { mode: "semantic" })
        expect(after.results.map(({ excerpt }) => excerpt)).not.toContain("about gardens")
      }).pipe(withSystem),
  )

  it.effect("what is deleted is not found, in no mode; the next best takes its place", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* store(animals)
      yield* service.deleteEntity("dog")
      for (const mode of ["hybrid", "semantic", "lexical"] as const) {
        expect(idsOf(yield* search("lazy dog sleeps", { mode, limit: 1 }))).toEqual(["cat"])
      }
    }).pipe(withSystem),
  )

  it.effect("what is deleted between ranking and reading leaves its place to the next one", () =>
    Effect.gen(function* () {
      yield* store(animals)
      const { search } = yield* Search.Search
      expect(idsOf(yield* search("lazy dog", { limit: 2 }))).toHaveLength(2)
      expect(idsOf(yield* search("lazy dog", { limit: 2 }))).not.toContain("dog")
    }).pipe(Effect.provide(Layer.provide(Search.layer, withoutDog)), withSystem),
  )
})

/** An overlay in which the dog is gone. */
const withoutDog = Layer.effect(
  EntityOverlay,
  Effect.map(EntityOverlay, (overlay) =>
    EntityOverlay.of({
      ...overlay,
      find: (key) => (key.entityId === "dog" ? Effect.succeedNone : overlay.find(key)),
    }),
  ),
)

describe("when the model cannot be asked", () => {
  it.effect("hybrid goes on by words and says so; semantic fails; lexical does not care", () =>
    Effect.gen(function* () {
      yield* store(animals)
      yield* (yield* FakeControl).failWhen(() => true, down)
      const answer = yield* search("lazy dog")
      expect(answer.mode).toBe("lexical")
      expect(answer.notice).toContain("the model is away")
      expect(idsOf(answer)).toEqual(["dog"])
      expect(yield* Effect.flip(search("lazy dog", { mode: "semantic" }))).toEqual(down)
      expect(yield* search("lazy dog", { mode: "lexical" })).toMatchObject({ notice: undefined })
    }).pipe(withSystem),
  )

  it.effect("an answer of the wrong shape is no answer either", () =>
    Effect.gen(function* () {
      yield* store(animals)
      const control = yield* FakeControl
      for (const kind of ["wrong dimensions", "not finite", "too few"] as const) {
        yield* control.misbehaveNext(kind)
        expect(yield* search("lazy dog")).toMatchObject({
          mode: "lexical",
          notice: expect.stringContaining("by words only"),
        })
        yield* control.misbehaveNext(kind)
        const error = yield* Effect.flip(search("lazy dog", { mode: "semantic" }))
        expect(error._tag).toBe("EmbeddingError")
      }
    }).pipe(withSystem),
  )
})

describe("vectors", () => {
  it.scoped("of another model are never compared, and their entities are still found by words", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      const under = (seed: number) => Effect.provide(system({ filename, fake: { seed } }))
      yield* store({ old: "the same words" }).pipe(under(1))
      yield* Effect.gen(function* () {
        // Nobody here can make such vectors: that is told, and costs the note that is stored now nothing.
        const error = yield* Effect.flip(search("the same words", { mode: "semantic" }))
        expect(error).toMatchObject({ _tag: "EmbeddingError", fault: "provider" })
        const answer = yield* search("the same words")
        expect(answer).toMatchObject({
          mode: "lexical",
          results: [{ entityId: "old", similarity: undefined }],
        })
        expect(answer.notice).toContain("reembed")
        expect(yield* Effect.flip(store({ young: "the same words" }))).toMatchObject({ fault: "provider" })
      }).pipe(under(2))
      const back = yield* search("the same words", { mode: "semantic" }).pipe(under(1))
      expect(idsOf(back)).toEqual(["old"])
      expect(back.results[0]?.similarity).toBeCloseTo(1, 5)
    }),
  )

  it.effect("of a long text: it is found once, and its best part is shown", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const part = (word: string) => `${`${word} `.repeat(90 / (word.length + 1))}\n`.padEnd(100, ".")
      const content = ["apple", "grape", "lemon"].map(part).join("")
      yield* service.createEntity({ id: "long", content })
      yield* service.createEntity({ id: "short", content: "melon" })
      yield* embedAll
      const answer = yield* search("grape", { mode: "semantic" })
      expect(idsOf(answer)).toEqual(["long", "short"])
      expect(answer.results[0]?.excerpt).toMatch(/^(?!.*(apple|lemon)).*grape/)
      expect(answer.results[0]?.similarity).toBeGreaterThan(0.9)
      expect(idsOf(yield* search("apple grape lemon melon"))).toHaveLength(2)
    }).pipe(withSystem),
  )

  it.effect("the queue counts in every answer, also in that which finds nothing", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "text" })
      expect(Option.isSome(yield* queue.dequeue)).toBe(true)
      yield* service.createEntity({ id: "b", content: "text" })
      expect(yield* search("nothing like it", { mode: "semantic" })).toEqual({
        results: [],
        mode: "semantic",
        notice: undefined,
        pending: 2,
        failed: 0,
      })
    }).pipe(withSystem),
  )
})
