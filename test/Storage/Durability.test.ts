import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { note } from "../EmbeddingQueue/fixtures.js"
import { system } from "../support.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import * as Step from "../../src/Storage/Step.js"
import { Storage } from "../../src/Storage.js"
import { openWithNotes, tempFile } from "./support.js"

/** How SQLite names the durability of a commit: `synchronous`. */
const FULL = 2
const NORMAL = 1

/** How commits are made durable now. Not the pragma itself, which tells what was true when it was prepared. */
const durability = ({ statement }: typeof Storage.Service) =>
  Step.map(statement`SELECT synchronous FROM pragma_synchronous`, ([row]) => row)

describe("a commit", () => {
  it.scoped("waits for the disk, unless it says that it need not", () =>
    Effect.gen(function* () {
      const { storage } = yield* openWithNotes()
      expect(yield* storage.transact(durability(storage))).toEqual({ synchronous: FULL })
      expect(yield* storage.transact(durability(storage), { flush: false })).toEqual({ synchronous: NORMAL })
      expect(yield* durability(storage)).toEqual({ synchronous: FULL })
    }),
  )

  it.scoped("that need not is as good for everybody who lives", () =>
    Effect.gen(function* () {
      const { notes, other, storage } = yield* openWithNotes()
      yield* storage.transact(storage.statement`INSERT INTO notes VALUES ('a')`, { flush: false })
      expect(other.prepare("SELECT note FROM notes").pluck().all()).toEqual(["a"])
      expect(yield* notes).toEqual(["a"])
    }),
  )

  it.scoped("waits again after one that need not and has failed, or never began", () =>
    Effect.gen(function* () {
      const { other, storage } = yield* openWithNotes({ busyBudget: 0 })
      const unflushed = { flush: false }
      yield* Effect.flip(storage.transact(storage.statement`INSERT INTO nowhere VALUES (1)`, unflushed))
      expect(yield* durability(storage)).toEqual({ synchronous: FULL })
      yield* Effect.exit(
        storage.transact(
          Step.make<never, never>(
            () => Effect.die("a bug"),
            () => JSON.parse("a bug"),
          ),
          unflushed,
        ),
      )
      expect(yield* durability(storage)).toEqual({ synchronous: FULL })
      other.exec("BEGIN IMMEDIATE")
      const busy = yield* Effect.flip(storage.transact(storage.statement`DELETE FROM notes`, unflushed))
      expect(busy.trouble).toBe("Busy")
      expect(yield* durability(storage)).toEqual({ synchronous: FULL })
    }),
  )

  it.scoped("is that of the transaction around it", () =>
    Effect.gen(function* () {
      const { storage } = yield* openWithNotes()
      const inside = storage.transact(durability(storage), { flush: false })
      expect(yield* storage.write(inside)).toEqual({ synchronous: FULL })
      expect(yield* storage.transact(inside)).toEqual({ synchronous: FULL })
    }),
  )
})

describe("the queue", () => {
  it.scoped("waits for the disk where a box comes or goes, and not for claims", () =>
    Effect.gen(function* () {
      const filename = yield* tempFile
      yield* Effect.gen(function* () {
        const { sql } = yield* Storage
        const queue = yield* EmbeddingQueue
        yield* sql`CREATE TEMP TABLE commits (change TEXT, synchronous INT)`
        const told = (change: string, when: string) =>
          sql.unsafe(
            `CREATE TEMP TRIGGER ${change} AFTER ${when} BEGIN
               INSERT INTO commits SELECT '${change}', synchronous FROM pragma_synchronous; END`,
          )
        yield* told("boxed", "INSERT ON embedding_boxes")
        yield* told("claimed", "UPDATE OF claimed_at ON embedding_queue WHEN NEW.status = 'processing'")
        yield* told("renewed", "UPDATE OF lease_until ON embedding_queue WHEN OLD.status = NEW.status")
        yield* told("unboxed", "DELETE ON embedding_boxes")

        yield* queue.enqueue(note("a"))
        const claims = yield* queue.dequeueBatch(1)
        yield* queue.renew(claims)
        yield* Effect.forEach(claims, (claim) => queue.complete(claim))
        expect(yield* sql`SELECT change, synchronous FROM commits ORDER BY rowid`).toEqual([
          { change: "boxed", synchronous: FULL },
          { change: "claimed", synchronous: NORMAL },
          { change: "renewed", synchronous: NORMAL },
          { change: "unboxed", synchronous: FULL },
        ])
      }).pipe(Effect.provide(system({ filename })))
    }),
  )
})
