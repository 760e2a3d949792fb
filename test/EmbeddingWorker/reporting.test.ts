import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { Storage } from "../../src/Storage.js"
import { passTimeUntil, settle } from "../support.js"
import { control, createNotes, startWorker, storedIds, untilQuiet, withSystem } from "./fixtures.js"

const board = Effect.flatMap(EmbeddingQueue, (queue) => queue.workers)

/** As the board stands when `holds` is true of its one worker, without time passing. */
const untilBoard = (holds: (worker: Effect.Effect.Success<typeof board>[number]) => boolean) =>
  passTimeUntil(
    Effect.map(board, (workers) => workers.length === 1 && workers.every(holds)),
    1,
  )

const numbered = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, `text ${at}`]))

describe("a worker tells", () => {
  it.scoped("that it is there from its start, and that it is gone when it has drained", () =>
    Effect.gen(function* () {
      const { stop } = yield* startWorker()
      yield* untilBoard(({ alive, inHand, provider }) => alive && inHand === 0 && provider.state === "closed")
      yield* stop
      expect(yield* board).toEqual([])
    }).pipe(withSystem),
  )

  it.scoped("at each heartbeat what it has in hand and what it did, and not for every job", () =>
    Effect.gen(function* () {
      const fake = yield* control
      const { sql } = yield* Storage
      yield* sql`CREATE TABLE told (at INTEGER)`
      yield* sql`CREATE TRIGGER tell AFTER UPDATE ON embedding_workers BEGIN
        INSERT INTO told VALUES (NEW.beat_at); END`
      yield* startWorker({ batchSize: 2, concurrency: 1, heartbeatInterval: "10 seconds" })
      yield* createNotes(numbered(20))
      yield* untilQuiet
      expect(yield* storedIds).toHaveLength(20)
      expect(yield* sql`SELECT * FROM told`).toEqual([])
      yield* fake.hold
      yield* createNotes({ held: "text" })
      yield* TestClock.adjust("10 seconds")
      yield* untilBoard(({ beatAt, inHand, stored }) => beatAt === 10_000 && inHand === 1 && stored === 20)
      expect(yield* sql`SELECT * FROM told`).toEqual([{ at: 10_000 }])
      yield* fake.release
    }).pipe(withSystem),
  )

  it.scoped("at once that its provider is down, each time it was asked in vain, and that it is back", () =>
    Effect.gen(function* () {
      const fake = yield* control
      yield* fake.failWhen(() => true, new EmbeddingError({ fault: "provider", reason: "refused" }))
      yield* startWorker({ heartbeatInterval: "10 days" })
      yield* untilBoard(({ provider }) => provider.state === "closed")
      yield* createNotes({ a: "text" })
      yield* settle
      expect((yield* board)[0]?.provider).toEqual({
        state: "open",
        failures: 1,
        until: 2000,
        reason: "refused",
      })
      yield* TestClock.adjust("2 seconds")
      yield* settle
      expect((yield* board)[0]?.provider).toMatchObject({ failures: 2, until: 4000 })
      yield* fake.reset
      yield* TestClock.adjust("2 seconds")
      yield* settle
      expect(yield* storedIds).toEqual(["a"])
      expect((yield* board)[0]?.provider).toEqual({ state: "closed" })
    }).pipe(withSystem),
  )

  it.scoped("or cannot, and works and ends all the same, with a word in the debug log", () =>
    Effect.gen(function* () {
      const { sql } = yield* Storage
      const logged: Array<string> = []
      const listening = Logger.make(({ logLevel, message }) => {
        if (String(message).includes("could not be told")) logged.push(logLevel.label)
      })
      yield* sql`DROP TABLE embedding_workers`
      yield* Effect.gen(function* () {
        const { stop } = yield* startWorker()
        yield* createNotes(numbered(3))
        yield* untilQuiet
        yield* TestClock.adjust("10 seconds")
        yield* settle
        yield* stop
      }).pipe(Effect.provide(Logger.add(listening)), Logger.withMinimumLogLevel(LogLevel.Debug))
      expect(yield* storedIds).toHaveLength(3)
      expect(logged.length).toBeGreaterThanOrEqual(2)
      expect(new Set(logged)).toEqual(new Set(["DEBUG"]))
    }).pipe(withSystem),
  )
})
