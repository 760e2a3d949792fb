import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Functions from "../../src/Embedder/Functions.js"

const base = {
  model: "mine",
  dimensions: 2,
  generateEmbeddings: async (texts: ReadonlyArray<string>) => texts.map((text) => [text.length, 0]),
}

describe("an embedder of a host's functions", () => {
  it.effect("brings vectors to unit length, and takes a question's own function for questions", () =>
    Effect.gen(function* () {
      const embedder = Functions.make({ ...base, embedQuery: async () => new Float64Array([0, 5]) })
      assert.deepStrictEqual([...(yield* embedder.generateEmbedding("abc"))], [1, 0])
      assert.deepStrictEqual([...(yield* embedder.embedQuery("abc"))], [0, 1])
      assert.deepStrictEqual(yield* embedder.generateEmbeddings([]), [])
      assert.strictEqual(embedder.fingerprint, "host|mine|plain|2d|none|unit|markdown-1-bytes-512")
    }),
  )

  for (const answer of [undefined, null, {}, "ab", [null], ["ab"], [{ length: 2 }]]) {
    it.effect(`is to blame itself where it answers ${JSON.stringify(answer)}`, () =>
      Effect.gen(function* () {
        // As a host in JavaScript may.
        const generateEmbeddings = (): Promise<ReadonlyArray<ReadonlyArray<number>>> =>
          Promise.resolve(JSON.parse(JSON.stringify({ answer })).answer)
        const { embedQuery, generateEmbeddings: asked } = Functions.make({ ...base, generateEmbeddings })
        const reason = "mine gives something else than vectors"
        assert.include(yield* Effect.flip(asked(["a"])), { fault: "provider", reason })
        assert.include(yield* Effect.flip(embedQuery("a")), { fault: "provider", reason })
      }),
    )
  }

  it("has functions of these names: one that differs in its capitals is a slip", () => {
    assert.deepStrictEqual(
      Functions.flawsOf({ ...base, embedquery: base.generateEmbeddings, cache: new Map() }),
      ["embedder.embedquery is not known: did you mean embedQuery?"],
    )
  })

  it.effect("calls methods on their object", () =>
    Effect.gen(function* () {
      class Mine {
        readonly model = "mine"
        readonly dimensions = 2
        readonly #factor = 3
        async generateEmbeddings(texts: ReadonlyArray<string>) {
          return texts.map(() => [0, this.#factor])
        }
        async generateEmbedding(_: string) {
          return [this.#factor, 0]
        }
      }
      const embedder = Functions.make(new Mine())
      assert.deepStrictEqual([...(yield* embedder.generateEmbedding("a"))], [1, 0])
      assert.deepStrictEqual(
        (yield* embedder.generateEmbeddings(["a"])).map((vector) => [...vector]),
        [[0, 1]],
      )
    }),
  )

  it.effect("cuts what is longer than the window, and asks for the parts of a long question", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const embedder = Functions.make({
        ...base,
        window: 10,
        embedQuery: async (text) => {
          asked.push(text)
          return [1, 1]
        },
      })
      const text = "some words that are far too long for such a small window"
      yield* embedder.embedQuery(text)
      assert.isAbove(asked.length, 1)
      assert.strictEqual(asked.join(""), text)
      assert.isTrue(asked.every((part) => part.length <= 30))
    }),
  )

  it.effect("believes an error that says whose fault it is; it is the provider's where nothing is said", () =>
    Effect.gen(function* () {
      const failing = (reason: unknown) =>
        Effect.flip(
          Functions.make({ ...base, generateEmbeddings: () => Promise.reject(reason) }).generateEmbedding(
            "a",
          ),
        )
      const item = yield* failing(Object.assign(new Error("too odd"), { fault: "item" }))
      assert.deepStrictEqual([item.fault, item.reason], ["item", "mine: too odd"])
      const later = yield* failing(Object.assign(new Error("slowly"), { fault: "provider", retryAfterMs: 5 }))
      assert.deepStrictEqual([later.fault, later.retryAfterMillis], ["provider", 5])
      assert.strictEqual((yield* failing("?")).fault, "provider")
      assert.strictEqual((yield* failing({ fault: "mine" })).fault, "provider")
    }),
  )

  it.effect("does not take other shapes than were promised", () =>
    Effect.gen(function* () {
      const giving = (vectors: ReadonlyArray<ReadonlyArray<number>>) =>
        Effect.flip(
          Functions.make({ ...base, generateEmbeddings: async () => vectors }).generateEmbeddings(["a"]),
        )
      assert.strictEqual((yield* giving([])).reason, "mine gave 0 vectors for 1 texts")
      assert.match((yield* giving([[1, 2, 3]])).reason, /gives vectors of 3 dimensions, and 2 are expected/)
      assert.strictEqual((yield* giving([[1, 2, 3]])).fault, "provider")
    }),
  )

  it.live("tells the function when nobody waits any more", () =>
    Effect.gen(function* () {
      const signals: Array<AbortSignal> = []
      const embedder = Functions.make({
        ...base,
        generateEmbeddings: (_, { signal }) => {
          signals.push(signal)
          return new Promise(() => {})
        },
      })
      const fiber = yield* Effect.fork(embedder.generateEmbedding("a"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        signals.map(({ aborted }) => aborted),
        [true],
      )
    }),
  )
})
