import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { describe } from "vitest"
import { covers } from "../../src/Domain/Chunk.js"
import { sha256 } from "../../src/Domain/Hash.js"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { settle } from "../support.js"
import {
  embedAll,
  embeddedTexts,
  idsByWords,
  itemFault,
  jobOf,
  listen,
  rowCounts,
  vectorRows,
  withSystem,
} from "./fixtures.js"

const nothing = { jobs: 0, boxes: 0, entities: 0, vectors: 0, texts: 0, fulltext: 0 }

describe("createEntity", () => {
  it.effect("answers a receipt and nothing else, before anything is embedded", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const receipt = yield* service.createEntity({ id: "a", content: "text" })
      expect(Object.keys(receipt).toSorted()).toEqual(["entityId", "jobId"])
      expect(receipt.entityId).toBe("a")
      expect(yield* jobOf(receipt.jobId)).toMatchObject({ status: "pending", entityId: "a", maxRetries: 3 })
      expect(yield* embeddedTexts).toEqual([])
      expect(yield* rowCounts).toEqual({ ...nothing, jobs: 1, boxes: 1, texts: 1, fulltext: 1 })
    }).pipe(withSystem),
  )

  it.effect("makes ids in the order of time", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* TestClock.setTime(1_700_000_000_000)
      const ids: Array<string> = []
      for (let i = 0; i < 20; i++) {
        const receipt = yield* service.createEntity({ content: "the same text" })
        ids.push(receipt.entityId)
        yield* TestClock.adjust("1 millis")
      }
      expect(new Set(ids).size).toBe(20)
      expect(ids.toSorted()).toEqual(ids)
      expect(ids[0]).toMatch(/^018bcfe5-6800-7/)
    }).pipe(withSystem),
  )

  it.effect("takes priority and retries into the job", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const { jobId } = yield* service.createEntityAsync({ content: "x" }, { priority: 7, maxRetries: 1 })
      expect(yield* jobOf(jobId)).toMatchObject({ priority: 7, maxRetries: 1 })
    }).pipe(withSystem),
  )

  it.effect("refuses a key that is taken, boxed or stored; the same id of another type is another key", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      yield* service.createEntity({ id: "a", content: "first" })
      const again = service.createEntity({ id: "a", content: "second" })
      const boxed = yield* Effect.flip(again)
      expect(boxed).toMatchObject({ _tag: "EntityAlreadyExists", entityType: "base", entityId: "a" })
      yield* embedAll
      expect((yield* Effect.flip(again))._tag).toBe("EntityAlreadyExists")
      expect((yield* service.getEntity("a")).content).toBe("first")
      expect((yield* rowCounts)?.["jobs"]).toBe(1)
      yield* service.createEntity({ id: "a", content: "third", entityType: "other" })
    }).pipe(withSystem),
  )

  it.effect("of many at once on one key exactly one succeeds", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const attempts = Array.from({ length: 20 }, (_, i) =>
        Effect.either(service.createEntity({ id: "a", content: `text ${i}` })),
      )
      const results = yield* Effect.all(attempts, { concurrency: "unbounded" })
      expect(results.filter(Either.isRight)).toHaveLength(1)
      expect((yield* rowCounts)?.["jobs"]).toBe(1)
    }).pipe(withSystem),
  )

  it.effect("stores nothing of what it refuses", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      for (const [input, field] of [
        [{ content: "" }, "content"],
        [{ content: "x".repeat(5 * 1024 * 1024) }, "content"],
        [{ content: "\ud83d" }, "content"],
        [{ content: "x", id: "i".repeat(1000) }, "id"],
        [{ content: "x", entityType: "no name" }, "entityType"],
        // @effect-diagnostics-next-line globalDate:off
        [{ content: "x", metadata: { when: new Date(0) } }, "metadata.when"],
      ] as const) {
        const writes: ReadonlyArray<Effect.Effect<void, { readonly _tag: string }>> = [
          Effect.asVoid(service.createEntity(input)),
          Effect.asVoid(service.createEntitySync(input)),
          Effect.asVoid(service.upsertEntity(input)),
        ]
        for (const write of writes) {
          expect(yield* Effect.flip(write)).toMatchObject({ _tag: "InvalidEntity", field })
        }
      }
      expect(yield* rowCounts).toEqual(nothing)
      expect(yield* embeddedTexts).toEqual([])
    }).pipe(withSystem),
  )

  it.effect("keeps NUL bytes, slashes and odd Unicode through the box and the row", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const input = {
        id: "guides/Übung 🎈",
        content: "\ufeffnull \u0000 byte, e\u0301 and é 🎈\r\n",
        metadata: JSON.parse('{"__proto__":{"a":"\\u0000"},"10":1,"9":[null,"🎈"]}'),
      }
      yield* service.createEntity(input)
      const boxed = yield* service.getEntity(input.id)
      expect(boxed).toMatchObject(input)
      yield* embedAll
      const stored = yield* service.getEntity(input.id)
      expect(stored.embedding.state).toBe("ready")
      expect({ ...stored, embedding: undefined }).toEqual({ ...boxed, embedding: undefined })
      expect(stored.content === input.content).toBe(true)
      expect(JSON.stringify(stored.metadata)).toBe(JSON.stringify(input.metadata))
    }).pipe(withSystem),
  )
})

