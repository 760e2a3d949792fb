/**
 * A box that is damaged: no JSON, not an entity, or gone; and a stored row or a vector that is. Damage is of one entity:
 * whoever reads or writes others must not notice, and whoever asks for it must not be given something else.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { describe } from "vitest"
import { DirectorySync } from "../../src/DirectorySync.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { startWorker, storedIds, untilQuiet } from "../EmbeddingWorker/fixtures.js"
import { temporaryFolder } from "../support.js"
import { createMany, expectUnharmed, findings, onFile } from "./support.js"

const execute = (statement: string) => Effect.flatMap(Storage, ({ sql }) => sql.unsafe(statement))

/** The newest live box of `n2`. */
const its = `generation = (SELECT max(generation) FROM embedding_queue WHERE entity_id = 'n2' AND status <> 'completed')`

const damages = [
  {
    damage: "that is no JSON",
    statement: `UPDATE embedding_boxes SET content = '{"half' WHERE ${its}`,
    told: /^a box cannot be read as an entity/,
  },
  {
    damage: "that holds no entity",
    statement: `UPDATE embedding_boxes SET content = json_set(content, '$.content', 5) WHERE ${its}`,
    told: /^a box cannot be read as an entity/,
  },
  {
    damage: "that is gone",
    statement: `DELETE FROM embedding_boxes WHERE ${its}`,
    told: /^a live job has no box/,
  },
] as const

const unreadable = { _tag: "StorageError", trouble: "InvalidRow" }

/** The ids of all pages, of so many each. */
const listedIds = (limit: number) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const ids: Array<string> = []
    while (true) {
      const last = ids.at(-1)
      const after = last === undefined ? undefined : { entityType: "base", entityId: last }
      const page = yield* service.listEntities({ limit, after })
      ids.push(...page.map(({ id }) => id))
      if (page.length < limit) return ids
    }
  })

const others = ["n0", "n1", "n3", "n4"]

for (const { damage, statement, told } of damages) {
  describe(`a box ${damage}`, () => {
    it.scoped("is told by name to who asks for it, and hides nothing else", () =>
      onFile(() =>
        Effect.gen(function* () {
          const service = yield* EntityService
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(5)
          yield* execute(statement)
          for (const entityType of [undefined, "base"]) {
            const error = yield* Effect.flip(service.getEntity("n2", entityType))
            expect(error).toMatchObject(unreadable)
            expect(error.message).toContain("base/n2")
          }
          for (const limit of [1, 2, 3, 100]) expect(yield* listedIds(limit)).toEqual(others)
          for (const id of others) expect(yield* service.getEntity(id)).toMatchObject({ id })
          const answer = yield* service.search("text")
          expect(answer.results.map(({ entityId }) => entityId).toSorted()).toEqual(others)
          expect(answer.notice).toMatch(/1 result is left out because of damage/)
          // The job stands beside its box and can be read.
          const status = yield* Effect.flatten(service.getAsyncJobStatus(receipts[2]?.jobId ?? ""))
          expect(status).toMatchObject({ status: "pending", entityId: "n2" })
          const newest = yield* Effect.flatten(queue.getStatusByEntityId("n2"))
          expect(newest).toMatchObject({ content: undefined, job: { status: "pending" } })
          yield* service.deleteEntity("n2")
        }),
      ),
    )

    it.scoped("ends its job as failed, alone", () =>
      onFile(() =>
        Effect.gen(function* () {
          const service = yield* EntityService
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(5)
          yield* execute(statement)
          yield* startWorker({ batchSize: 5 })
          yield* untilQuiet
          expect(yield* storedIds).toEqual(others)
          yield* expectUnharmed(receipts.filter((_, n) => n !== 2))
          const ended = yield* Effect.flip(service.awaitJob(receipts[2]?.jobId ?? ""))
          expect(ended).toMatchObject({ _tag: "JobFailed" })
          expect(ended.message).toContain("the box cannot be read")
          expect(yield* queue.getStats).toMatchObject({ failed: 1, completed: 4 })
          // It is the only failed one, and the list of those that can be read does not stumble over it.
          expect(yield* queue.failedBoxes()).toEqual([])
          expect(yield* findings).toContainEqual({ entityId: "n2", message: expect.stringMatching(told) })
          // Trying again is in vain, and does no harm.
          expect(yield* queue.retryFailed()).toBe(1)
          yield* untilQuiet
          expect(yield* queue.getStats).toMatchObject({ failed: 1, completed: 4 })
          yield* service.deleteEntity("n2", "base")
          expect(yield* Effect.flip(service.getEntity("n2"))).toMatchObject({ _tag: "EntityNotFound" })
        }),
      ),
    )

    it.scoped("is never passed off as the older version that is stored", () =>
      onFile(() =>
        Effect.gen(function* () {
          const service = yield* EntityService
          yield* createMany(5)
          yield* startWorker({ batchSize: 5 })
          yield* untilQuiet
          yield* (yield* EmbeddingQueue).pause
          yield* service.upsertEntity({ id: "n2", content: "text that is newer" })
          yield* execute(statement)
          expect(yield* Effect.flip(service.getEntity("n2"))).toMatchObject(unreadable)
          expect(yield* listedIds(2)).toEqual(others)
          const answer = yield* service.search("text", { mode: "semantic" })
          expect(answer.results.map(({ entityId }) => entityId).toSorted()).toEqual(others)
          expect(answer.notice).toMatch(/left out/)
          yield* service.deleteEntity("n2")
          expect(yield* Effect.flip(service.getEntity("n2"))).toMatchObject({ _tag: "EntityNotFound" })
        }),
      ),
    )

    it.scoped("is mended by writing the entity again; writers of others share no trouble with it", () =>
      onFile(() =>
        Effect.gen(function* () {
          const service = yield* EntityService
          yield* createMany(5)
          yield* execute(statement)
          // At once, so that they share a commit.
          const [taken, changed, created, upserted] = yield* Effect.all(
            [
              Effect.either(service.createEntity({ id: "n2", content: "other" })),
              Effect.either(service.updateEntity("n2", { metadata: { a: 1 } })),
              Effect.either(service.createEntity({ id: "n5", content: "text 5" })),
              Effect.either(service.upsertEntity({ id: "n4", content: "text 4, newer" })),
            ],
            { concurrency: "unbounded" },
          )
          expect(taken).toMatchObject({ _tag: "Left", left: unreadable })
          expect(changed).toMatchObject({ _tag: "Left", left: unreadable })
          expect(created).toMatchObject({ _tag: "Right" })
          expect(upserted).toMatchObject({ _tag: "Right", right: { change: "updated" } })
          const mended = yield* service.upsertEntity({ id: "n2", content: "whole again" })
          expect(mended.change).toBe("updated")
          expect(yield* service.getEntity("n2")).toMatchObject({ content: "whole again" })
          yield* startWorker({ batchSize: 5 })
          yield* untilQuiet
          yield* expectUnharmed([mended])
          expect(yield* storedIds).toEqual(["n0", "n1", "n2", "n3", "n4", "n5"])
        }),
      ),
    )
  })
}

