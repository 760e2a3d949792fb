/**
 * A file that can no longer be written while it is open, as after `mount -o remount,ro`. Permissions do not bind an
 * open file, nor root; what does is SQLite's own `query_only`: every write fails with the code that it would have.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { control, startWorker, storedIds, untilQuiet } from "../EmbeddingWorker/fixtures.js"
import { createMany, expectUnharmed, onFile, passSeconds, rowCounts, untilInHand } from "./support.js"

const makeReadOnly = Effect.flatMap(Storage, ({ sql }) => sql`PRAGMA query_only = ON`)
const makeWritable = Effect.flatMap(Storage, ({ sql }) => sql`PRAGMA query_only = OFF`)

describe("a file made read-only while it is open", () => {
  it.scoped("refuses writes and deletes by name, and goes on answering", () =>
    onFile(() =>
      Effect.gen(function* () {
        const service = yield* EntityService
        const kept = yield* service.createEntity({ id: "kept", content: "text" })
        const before = yield* rowCounts
        yield* makeReadOnly
        const refused = { _tag: "StorageError", trouble: "ReadOnly", fault: "host" }
        expect(yield* Effect.flip(service.createEntity({ id: "new", content: "text" }))).toMatchObject(
          refused,
        )
        expect(yield* Effect.flip(service.upsertEntity({ id: "kept", content: "new" }))).toMatchObject(
          refused,
        )
        expect(yield* Effect.flip(service.deleteEntity("kept"))).toMatchObject(refused)
        expect(yield* service.getEntity("kept")).toMatchObject({ content: "text" })
        expect((yield* service.search("text", { mode: "lexical" })).results).toHaveLength(1)
        yield* makeWritable
        expect(yield* rowCounts).toEqual(before)
        const receipt = yield* service.createEntity({ id: "new", content: "text" })
        yield* startWorker()
        yield* untilQuiet
        yield* expectUnharmed([kept, receipt])
      }),
    ),
  )

  it.scoped("while a worker claims: it goes on looking, and claims when it can", () =>
    onFile(() =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        const receipts = yield* createMany(5)
        yield* makeReadOnly
        yield* startWorker({ batchSize: 2, pollInterval: "1 second" })
        yield* passSeconds(30)
        expect(yield* queue.getStats).toMatchObject({ pending: 5, processing: 0 })
        yield* makeWritable
        yield* untilQuiet
        yield* expectUnharmed(receipts)
      }),
    ),
  )

  it.scoped("while a worker stores, for longer than the lease: no attempt and no crash is counted", () =>
    onFile(() =>
      Effect.gen(function* () {
        const fake = yield* control
        const receipts = yield* createMany(5)
        yield* fake.hold
        const { worker } = yield* startWorker({ batchSize: 2, concurrency: 3 })
        yield* untilInHand(5)
        yield* makeReadOnly
        yield* fake.release
        yield* passSeconds(60)
        expect(yield* storedIds).toEqual([])
        expect(yield* worker.status).toMatchObject({ inHand: 5, stored: 0, failed: 0 })
        yield* makeWritable
        yield* untilQuiet
        yield* expectUnharmed(receipts)
        expect(yield* worker.status).toMatchObject({ inHand: 0, stored: 5, failed: 0 })
      }),
    ),
  )

  it.scoped("while an attempt fails by the item's fault: what could not be written did not happen", () =>
    onFile(() =>
      Effect.gen(function* () {
        const fake = yield* control
        const receipts = yield* createMany(1)
        yield* fake.hold
        yield* startWorker()
        yield* untilInHand(1)
        yield* makeReadOnly
        yield* fake.misbehaveNext("not finite")
        yield* fake.release
        yield* passSeconds(5)
        yield* makeWritable
        yield* untilQuiet
        yield* expectUnharmed(receipts)
      }),
    ),
  )
})
