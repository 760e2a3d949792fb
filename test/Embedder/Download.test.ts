import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Download from "../../src/Embedder/Download.js"
import { folderFiles, folderName, models } from "../../src/Embedder/models.js"
import { files, quiet, temporaryFolder } from "./support.js"

const model = models["bge-small-en-v1.5"]
const archive = "fast-bge-small-en-v1.5"

const fails = (message: string, code?: string) =>
  Effect.fail(new Download.RetrieveError({ cause: Object.assign(new Error(message), { code }) }))

const offline = fails(`getaddrinfo ENOTFOUND ${Download.host}`, "ENOTFOUND")

/** Fills a folder as fastembed would. */
const fill = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* fs.makeDirectory(path.join(folder, archive))
    yield* Effect.forEach(folderFiles(model), (name) =>
      fs.writeFileString(path.join(folder, archive, name), name),
    )
  }).pipe(Effect.provide(files), Effect.orDie, Effect.asVoid)

layer(files, { excludeTestServices: true })("Download", (it) => {
  it.scoped("moves a retrieved model into the cache, and does not retrieve it again", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = path.join(yield* temporaryFolder, "not/there/yet")
      const { folder, outcome } = yield* Download.ensure({ cacheDir, model, archive, retrieve: fill })
      assert.strictEqual(outcome, "made")
      assert.includeMembers(yield* fs.readDirectory(folder), [...folderFiles(model)])
      assert.deepStrictEqual(yield* fs.readDirectory(path.dirname(folder)), [folderName(model)])

      const again = yield* Download.ensure({ cacheDir, model, archive, retrieve: () => offline })
      assert.strictEqual(again.outcome, "present")
    }),
  )

  it.scoped("says offline which model, which host and what to do, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const retrieve = (folder: string) =>
        Effect.zipRight(Effect.orDie(fs.writeFileString(path.join(folder, `${archive}.tar.gz`), "")), offline)
      const error = yield* Effect.flip(Download.ensure({ cacheDir, model, archive, retrieve }))
      assert.strictEqual(error.fault, "provider")
      for (const part of [
        model.name,
        "storage.googleapis.com could not be reached (ENOTFOUND)",
        path.join(cacheDir, "models", folderName(model)),
        "all-MiniLM-L6-v2",
      ]) {
        assert.include(error.reason, part)
      }
      assert.deepStrictEqual(yield* fs.readDirectory(path.join(cacheDir, "models")), [])
    }),
  )

  it.scoped("takes neither a bad archive nor half a model", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const bad = yield* Effect.flip(
        Download.ensure({
          cacheDir,
          model,
          archive,
          retrieve: () => fails("TAR_BAD_ARCHIVE"),
        }),
      )
      assert.include(bad.reason, "is not the model (TAR_BAD_ARCHIVE)")
      const half = yield* Effect.flip(
        Download.ensure({ cacheDir, model, archive, retrieve: () => Effect.void }),
      )
      assert.strictEqual(half.fault, "provider")
      const disk = yield* Effect.flip(
        Download.ensure({ cacheDir, model, archive, retrieve: () => fails("no space", "ENOSPC") }),
      )
      assert.strictEqual(disk.fault, "host")
      assert.deepStrictEqual(yield* fs.readDirectory(path.join(cacheDir, "models")), [])
    }),
  )

  it.scoped("takes a folder that was put there by hand, and fetches a damaged one again", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const folder = path.join(cacheDir, "models", folderName(model))
      yield* fs.makeDirectory(folder, { recursive: true })
      const byHand = yield* Download.ensure({
        cacheDir,
        model,
        archive,
        retrieve: () => offline,
      })
      assert.strictEqual(byHand.outcome, "placed by hand")

      yield* fs.remove(folder, { recursive: true })
      yield* Download.ensure({ cacheDir, model, archive, retrieve: fill })
      yield* fs.writeFileString(path.join(folder, "config.json"), "")
      const again = yield* Download.ensure({ cacheDir, model, archive, retrieve: fill })
      assert.strictEqual(again.outcome, "made")
    }).pipe(Effect.provide(quiet)),
  )

  it.scoped("of two that want the same model only one downloads; a lock without heartbeat is dead", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const lock = path.join(cacheDir, "models", `.${folderName(model)}.lock`)
      yield* fs.makeDirectory(path.dirname(lock), { recursive: true })
      yield* fs.writeFileString(lock, "")
      yield* fs.utimes(lock, 0, 0)

      const downloads = yield* Ref.make(0)
      const retrieve = (folder: string) =>
        Effect.zipRight(
          Ref.update(downloads, (n) => n + 1),
          fill(folder),
        )
      const fibers = yield* Effect.forEach([1, 2], () =>
        Effect.fork(Download.ensure({ cacheDir, model, archive, retrieve })),
      )
      const outcomes = yield* Effect.forEach(fibers, (fiber) =>
        Effect.map(Fiber.join(fiber), ({ outcome }) => outcome),
      )
      assert.sameMembers(outcomes, ["made", "present"])
      assert.strictEqual(yield* Ref.get(downloads), 1)
      assert.isFalse(yield* fs.exists(lock))
    }).pipe(Effect.provide(quiet)),
  )
})
