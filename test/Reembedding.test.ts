import { expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Fiber from "effect/Fiber"
import { describe } from "vitest"
import { EmbeddingError } from "../src/Domain/Errors.js"
import { Embedder } from "../src/Embedder.js"
import * as Fake from "../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../src/EmbeddingQueue.js"
import { EntityRepository } from "../src/EntityRepository.js"
import { EntityService } from "../src/EntityService.js"
import { Reembedding } from "../src/Reembedding.js"
import { embedAll } from "./EntityService/fixtures.js"
import { checkInvariants } from "./invariants.js"
import { idsOf, search, store } from "./Search/fixtures.js"
import { passTimeUntil, settle, system, temporaryDatabase } from "./support.js"
import { seedIn, seeds, slowSystemOf, systemOf } from "./support/models.js"

/** The whole system, as a process that is configured with this model. */
const under = (filename: string, seed: number) => Effect.provide(systemOf(filename, seed))

/** I2 and its like hold, whatever the models. */
const inOrder = Effect.map(checkInvariants(), ({ violations }) => expect(violations).toEqual([]))

const notes = { bread: "flour and water", tyre: "patch the tube", moon: "tides of the sea" }

const run = Effect.flatMap(Reembedding, (service) => service.run())

describe("another model is configured", () => {
  it.scoped("search and new notes go on with the former one, and say so; nothing is embedded anew", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* store(notes).pipe(under(filename, 1))
      yield* Effect.gen(function* () {
        const answer = yield* search("flour water", { mode: "semantic" })
        expect(idsOf(answer)[0]).toBe("bread")
        expect(answer.notice).toContain("reembed")
        yield* Effect.flatMap(EntityService, (service) =>
          service.createEntity({ id: "new", content: "salt" }),
        )
        yield* embedAll
        expect(idsOf(yield* search("salt", { mode: "semantic" }))[0]).toBe("new")
        expect(yield* seeds).toEqual([[1, 4]])
        expect((yield* (yield* Fake.FakeControl).counters).embedded).toEqual([])
        yield* inOrder
      }).pipe(under(filename, 2))
    }),
  )

  it.scoped("where no vector is left of the former one, the new one begins at once", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* store({ bread: notes.bread }).pipe(under(filename, 1))
      yield* Effect.gen(function* () {
        yield* Effect.flatMap(EntityService, (service) => service.deleteEntity("bread"))
        yield* store({ tyre: notes.tyre })
        expect(yield* seeds).toEqual([[2, 1]])
        expect((yield* search("tube", { mode: "semantic" })).notice).toBe(undefined)
      }).pipe(under(filename, 2))
    }),
  )
})

