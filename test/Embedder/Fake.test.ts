import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import * as Fake from "../../src/Embedder/Fake.js"
import { Embedder } from "../../src/Embedder.js"
import { textsOf } from "../support/chunks.js"
import { cosine, passage } from "./support.js"

const down = new EmbeddingError({ fault: "provider", reason: "down" })
const bad = new EmbeddingError({ fault: "item", reason: "bad text" })

describe("Fake", () => {
  it.effect("texts that share words are near each other; the same text is the same vector", () =>
    Effect.gen(function* () {
      const { dimensions, embedQuery, generateEmbedding, generateEmbeddings } = yield* Embedder
      const [a, b, c] = yield* generateEmbeddings(["the red house", "a red house", "something else entirely"])
      assert(a !== undefined && b !== undefined && c !== undefined)
      assert.strictEqual(a.length, dimensions)
      assert.approximately(cosine(a, a), 1, 1e-5)
      assert.isAbove(cosine(a, b), cosine(a, c))
      assert.deepStrictEqual(yield* generateEmbedding("the red house"), a)
      assert.deepStrictEqual(yield* embedQuery("the red house"), a)
      for (const text of ["", " ", "\u0000", "\ud800", "!?", "日本語"]) {
        const vector = yield* generateEmbedding(text)
        assert.approximately(cosine(vector, vector), 1, 1e-5)
      }
    }).pipe(Effect.provide(Fake.layer)),
  )

  it.effect("other settings are another vector space", () =>
    Effect.gen(function* () {
      const { fingerprint } = yield* Embedder
      const other = yield* Effect.provide(Embedder, Fake.layerWith({ dimensions: 8, seed: 2 }))
      assert.notStrictEqual(other.fingerprint, fingerprint)
      assert.strictEqual((yield* other.generateEmbedding("x")).length, 8)
    }).pipe(Effect.provide(Fake.layer)),
  )

  it.effect("cuts long text", () =>
    Effect.gen(function* () {
      const { embedQuery, split } = yield* Embedder
      const text = "word ".repeat(10)
      const [pieces = [], short = []] = yield* split([text, "short"].map(passage))
      assert.deepStrictEqual(textsOf(text, pieces), [
        "word word word word ",
        "word word word word ",
        "word word ",
      ])
      assert.deepStrictEqual(textsOf("short", short), ["short"])
      assert.strictEqual((yield* embedQuery(text)).length, 64)
    }).pipe(Effect.provide(Fake.layerWith({ windowLength: 20 }))),
  )

  it.effect("fails so many times, or as long as a text matches", () =>
    Effect.gen(function* () {
      const { embedQuery, generateEmbedding, generateEmbeddings } = yield* Embedder
      const control = yield* Fake.FakeControl
      yield* control.failNext(down, 2)
      assert.strictEqual(yield* Effect.flip(generateEmbedding("a")), down)
      assert.strictEqual(yield* Effect.flip(embedQuery("a")), down)
      yield* generateEmbedding("a")

      yield* control.failWhen((text) => text.includes("poison"), bad)
      assert.strictEqual(yield* Effect.flip(generateEmbeddings(["fine", "poison"])), bad)
      yield* generateEmbeddings(["fine"])
      yield* control.reset
      yield* generateEmbeddings(["poison"])
    }).pipe(Effect.provide(Fake.layer)),
  )

  it.effect("hangs on matching texts until interrupted, and holds all until released", () =>
    Effect.gen(function* () {
      const { generateEmbedding } = yield* Embedder
      const control = yield* Fake.FakeControl
      yield* control.hangWhen((text) => text === "slow")
      const slow = yield* Effect.fork(generateEmbedding("slow"))
      yield* generateEmbedding("fast")
      yield* Effect.yieldNow()
      assert.strictEqual((yield* Fiber.poll(slow))._tag, "None")
      yield* Fiber.interrupt(slow)

      yield* control.hold
      const held = yield* Effect.fork(generateEmbedding("fast"))
      yield* Effect.yieldNow()
      assert.strictEqual((yield* Fiber.poll(held))._tag, "None")
      yield* control.release
      yield* Fiber.join(held)
    }).pipe(Effect.provide(Fake.layer)),
  )

  it.effect("answers with wrong shapes", () =>
    Effect.gen(function* () {
      const { generateEmbeddings } = yield* Embedder
      const control = yield* Fake.FakeControl
      yield* control.misbehaveNext("wrong dimensions")
      assert.strictEqual((yield* generateEmbeddings(["a"]))[0]?.length, 63)
      yield* control.misbehaveNext("not finite", 2)
      assert.isNaN((yield* generateEmbeddings(["a"]))[0]?.[0])
      assert.isNaN((yield* generateEmbeddings(["a"]))[0]?.[0])
      yield* control.misbehaveNext("too few")
      assert.strictEqual((yield* generateEmbeddings(["a", "b"])).length, 1)
      assert.strictEqual((yield* generateEmbeddings(["a", "b"])).length, 2)
    }).pipe(Effect.provide(Fake.layer)),
  )

  it.effect("counts", () =>
    Effect.gen(function* () {
      const { embedQuery, generateEmbedding, generateEmbeddings } = yield* Embedder
      const control = yield* Fake.FakeControl
      yield* generateEmbeddings(["a", "b"])
      yield* control.failNext(down)
      yield* Effect.flip(generateEmbedding("c"))
      yield* embedQuery("d")
      yield* generateEmbeddings([])
      assert.deepStrictEqual(yield* control.counters, { calls: 3, queries: 1, embedded: ["a", "b", "d"] })
    }).pipe(Effect.provide(Fake.layer)),
  )

  it.effect("keeps the newest texts and no more", () =>
    Effect.gen(function* () {
      const { generateEmbedding, generateEmbeddings } = yield* Embedder
      const control = yield* Fake.FakeControl
      yield* generateEmbeddings(["a", "b"])
      yield* generateEmbedding("c")
      assert.deepStrictEqual((yield* control.counters).embedded, ["a", "b", "c"])
      yield* generateEmbeddings(["d", "e"])
      assert.deepStrictEqual(yield* control.counters, { calls: 3, queries: 0, embedded: ["c", "d", "e"] })
    }).pipe(Effect.provide(Fake.layerWith({ remembered: 3 }))),
  )

  it.effect("keeps none where none are wanted", () =>
    Effect.gen(function* () {
      yield* (yield* Embedder).generateEmbeddings(["a", "b"])
      assert.deepStrictEqual((yield* (yield* Fake.FakeControl).counters).embedded, [])
    }).pipe(Effect.provide(Fake.layerWith({ remembered: 0 }))),
  )
})
