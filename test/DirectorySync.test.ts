import { mkdir, symlink, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { DirectorySync, type FileOutcome, type ImportOptions } from "../src/DirectorySync.js"
import { EmbeddingQueue } from "../src/EmbeddingQueue.js"
import { EntityService } from "../src/EntityService.js"
import { passTimeUntil, system, temporaryFolder } from "./support.js"

const folderOf = (files: { readonly [path: string]: string }) =>
  Effect.tap(temporaryFolder, (folder) =>
    Effect.promise(async () => {
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), content)
      }
    }),
  )

const outcomes = (folder: string, options?: ImportOptions) =>
  Effect.flatMap(DirectorySync, (service) =>
    Effect.map(Stream.runCollect(service.importFolder(folder, options)), Chunk.toReadonlyArray),
  )

/** path, and what became of it */
const told = (all: ReadonlyArray<FileOutcome>) =>
  all.map((one) => `${one.path}: ${one._tag === "Saved" ? one.change : one.reason}`)

describe("DirectorySync.importFolder", () => {
  it.scoped("walks in one order, whatever the file system's, and enters jobs in that order", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        "b.md": "b",
        "a/z.md": "z",
        "a/b/c.md": "c",
        "B.md": "B",
        "a.md": "a",
      })
      const all = yield* outcomes(folder)
      const ids = ["B", "a/b/c", "a/z", "a", "b"]
      assert.deepStrictEqual(
        all.map((one) => (one._tag === "Saved" ? one.entityId : "")),
        ids,
      )
      const claims = yield* Effect.flatMap(EmbeddingQueue, (queue) => queue.dequeueBatch(10))
      assert.deepStrictEqual(
        claims.map(({ job }) => String(job.entityId)),
        ids,
      )
    }).pipe(Effect.provide(system())),
  )

  it.scoped("replaces what changed, or keeps what is there", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.md": "one", "b.md": "two" })
      assert.deepStrictEqual(told(yield* outcomes(folder)), ["a.md: created", "b.md: created"])
      yield* Effect.promise(() => writeFile(join(folder, "a.md"), "three"))
      assert.deepStrictEqual(told(yield* outcomes(folder, { existing: "keep" })), [
        "a.md: kept",
        "b.md: unchanged",
      ])
      const service = yield* EntityService
      assert.strictEqual((yield* service.getEntity("a")).content, "one")
      assert.deepStrictEqual(told(yield* outcomes(folder)), ["a.md: updated", "b.md: unchanged"])
      assert.strictEqual((yield* service.getEntity("a")).content, "three")
    }).pipe(Effect.provide(system())),
  )

  it.scoped("answers a kept note with the job that embeds it", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.md": "one" })
      const [first] = yield* outcomes(folder)
      const [again] = yield* outcomes(folder, { existing: "keep" })
      assert.strictEqual(first?._tag === "Saved" && first.jobId, again?._tag === "Saved" && again.jobId)
    }).pipe(Effect.provide(system())),
  )

  it.scoped("takes one of two files with the same id, and follows no circle of links", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        "a.txt": "text",
        "a.markdown": "longer",
        "a.md": "preferred",
        "d/b.md": "b",
      })
      yield* Effect.promise(() => symlink(folder, join(folder, "d", "circle")))
      assert.deepStrictEqual(told(yield* outcomes(folder)), [
        "a.markdown: has the same id as a.md",
        "a.md: created",
        "a.txt: has the same id as a.md",
        "d/b.md: created",
      ])
    }).pipe(Effect.provide(system())),
  )

  it.scoped("takes off a byte order mark, and refuses what storage would refuse", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        "a.md": "\ufeff# A",
        "nul.md": "a\0b",
        [`${"x".repeat(200)}/${"y".repeat(200)}/${"z".repeat(200)}.md`]: "deep",
      })
      const all = yield* outcomes(folder)
      const service = yield* EntityService
      assert.strictEqual((yield* service.getEntity("a")).content, "# A")
      assert.match(told(all).at(-1) ?? "", /id must have at most 512 characters/)
      assert.strictEqual(all.length, 3)
    }).pipe(Effect.provide(system())),
  )

  it.scoped("fails for a folder that is not there", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const error = yield* Effect.flip(outcomes(join(folder, "none")))
      assert.strictEqual(error._tag, "FolderUnreadable")
      assert.include(error.message, "it does not exist")
    }).pipe(Effect.provide(system())),
  )

  it.scoped("waits where the queue is full, and goes on as room is made", () =>
    Effect.gen(function* () {
      const queue = yield* EmbeddingQueue
      const folder = yield* folderOf(
        Object.fromEntries(["a", "b", "c", "d", "e"].map((id) => [`${id}.md`, id])),
      )
      const importing = yield* Effect.fork(outcomes(folder))
      const worked: Array<string> = []
      yield* passTimeUntil(
        Effect.gen(function* () {
          for (const claim of yield* queue.dequeueBatch(1)) {
            worked.push(claim.job.entityId)
            yield* queue.complete(claim)
          }
          return worked.length === 5
        }),
      )
      assert.deepStrictEqual(told(yield* Fiber.join(importing)), [
        "a.md: created",
        "b.md: created",
        "c.md: created",
        "d.md: created",
        "e.md: created",
      ])
    }).pipe(Effect.provide(system({ queue: { maxWaiting: 2 } }))),
  )
})