describe("reembedding", () => {
  it.scoped("says what it would cost and changes nothing", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* store(notes).pipe(under(filename, 1))
      yield* Effect.gen(function* () {
        const plan = yield* Effect.flatMap(Reembedding, (service) => service.plan)
        expect(plan).toMatchObject({ entities: 3, stored: 3, chunks: 3 })
        expect([seedIn(plan.from), seedIn(plan.to)]).toEqual([1, 2])
        expect(yield* seeds).toEqual([[1, 3]])
      }).pipe(under(filename, 2))
    }),
  )

  it.scoped("knows long notes behind short ones", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      const short = Array.from({ length: 20 }, (_, i) => [`a${i}`, "twenty letters each "] as const)
      const long = Array.from({ length: 20 }, (_, i) => [`b${i}`, "word ".repeat(1_000)] as const)
      yield* store(Object.fromEntries([...short, ...long])).pipe(under(filename, 1))
      yield* Effect.gen(function* () {
        const { chunks, tokens } = yield* Effect.flatMap(Reembedding, (service) => service.plan)
        // Within a third of what they are: 20 and 120 chunks, 100,400 characters at four a token.
        expect(Math.abs(tokens / 25_100 - 1)).toBeLessThan(0.34)
        expect(Math.abs(chunks / 140 - 1)).toBeLessThan(0.34)
      }).pipe(under(filename, 2))
    }),
  )

  it.scoped("builds beside what is searched, changes over when nothing is missing, then drops the old", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* store(notes).pipe(under(filename, 1))
      const context = yield* Layer.build(systemOf(filename, 2))
      yield* Effect.gen(function* () {
        const service = yield* Reembedding
        const seen: Array<unknown> = []
        const outcome = yield* service.run((progress) =>
          Effect.gen(function* () {
            seen.push(progress)
            // All are built, and the old ones are still those that are searched.
            expect(yield* seeds).toEqual([
              [1, 3],
              [2, 3],
            ])
            expect((yield* search("flour")).notice).toContain("not the configured one")
            yield* inOrder
          }).pipe(Effect.orDie, Effect.provide(context)),
        )
        expect(seen).toEqual([{ done: 3, failed: 0, total: 3 }])
        expect(outcome).toMatchObject({ embedded: 3, refused: [], changed: true, dropped: 3 })
        expect(yield* seeds).toEqual([[2, 3]])
        const answer = yield* search("flour water", { mode: "semantic" })
        expect([answer.notice, idsOf(answer)[0]]).toEqual([undefined, "bread"])
        expect(yield* run).toMatchObject({ embedded: 0, changed: false, dropped: 0 })
        yield* inOrder
      }).pipe(Effect.provide(context))
    }),
  )

  it.scoped(
    "stopped at any text it goes on from there, and what was written meanwhile is not forgotten",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryDatabase
        const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`n${i}`, `note number ${i}`]))
        yield* store(many).pipe(under(filename, 1))
        // The first one dies half-way: what it asked for never comes.
        yield* Effect.gen(function* () {
          const control = yield* Fake.FakeControl
          yield* control.hangWhen((text) => text.endsWith("number 39"))
          const fiber = yield* Effect.fork(run)
          yield* settle
          yield* Fiber.interrupt(fiber)
          yield* inOrder
        }).pipe(under(filename, 2))
        yield* Effect.gen(function* () {
          const service = yield* EntityService
          const built = (yield* seeds).find(([seed]) => seed === 2)?.[1] ?? 0
          expect(built).toBeGreaterThan(0)
          expect(built).toBeLessThan(40)
          yield* service.updateEntity("n0", { content: "another text" })
          yield* embedAll
          expect(yield* run).toMatchObject({ changed: true })
          // What was there was not made again, but for the note that was changed.
          expect((yield* (yield* Fake.FakeControl).counters).embedded.length).toBeLessThanOrEqual(41 - built)
          expect(yield* seeds).toEqual([[2, 40]])
          expect(idsOf(yield* search("another text", { mode: "semantic" }))[0]).toBe("n0")
          yield* inOrder
        }).pipe(under(filename, 2))
      }),
  )

  it.scoped("a note that the new model refuses keeps the former one, and the others are kept ready", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* store(notes).pipe(under(filename, 1))
      yield* Effect.gen(function* () {
        const control = yield* Fake.FakeControl
        yield* control.failWhen(
          (text) => text === notes.moon,
          new EmbeddingError({ fault: "item", reason: "no moon" }),
        )
        expect(yield* run).toMatchObject({
          changed: false,
          embedded: 2,
          refused: [{ entityId: "moon", reason: "no moon" }],
        })
        expect(idsOf(yield* search("tides", { mode: "semantic" }))[0]).toBe("moon")
        yield* control.reset
        expect(yield* run).toMatchObject({ changed: true, embedded: 1, refused: [] })
        yield* inOrder
      }).pipe(under(filename, 2))
    }),
  )

  it.scoped("rests while the queue is paused", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* store(notes).pipe(under(filename, 1))
      yield* Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* queue.pause
        const fiber = yield* Effect.fork(run)
        yield* settle
        yield* TestClock.adjust("5 seconds")
        yield* settle
        expect(yield* seeds).toEqual([[1, 3]])
        yield* queue.resume
        yield* TestClock.adjust("1 second")
        expect(yield* Fiber.join(fiber)).toMatchObject({ changed: true })
      }).pipe(under(filename, 2))
    }),
  )

  it.scoped(
    "new notes go first: while some wait, it rests between its batches, and goes on all the same",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryDatabase
        const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`n${i}`, `note number ${i}`]))
        yield* store(many).pipe(under(filename, 1))
        /** When each of three batches was done, in seconds, by a model that takes a second for one. */
        const pace = Effect.gen(function* () {
          const service = yield* Reembedding
          const start = yield* Clock.currentTimeMillis
          const done: Array<number> = []
          const fiber = yield* Effect.fork(
            service.run(() =>
              Effect.map(Clock.currentTimeMillis, (now) => void done.push((now - start) / 1000)),
            ),
          )
          yield* passTimeUntil(Effect.map(fiber.status, (status) => status._tag === "Done"))
          return done
        })
        expect(yield* Effect.provide(pace, slowSystemOf(filename, 2))).toEqual([1, 2, 3])
        yield* Effect.gen(function* () {
          yield* Effect.flatMap(EntityService, (service) => service.createEntity({ content: "waits" }))
          expect(yield* pace).toEqual([1, 5, 9])
        }).pipe(Effect.provide(slowSystemOf(filename, 3)))
      }),
  )

  it.scoped("a worker that has not heard of the change stores nothing under the former model", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* store(notes).pipe(under(filename, 1))
      const old = yield* Layer.build(system({ filename, fake: { seed: 1 } }))
      const claim = yield* Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "late", content: "late words" })
        return yield* Effect.flatten((yield* EmbeddingQueue).dequeue)
      }).pipe(Effect.provide(old))
      expect(yield* run.pipe(under(filename, 2))).toMatchObject({ changed: true })
      yield* Effect.gen(function* () {
        const repository = yield* EntityRepository
        const embedder = yield* Embedder
        const stored = repository.store({
          entity: claim.content,
          generation: claim.job.generation,
          jobId: claim.job.jobId,
          inputHash: "h",
          chunks: [
            {
              heading: "",
              path: [],
              start: 0,
              text: "late words",
              inputHash: "h",
              fingerprint: embedder.fingerprint,
              vector: Fake.vectorOf("late words"),
            },
          ],
        })
        expect((yield* Effect.flip(stored)).reason).toContain("the model was changed meanwhile")
        expect(yield* seeds).toEqual([[2, 3]])
      }).pipe(Effect.provide(old))
    }),
  )
})