describe("an import over a damaged box", () => {
  it.scoped("skips that file where it is to keep what is there, and mends it where it is to replace", () =>
    onFile(() =>
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* temporaryFolder
        for (const n of [1, 2, 3]) Fs.writeFileSync(Path.join(folder, `n${n}.md`), `file ${n}`)
        yield* createMany(3)
        yield* execute(damages[0].statement)
        const outcomes = (existing: "keep" | "replace") =>
          Effect.flatMap(DirectorySync, (directory) =>
            Effect.map(Stream.runCollect(directory.importFolder(folder, { existing })), (all) =>
              Array.from(all, (one) => (one._tag === "Saved" ? one.change : one.reason)),
            ),
          )
        expect(yield* outcomes("keep")).toEqual([
          "kept",
          expect.stringContaining("the box of base/n2 cannot be read"),
          "created",
        ])
        expect(yield* outcomes("replace")).toEqual(["updated", "updated", "unchanged"])
        expect(yield* service.getEntity("n2")).toMatchObject({ content: "file 2" })
      }),
    ),
  )
})

describe("what is stored and damaged", () => {
  it.scoped("a row hides nothing else, and is mended by writing the entity again", () =>
    onFile(() =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* createMany(5)
        yield* startWorker({ batchSize: 5 })
        yield* untilQuiet
        yield* execute(`UPDATE entities SET metadata = '{"half' WHERE entity_id = 'n2'`)
        expect(yield* Effect.flip(service.getEntity("n2"))).toMatchObject(unreadable)
        for (const limit of [1, 2, 100]) expect(yield* listedIds(limit)).toEqual(others)
        const answer = yield* service.search("text")
        expect(answer.results.map(({ entityId }) => entityId).toSorted()).toEqual(others)
        expect(answer.notice).toMatch(/1 result is left out/)
        const [mended, created] = yield* Effect.all(
          [
            service.upsertEntity({ id: "n2", content: "whole again" }),
            service.createEntity({ id: "n5", content: "text 5" }),
          ],
          { concurrency: 2 },
        )
        // The box is the newest version, and can be read whatever lies behind it.
        expect(yield* service.getEntity("n2")).toMatchObject({ content: "whole again" })
        yield* untilQuiet
        yield* expectUnharmed([mended, created])
      }),
    ),
  )

  for (const [damage, bytes] of [
    ["is cut off", "x'0102030405'"],
    ["is no number", "zeroblob(252) || x'0000c07f'"],
    ["is of another length", "x'0000803f'"],
  ] as const) {
    it.scoped(`a vector that ${damage} is near to nothing, and the others are found in their order`, () =>
      onFile(() =>
        Effect.gen(function* () {
          const service = yield* EntityService
          yield* createMany(30, (n) => `subject${n} in a text`)
          yield* startWorker({ batchSize: 30 })
          yield* untilQuiet
          const before = yield* service.search("subject17", { mode: "semantic", limit: 30 })
          yield* execute(`UPDATE entity_vectors SET vector = CAST(${bytes} AS BLOB) WHERE entity_id = 'n2'`)
          const after = yield* service.search("subject17", { mode: "semantic", limit: 30 })
          const ranked = before.results.map(({ entityId }) => entityId)
          expect(after.results.map(({ entityId }) => entityId)).toEqual(ranked.filter((id) => id !== "n2"))
          expect((yield* findings).every(({ entityId }) => entityId === "n2")).toBe(true)
          yield* service.deleteEntity("n2")
        }),
      ),
    )
  }
})
