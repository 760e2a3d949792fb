/**
 * A disk that is full, as SQLite sees it: `max_page_count` bounds the file of the one connection, and a write that
 * needs a page more fails as it does when the file system has none. (`fileSize.test.ts` has the operating system say no.)
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { control, startWorker, storedIds, untilQuiet } from "../EmbeddingWorker/fixtures.js"
import { createMany, expectUnharmed, jobsOf, onFile, passSeconds, rowCounts, untilInHand } from "./support.js"

const fillDisk = Effect.gen(function* () {
  const { sql } = yield* Storage
  const [size] = yield* sql<{ readonly page_count: number }>`PRAGMA page_count`
  yield* sql.unsafe(`PRAGMA max_page_count = ${size?.page_count ?? 0}`)
})

const makeRoom = Effect.flatMap(Storage, ({ sql }) => sql`PRAGMA max_page_count = 1073741823`)

/** A text that fits no free corner of a page. */
const big = (n: number) => `big ${n} ${"filler words ".repeat(4_000)}`

describe("a full disk", () => {
  it.scoped("refuses a create whole, and takes the same call once there is room", () =>
    onFile(() =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "kept", content: "small" })
        const before = yield* rowCounts
        yield* fillDisk
        const error = yield* Effect.flip(service.createEntity({ id: "new", content: big(1) }))
        expect(error).toMatchObject({ _tag: "StorageError", trouble: "Full", fault: "host" })
        const over = yield* Effect.flip(service.upsertEntity({ id: "kept", content: big(2) }))
        expect(over).toMatchObject({ _tag: "StorageError", trouble: "Full" })

        expect(yield* rowCounts).toEqual(before)
        expect(yield* Effect.flip(service.getEntity("new"))).toMatchObject({ _tag: "EntityNotFound" })
        expect((yield* service.search("filler", { mode: "lexical" })).results).toEqual([])
        expect(yield* service.getEntity("kept")).toMatchObject({ content: "small" })

        yield* makeRoom
        const receipts = [
          yield* service.createEntity({ id: "new", content: big(1) }),
          yield* service.upsertEntity({ id: "kept", content: big(2) }),
        ]
        yield* startWorker()
        yield* untilQuiet
        yield* expectUnharmed(receipts)
        expect(yield* service.getEntity("kept")).toMatchObject({ content: big(2) })
      }),
    ),
  )

  it.scoped("tells every one of many callers, and keeps what was acknowledged before", () =>
    onFile(() =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* Effect.flatMap(Storage, ({ sql }) => sql`PRAGMA max_page_count = 200`)
        const create = (n: number) => Effect.either(service.createEntity({ id: `c${n}`, content: big(n) }))
        const all = Array.from({ length: 40 }, (_, n) => n)
        const answers = yield* Effect.forEach(all, create, { concurrency: 4 })
        const acknowledged = all.filter((n) => answers[n]?._tag === "Right")
        expect(acknowledged.length).toBeGreaterThan(0)
        expect(acknowledged.length).toBeLessThan(40)
        for (const n of all) {
          const answer = answers[n]
          if (answer?._tag === "Left") expect(answer.left).toMatchObject({ trouble: "Full" })
        }
        const listed = yield* service.listEntities()
        expect(listed.map(({ content }) => content).toSorted()).toEqual(acknowledged.map(big).toSorted())
        yield* makeRoom
      }),
    ),
  )

  it.scoped(
    "while a worker stores: nothing is counted against the jobs, and they end stored once there is room",
    () =>
      onFile(() =>
        Effect.gen(function* () {
          const fake = yield* control
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(6, big)
          yield* fake.hold
          const { worker } = yield* startWorker({ batchSize: 4, concurrency: 2 })
          yield* untilInHand(6)
          yield* fillDisk
          yield* fake.release
          yield* passSeconds(10)
          // It was tried, again and again.
          expect((yield* fake.counters).calls).toBeGreaterThan(4)
          expect(yield* storedIds).toEqual([])
          expect(yield* queue.getStats).toMatchObject({ completed: 0, failed: 0 })
          for (const job of yield* jobsOf(receipts))
            expect(job).toMatchObject({ retryCount: 0, crashCount: 0 })
          yield* makeRoom
          yield* untilQuiet
          yield* expectUnharmed(receipts)
          expect(yield* worker.status).toMatchObject({ stored: 6, failed: 0, inHand: 0 })
        }),
      ),
  )

  it.scoped("while a worker claims: it goes on looking", () =>
    onFile(() =>
      Effect.gen(function* () {
        const fake = yield* control
        const queue = yield* EmbeddingQueue
        const receipts = yield* createMany(300)
        yield* fillDisk
        // A claim makes each row longer, and so many of them need pages more.
        const claim = yield* Effect.flip(queue.dequeueBatch(300))
        expect(claim).toMatchObject({ trouble: "Full" })
        yield* startWorker({ batchSize: 300, pollInterval: "1 second" })
        yield* passSeconds(5)
        expect(yield* queue.getStats).toMatchObject({ pending: 300, processing: 0 })
        expect((yield* fake.counters).calls).toBe(0)
        yield* makeRoom
        yield* untilQuiet
        yield* expectUnharmed(receipts)
      }),
    ),
  )

  it.scoped("while a damaged box is put aside: its neighbours in the claim reach their worker", () =>
    onFile(() =>
      Effect.gen(function* () {
        const service = yield* EntityService
        const queue = yield* EmbeddingQueue
        const { sql } = yield* Storage
        yield* createMany(3)
        yield* sql`UPDATE embedding_boxes SET content = '{' WHERE generation = 2`
        // Full for that one statement only: nothing else ends a job as failed here.
        yield* sql`CREATE TRIGGER refuse BEFORE UPDATE ON embedding_queue WHEN NEW.status = 'failed'
          BEGIN SELECT RAISE(ABORT, 'no room'); END`
        const claims = yield* queue.dequeueBatch(3)
        expect(claims.map(({ content }) => content.id)).toEqual(["n0", "n2"])
        yield* sql`DROP TRIGGER refuse`
        yield* Effect.forEach(claims, (claim) => queue.release(claim))
        yield* service.deleteEntity("n1")
      }),
    ),
  )
})
