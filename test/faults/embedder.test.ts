/**
 * An embedder that gives what is no answer, or none at all, when a poisonous text is among those it is asked for. It
 * stands at the place of a host's own embedder, which may do anything. The poison pays for it and nobody else does; and
 * what no text has done is paid for by none.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe } from "vitest"
import * as Chunker from "../../src/Chunker.js"
import type { EmbeddingError } from "../../src/Domain/Errors.js"
import { Embedder } from "../../src/Embedder.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import * as Models from "../../src/Models.js"
import { Storage } from "../../src/Storage.js"
import { control, startWorker, storedIds, untilQuiet } from "../EmbeddingWorker/fixtures.js"
import { passTimeUntil } from "../support.js"
import { createMany, expectUnharmed, onFile, passSeconds } from "./support.js"

type Vectors = ReadonlyArray<Float32Array>

/** What becomes of the good answer to a request with poison in it. `at` is the poison's place. */
type Spoil = (good: Vectors, at: number) => Effect.Effect<Vectors, EmbeddingError>

const isPoison = (text: string) => text.includes("poison")

const spoiling = (embedder: typeof Embedder.Service, spoil: Spoil) =>
  Embedder.of({
    ...embedder,
    // Called outside of any effect: what throws here throws at whoever calls.
    generateEmbeddings: (texts) =>
      texts.some(isPoison)
        ? Effect.flatMap(embedder.generateEmbeddings(texts), (good) => spoil(good, texts.findIndex(isPoison)))
        : embedder.generateEmbeddings(texts),
  })

/** A worker over an embedder that is made of the fake. */
const startOver = (odd: (embedder: typeof Embedder.Service) => typeof Embedder.Service) =>
  Effect.gen(function* () {
    const embedder = odd(yield* Embedder)
    const models = yield* Effect.provideService(Models.make, Embedder, embedder)
    const chunker = yield* Effect.provideService(Chunker.make, Models.Models, models)
    return yield* startWorker({ batchSize: 8, maxProcessingTime: "20 seconds" }).pipe(
      Effect.provideService(Chunker.Chunker, chunker),
      Effect.provideService(Embedder, embedder),
    )
  })

/** Eight notes in one batch, the fourth of them poison. */
const createBatch = createMany(8, (n) => (n === 3 ? "poison" : `text ${n}`))
const innocent = ["n0", "n1", "n2", "n4", "n5", "n6", "n7"]

const replaceAt = (good: Vectors, at: number, change: (vector: Float32Array) => Float32Array) =>
  Effect.succeed(good.map((vector, place) => (place === at ? change(vector) : vector)))

const never = () => {
  throw new Error("a bug")
}

const spoils: Readonly<Record<string, Spoil>> = {
  "a vector of the wrong length": (good, at) => replaceAt(good, at, (vector) => vector.slice(1)),
  "a vector with NaN": (good, at) => replaceAt(good, at, (vector) => vector.with(7, Number.NaN)),
  "a vector with Infinity": (good, at) =>
    replaceAt(good, at, (vector) => vector.with(7, Number.NEGATIVE_INFINITY)),
  "a vector of zeros": (good, at) => replaceAt(good, at, (vector) => vector.with(0, 0).fill(0)),
  "a vector that is not of length one": (good, at) =>
    replaceAt(good, at, (vector) => vector.map((value) => value * 2)),
  "too few vectors": (good, at) => Effect.succeed(good.toSpliced(at, 1)),
  "too many vectors": (good) => Effect.succeed([...good, ...good.slice(0, 1)]),
  "no vector": () => Effect.succeed([]),
  "nothing, ever": () => Effect.never,
  "a defect": () => Effect.die(new Error("a bug")),
  "an exception": () => Effect.sync(never),
  "a promise that is rejected": () => Effect.promise(() => Promise.reject(new Error("a bug"))),
}

