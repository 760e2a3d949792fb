import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Os from "node:os"
import { describe } from "vitest"
import { Entity, keyOf } from "../../src/Domain/Entity.js"
import type { WorkerReport } from "../../src/Domain/Worker.js"
import * as Queue from "../../src/EmbeddingQueue.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { note, withQueue } from "./fixtures.js"

const idle: WorkerReport = { inHand: 0, stored: 0, failed: 0, provider: { state: "closed" } }

/** No process has this id: Linux and macOS stop far below. */
const nobody = 2 ** 30

/** What another process wrote on the board. */
const noticeOf = (owner: string, beatAt: number) =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    yield* sql`INSERT INTO embedding_workers VALUES (${owner}, 0, ${beatAt}, 1, 2, 3, 0, NULL, NULL)`
  })

const seen = Effect.flatMap(EmbeddingQueue, (queue) =>
  Effect.map(queue.workers, (workers) => workers.map(({ alive, host }) => [host, alive])),
)

const rows = Effect.gen(function* () {
  const { sql } = yield* Storage
  const found = yield* sql<{ readonly owner: string }>`SELECT owner FROM embedding_workers ORDER BY owner`
  return found.map(({ owner }) => owner)
})

describe("the board", () => {
  it.effect("shows each worker as it last reported", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      expect(yield* queue.workers).toEqual([])
      yield* TestClock.adjust("1 second")
      yield* queue.report({ ...idle, inHand: 16 })
      yield* TestClock.adjust("5 seconds")
      const provider = { state: "open", failures: 2, until: 9000, reason: "connection refused" } as const
      yield* queue.report({ inHand: 1, stored: 20, failed: 3, provider })
      const [worker, ...others] = yield* queue.workers
      expect(others).toEqual([])
      expect(worker).toEqual({
        owner: `${Os.hostname()}:${process.pid}:${worker?.owner.split(":")[2]}`,
        host: Os.hostname(),
        pid: process.pid,
        startedAt: 1000,
        beatAt: 6000,
        alive: true,
        inHand: 1,
        stored: 20,
        failed: 3,
        provider,
      })
      yield* queue.report({ ...idle, stored: 40 })
      expect(yield* queue.workers).toMatchObject([{ stored: 40, provider: { state: "closed" } }])
    }).pipe(withQueue),
  )

  it.effect("keeps no page of HTML for a reason", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const reason = "<html>".repeat(1000)
      yield* queue.report({ ...idle, provider: { state: "open", failures: 1, until: 0.4, reason } })
      const [worker] = yield* queue.workers
      expect(worker?.provider).toMatchObject({ state: "open", until: 0 })
      expect(worker?.provider.state === "open" && worker.provider.reason.length).toBe(1000)
    }).pipe(withQueue),
  )

  it.effect("calls silent who has not reported for a lease, wherever the clock went", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      yield* noticeOf("elsewhere:1:x", 3_600_000)
      expect(yield* seen).toEqual([["elsewhere", true]])
      yield* TestClock.adjust("30 seconds")
      expect(yield* seen).toEqual([["elsewhere", true]])
      yield* TestClock.adjust("1 millis")
      expect(yield* seen).toEqual([["elsewhere", false]])
      yield* TestClock.setTime(0)
      expect(yield* seen).toEqual([["elsewhere", false]])
    }).pipe(withQueue),
  )

  it.effect("leaves out who is certainly dead", () =>
    Effect.gen(function* () {
      yield* noticeOf(`${Os.hostname()}:${nobody}:x`, 0)
      yield* noticeOf(`${Os.hostname()}:${process.pid}:an earlier life`, 0)
      yield* noticeOf(`elsewhere:${nobody}:x`, 0)
      yield* noticeOf("nothing to read here", 0)
      expect(yield* seen).toEqual([
        ["elsewhere", true],
        ["nothing to read here", true],
      ])
    }).pipe(withQueue),
  )
})

describe("a name comes off the board", () => {
  it.effect("when its worker signs off, and comes back when it reports again", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* queue.signOff
      yield* noticeOf("elsewhere:1:x", 0)
      yield* queue.report(idle)
      expect(yield* queue.workers).toHaveLength(2)
      yield* queue.signOff
      expect(yield* rows).toEqual(["elsewhere:1:x"])
      yield* queue.report(idle)
      expect(yield* queue.workers).toHaveLength(2)
    }).pipe(withQueue),
  )

  it.scoped("at the end of its queue's life; a queue that never reported writes nothing then", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(Sqlite.layer({ filename: ":memory:" }))
      const storage = Context.get(store, Storage)
      let writes = 0
      const counted = Storage.of({
        ...storage,
        write: (effect) => Effect.suspend(() => (writes++, storage.write(effect))),
      })
      for (const reports of [true, false]) {
        const life = yield* Scope.make()
        const queue = yield* Queue.make({ schema: Entity, key: keyOf }).pipe(
          Effect.provideService(Storage, counted),
          Scope.extend(life),
        )
        if (reports) yield* queue.report(idle)
        expect(yield* Effect.provide(rows, store)).toHaveLength(reports ? 1 : 0)
        writes = 0
        yield* Scope.close(life, Exit.void)
        expect(writes).toBe(reports ? 1 : 0)
        expect(yield* Effect.provide(rows, store)).toEqual([])
      }
    }),
  )

  it.effect("by reclaim: the dead at once, the silent after a day", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      yield* noticeOf(`${Os.hostname()}:${nobody}:x`, 0)
      yield* noticeOf("elsewhere:1:x", 0)
      yield* queue.report(idle)
      expect(yield* queue.reclaim).toBe(0)
      expect(yield* rows).toHaveLength(2)
      yield* TestClock.adjust("1 day")
      yield* queue.reclaim
      expect(yield* rows).toHaveLength(2)
      yield* queue.report(idle)
      yield* TestClock.adjust("1 millis")
      yield* queue.reclaim
      expect(yield* queue.workers).toMatchObject([{ pid: process.pid }])
      expect(yield* rows).toHaveLength(1)
    }).pipe(withQueue),
  )

  it.effect("and no rule depends on it: jobs are reclaimed without a board", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const { sql } = yield* Storage
      yield* queue.enqueue(note("a"))
      yield* queue.dequeue
      yield* TestClock.adjust("31 seconds")
      yield* sql`DROP TABLE embedding_workers`
      yield* Effect.ignore(queue.reclaim)
      expect(yield* queue.getStats).toMatchObject({ pending: 1, processing: 0 })
    }).pipe(withQueue),
  )
})