describe("in the caller's own transaction", () => {
  it.effect("rolled back, nothing is there and nobody was told", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const sql = yield* SqlClient.SqlClient
      const heard = yield* listen
      yield* sql`CREATE TABLE orders (id TEXT)`
      const order = Effect.gen(function* () {
        yield* sql`INSERT INTO orders VALUES ('o1')`
        yield* service.createEntity({ id: "o1", content: "rolledback" })
        expect((yield* service.getEntity("o1")).embedding.state).toBe("pending")
        return yield* Effect.fail("no stock" as const)
      })
      expect(yield* Effect.flip(sql.withTransaction(order))).toBe("no stock")
      yield* settle
      expect(heard).toEqual([])
      expect(yield* rowCounts).toEqual(nothing)
      expect((yield* Effect.flip(service.getEntity("o1")))._tag).toBe("EntityNotFound")
      expect(yield* idsByWords("rolledback")).toEqual([])
      expect(yield* sql`SELECT * FROM orders`).toEqual([])
    }).pipe(withSystem),
  )

  it.effect("committed, both are there, and it is told then and not before", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const sql = yield* SqlClient.SqlClient
      const heard = yield* listen
      yield* sql`CREATE TABLE orders (id TEXT)`
      const { jobId } = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`INSERT INTO orders VALUES ('o1')`
          const receipt = yield* service.createEntity({ id: "o1", content: "committed" })
          yield* settle
          expect(heard).toEqual([])
          return receipt
        }),
      )
      yield* settle
      expect(heard).toMatchObject([{ jobId, status: "pending" }])
      expect(yield* idsByWords("committed")).toEqual(["o1"])
      expect(yield* sql`SELECT * FROM orders`).toEqual([{ id: "o1" }])
    }).pipe(withSystem),
  )
})

describe("createEntitySync", () => {
  it.effect("embeds inline; its receipt is known", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const view = yield* service.createEntitySync({ id: "a", content: "inline text", metadata: { n: 1 } })
      expect(view).toMatchObject({ id: "a", content: "inline text", embedding: { state: "ready" } })
      expect(yield* service.getEntity("a")).toEqual(view)
      expect(yield* embeddedTexts).toEqual(["inline text"])
      expect(yield* Effect.flatten(service.getAsyncJobStatus(view.embedding.jobId))).toEqual({
        status: "completed",
        entityId: "a",
        entityType: "base",
        error: undefined,
      })
      expect(yield* service.awaitJob(view.embedding.jobId)).toMatchObject({ outcome: "stored" })
      expect(Option.isNone(yield* (yield* EmbeddingQueue).dequeue)).toBe(true)
      const answer = yield* service.search("inline", { mode: "semantic" })
      expect(answer.results.map((result) => result.entityId)).toEqual(["a"])
    }).pipe(withSystem),
  )

  it.effect("stores nothing when the model fails or answers nonsense", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const control = yield* FakeControl
      const create = service.createEntitySync({ id: "a", content: "text" })
      yield* control.failNext(itemFault)
      expect(yield* Effect.flip(create)).toMatchObject({ _tag: "EmbeddingError", reason: "bad text" })
      for (const kind of ["wrong dimensions", "not finite", "too few"] as const) {
        yield* control.misbehaveNext(kind)
        expect(yield* Effect.flip(create)).toMatchObject({ _tag: "EmbeddingError", fault: "item" })
      }
      expect(yield* rowCounts).toEqual(nothing)
      expect((yield* create).id).toBe("a")
      expect((yield* Effect.flip(create))._tag).toBe("EntityAlreadyExists")
    }).pipe(withSystem),
  )

  it.effect("does not overwrite what was created while it was embedding", () =>
    Effect.gen(function* () {
      const service = yield* EntityService
      const control = yield* FakeControl
      yield* control.hold
      const slow = yield* Effect.fork(service.createEntitySync({ id: "a", content: "slow" }))
      yield* settle
      yield* service.createEntity({ id: "a", content: "quick" })
      yield* control.release
      expect((yield* Effect.flip(slow))._tag).toBe("EntityAlreadyExists")
      expect((yield* service.getEntity("a")).content).toBe("quick")
      expect(yield* vectorRows).toEqual([])
    }).pipe(withSystem),
  )
})

describe("a text longer than the model's window", () => {
  const text = FastCheck.array(FastCheck.constantFrom("word ", "🎈", "\n\n", "x".repeat(150), "ä"), {
    minLength: 1,
    maxLength: 60,
  })
    .map((parts) => parts.join(""))
    .filter((content) => content.trim() !== "")

  it.effect.prop(
    "becomes vectors of parts that make up the text, each under the hash of its own part (I2)",
    { content: text, inline: FastCheck.boolean() },
    ({ content, inline }) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        if (inline) yield* service.createEntitySync({ id: "a", content })
        else yield* Effect.zipRight(service.createEntity({ id: "a", content }), embedAll)
        const rows = yield* vectorRows
        expect(covers(rows, content)).toBe(true)
        expect(rows.map((row) => row.chunk)).toEqual(rows.map((_, at) => at))
        for (const row of rows) expect(row.inputHash).toBe(sha256(row.text))
        expect(rows.every((row) => row.text.length <= 100)).toBe(true)
        // Parts that are the same are embedded once.
        expect(yield* embeddedTexts).toEqual([...new Set(rows.map((row) => row.text))])
      }).pipe(withSystem),
    { fastCheck: { numRuns: 25 } },
  )
})