/** The poison ended as failed for its own fault, its neighbours are stored and have paid nothing. */
const expectPoisonAlone = (receipts: ReadonlyArray<{ readonly jobId: string; readonly entityId: string }>) =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    const queue = yield* EmbeddingQueue
    const service = yield* EntityService
    expect(yield* storedIds).toEqual(innocent)
    yield* expectUnharmed(receipts.filter(({ entityId }) => entityId !== "n3"))
    const [box, ...rest] = yield* queue.failedBoxes()
    expect(rest).toEqual([])
    expect(box?.job).toMatchObject({ entityId: "n3", lastFault: "item", retryCount: 3, crashCount: 0 })
    expect(yield* sql`SELECT 1 FROM entity_vectors WHERE entity_id = 'n3'`).toEqual([])
    expect(yield* service.getEntity("n3")).toMatchObject({
      content: "poison",
      embedding: { state: "failed" },
    })
  })

describe("an embedder that gives", () => {
  for (const [name, spoil] of Object.entries(spoils)) {
    it.scoped(`${name}: refused, the text pays, its neighbours are stored`, () =>
      onFile(() =>
        Effect.gen(function* () {
          const receipts = yield* createBatch
          yield* startOver((embedder) => spoiling(embedder, spoil))
          yield* passTimeUntil(
            Effect.map((yield* EmbeddingQueue).getStats, ({ failed }) => failed === 1),
            3000,
          )
          yield* untilQuiet
          yield* expectPoisonAlone(receipts)
          // It goes on as if nothing had been.
          const more = yield* (yield* EntityService).createEntity({ id: "n9", content: "more" })
          yield* untilQuiet
          yield* expectUnharmed([more])
        }),
      ),
    )
  }

  it.scoped("an exception when it is called, not when it runs", () =>
    onFile(() =>
      Effect.gen(function* () {
        const receipts = yield* createBatch
        yield* startOver((embedder) =>
          Embedder.of({
            ...embedder,
            generateEmbeddings: (texts) =>
              texts.some(isPoison) ? never() : embedder.generateEmbeddings(texts),
          }),
        )
        yield* untilQuiet
        yield* expectPoisonAlone(receipts)
      }),
    ),
  )

  it.scoped("an exception when it is to cut a text", () =>
    onFile(() =>
      Effect.gen(function* () {
        const receipts = yield* createBatch
        yield* startOver((embedder) =>
          Embedder.of({
            ...embedder,
            split: (passages) =>
              passages.some(({ text }) => isPoison(text)) ? never() : embedder.split(passages),
          }),
        )
        yield* untilQuiet
        yield* expectPoisonAlone(receipts)
      }),
    ),
  )
})

describe("an embedder that is interrupted from within", () => {
  it.scoped("has nobody pay, and is asked again now and then, not at once for ever", () =>
    onFile(() =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        let calls = 0
        let isUp = false
        const receipts = yield* createBatch
        const { worker } = yield* startOver((embedder) =>
          Embedder.of({
            ...embedder,
            generateEmbeddings: (texts) =>
              Effect.suspend(() => {
                if (isUp) return embedder.generateEmbeddings(texts)
                calls++
                // What it leans on is a fiber that somebody ended.
                return Effect.flatMap(Effect.fork(Effect.never), (fiber) =>
                  Effect.zipRight(Fiber.interrupt(fiber), Fiber.join(fiber)),
                )
              }),
          }),
        )
        yield* passSeconds(20)
        expect(calls).toBeGreaterThan(5)
        expect(calls).toBeLessThan(15)
        expect(yield* queue.getStats).toMatchObject({ pending: 8, processing: 0, failed: 0 })
        expect((yield* worker.status).provider).toMatchObject({ state: "open" })
        isUp = true
        yield* untilQuiet
        yield* expectUnharmed(receipts)
      }),
    ),
  )

  it.scoped("is told from a worker that is told to end", () =>
    onFile(() =>
      Effect.gen(function* () {
        const fake = yield* control
        const queue = yield* EmbeddingQueue
        yield* fake.hold
        yield* createBatch
        const { stop, worker } = yield* startWorker({ batchSize: 8, drainTimeout: "1 second" })
        yield* passTimeUntil(Effect.map(queue.getStats, ({ processing }) => processing === 8))
        const stopping = yield* Effect.fork(stop)
        yield* passSeconds(2)
        yield* Fiber.join(stopping)
        expect((yield* worker.status).provider).toEqual({ state: "closed" })
        expect(yield* queue.getStats).toMatchObject({ pending: 8, processing: 0 })
      }),
    ),
  )
})
