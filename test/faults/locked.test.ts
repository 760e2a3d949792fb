/**
 * Another process holds the write lock for longer than the budget. The lock is that of a real process; the waiting is
 * by the test's clock. That the event loop turns meanwhile is part of every test: it is what lets the lock go.
 */
import { expect, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe } from "vitest"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { control, startWorker, storedIds, untilQuiet } from "../EmbeddingWorker/fixtures.js"
import { createMany, expectUnharmed, jobsOf, onFile, passSeconds, rowCounts, untilInHand } from "./support.js"

/** A process that holds the write lock from now until `letGo`, and is gone with the scope. */
const lock = (file: string) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const script = `
          const database = new (require("better-sqlite3"))(process.argv[1])
          database.exec("BEGIN IMMEDIATE; UPDATE embedding_queue_state SET paused = paused")
          process.stdout.write("held")
          process.stdin.once("data", () => { database.exec("ROLLBACK"); database.close(); process.exit() })`
        const child = spawn(process.execPath, ["-e", script, file], { stdio: ["pipe", "pipe", "inherit"] })
        await once(child.stdout, "data")
        return child
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    )
    return {
      letGo: Effect.promise(async () => {
        child.stdin.write("go")
        await once(child, "exit")
      }),
    }
  })

describe("a database that another process has locked", { timeout: 180_000 }, () => {
  it.scoped("refuses a create after the budget and stores nothing; readers are not held up", () =>
    onFile(
      (file) =>
        Effect.gen(function* () {
          const service = yield* EntityService
          yield* service.createEntity({ id: "kept", content: "text" })
          const before = yield* rowCounts
          const { letGo } = yield* lock(file)
          const creating = yield* Effect.fork(
            Effect.flip(service.createEntity({ id: "new", content: "text" })),
          )
          yield* passSeconds(2)
          expect(creating.unsafePoll()).toBeNull()
          expect(yield* service.getEntity("kept")).toMatchObject({ content: "text" })
          expect((yield* service.search("text", { mode: "lexical" })).results).toHaveLength(1)
          yield* passSeconds(2)
          expect(yield* Fiber.join(creating)).toMatchObject({
            _tag: "StorageError",
            trouble: "Busy",
            fault: "host",
          })
          yield* letGo
          expect(yield* rowCounts).toEqual(before)
          const receipt = yield* service.createEntity({ id: "new", content: "text" })
          yield* startWorker()
          yield* untilQuiet
          yield* expectUnharmed([receipt])
        }),
      { busyBudget: "3 seconds" },
    ),
  )

  it.scoped("while a worker claims: it goes on looking, and claims when the lock is gone", () =>
    onFile(
      (file) =>
        Effect.gen(function* () {
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(5)
          const { letGo } = yield* lock(file)
          yield* startWorker({ batchSize: 2, concurrency: 2, pollInterval: "1 second" })
          yield* passSeconds(12)
          expect(yield* queue.getStats).toMatchObject({ pending: 5, processing: 0 })
          yield* letGo
          yield* untilQuiet
          yield* expectUnharmed(receipts)
        }),
      { busyBudget: "3 seconds" },
    ),
  )

  it.scoped("while a worker stores: jobs that cannot even be given back stay in hand, and end stored", () =>
    onFile(
      (file) =>
        Effect.gen(function* () {
          const fake = yield* control
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(6)
          yield* fake.hold
          const { worker } = yield* startWorker({ batchSize: 3, concurrency: 2 })
          yield* untilInHand(6)
          const { letGo } = yield* lock(file)
          yield* fake.release
          yield* passSeconds(12)
          // Both the storing and the giving back were in vain.
          expect(yield* storedIds).toEqual([])
          expect(yield* worker.status).toMatchObject({ inHand: 6, stored: 0 })
          yield* letGo
          yield* passSeconds(5)
          yield* untilQuiet
          yield* expectUnharmed(receipts)
          expect(yield* queue.getStats).toMatchObject({ completed: 6, failed: 0 })
          expect(yield* worker.status).toMatchObject({ inHand: 0, stored: 6, failed: 0 })
        }),
      { busyBudget: "3 seconds" },
    ),
  )

  it.scoped("for longer than the lease: the heart takes up the claims again before anybody else does", () =>
    onFile(
      (file) =>
        Effect.gen(function* () {
          const fake = yield* control
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(4)
          yield* fake.hold
          yield* startWorker({ batchSize: 2, concurrency: 2, heartbeatInterval: "2 seconds" })
          yield* untilInHand(4)
          const { letGo } = yield* lock(file)
          yield* passSeconds(15)
          yield* letGo
          yield* passSeconds(6)
          expect(yield* queue.reclaim).toBe(0)
          for (const job of yield* jobsOf(receipts)) {
            expect(job).toMatchObject({ status: "processing", crashCount: 0, retryCount: 0 })
          }
          yield* fake.release
          yield* untilQuiet
          yield* expectUnharmed(receipts)
          // Each text was embedded once: the claims were never lost.
          expect((yield* fake.counters).embedded).toHaveLength(4)
        }),
      { busyBudget: "3 seconds", queue: { leaseMillis: 10_000 } },
    ),
  )

  it.scoped("while a worker is told to end: it gives up in time, and the next one takes over", () =>
    onFile(
      (file) =>
        Effect.gen(function* () {
          const fake = yield* control
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(8)
          yield* fake.hold
          const { stop } = yield* startWorker({ batchSize: 8, drainTimeout: "1 second" })
          yield* untilInHand(8)
          const { letGo } = yield* lock(file)
          const stopping = yield* Effect.fork(stop)
          // The drain time, and the budget thrice (giving back, a last try, signing off): not once for every job.
          yield* passSeconds(12)
          expect(stopping.unsafePoll()).not.toBeNull()
          yield* letGo
          yield* fake.release
          yield* passSeconds(25)
          expect(yield* queue.reclaim).toBe(8)
          yield* startWorker({ batchSize: 8 })
          yield* untilQuiet
          for (const job of yield* jobsOf(receipts)) {
            expect(job).toMatchObject({ outcome: "stored", retryCount: 0 })
          }
        }),
      { busyBudget: "3 seconds" },
    ),
  )
})
