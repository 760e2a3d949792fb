import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { execFileSync } from "node:child_process"
import { cpSync, readdirSync, renameSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { vi } from "vitest"
import { embeddedText } from "../../src/Domain/Chunk.js"
import * as BundledModel from "../../src/Embedder/BundledModel.js"
import * as Lanes from "../../src/Embedder/Lanes.js"
import { models } from "../../src/Embedder/models.js"
import * as Session from "../../src/Embedder/Session.js"
import { files, temporaryFolder } from "./support.js"

class Loaded extends Context.Tag("test/Loaded")<Loaded, Session.Session>() {}

const loaded = Layer.scoped(
  Loaded,
  Effect.gen(function* () {
    const { folder } = yield* BundledModel.ensure({ cacheDir: yield* temporaryFolder })
    return yield* Session.load({ model: models["all-MiniLM-L6-v2"], folder, threads: 1 })
  }),
).pipe(Layer.provide(files))

/** The runtime that fastembed uses. */
const runtime = () => {
  const beside = createRequire(createRequire(import.meta.url).resolve("fastembed"))
  const found: typeof import("onnxruntime-common") = beside("onnxruntime-node")
  return found.InferenceSession
}

/** The tokenizer that it uses. */
const tokenizer = () => {
  const beside = createRequire(createRequire(import.meta.url).resolve("fastembed"))
  const found: typeof import("@anush008/tokenizers") = beside("@anush008/tokenizers")
  return found.Tokenizer.prototype
}

const { bulk } = Lanes.make()

layer(loaded, { excludeTestServices: true })("Session", (it) => {
  it.effect("feeds the model a text's own tokens and no padding", () =>
    Effect.gen(function* () {
      const { embed } = yield* Loaded
      const run = vi.spyOn(Reflect.get(runtime(), "prototype"), "run")
      yield* Effect.addFinalizer(() => Effect.sync(() => run.mockRestore()))
      yield* embed(["a short note"], bulk)
      yield* embed(["word ".repeat(200)], bulk)
      yield* embed([""], bulk)
      const lengths = run.mock.calls.map(([feeds]) => {
        const ids: unknown = Reflect.get(Object(feeds), "input_ids")
        return Predicate.hasProperty(ids, "dims") ? ids.dims : undefined
      })
      assert.deepStrictEqual(lengths, [
        [1, 5],
        [1, 202],
        [1, 2],
      ])
    }).pipe(Effect.scoped),
  )

  it.effect("tokenises what was measured just now no second time", () =>
    Effect.gen(function* () {
      const { embed, split } = yield* Loaded
      const encodeBatch = vi.spyOn(tokenizer(), "encodeBatch")
      yield* Effect.addFinalizer(() => Effect.sync(() => encodeBatch.mockRestore()))
      const passage = { title: "Queues", text: "They keep the newest version of every note." }
      const [piece] = yield* split(passage)
      assert(piece !== undefined)
      const text = embeddedText({ heading: piece.heading, text: passage.text })
      const [again] = yield* embed([text], bulk)
      assert.strictEqual(encodeBatch.mock.calls.length, 0)
      yield* embed([text, "something else"], bulk)
      assert.deepStrictEqual(encodeBatch.mock.calls, [[["something else"]]])
      // What is remembered makes room for what comes later, and is the same.
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, at) => `note ${at}`),
        (other) => split({ title: "", text: other }),
      )
      const [anew] = yield* embed([text], bulk)
      assert.deepStrictEqual(encodeBatch.mock.calls.at(-1), [[text]])
      assert.deepStrictEqual(anew, again)
    }).pipe(Effect.scoped),
  )

  it.effect("has the runtime use as many threads as were asked for, none of which spins", () =>
    Effect.gen(function* () {
      const create = vi.spyOn(runtime(), "create").mockRejectedValue(new Error("not now"))
      yield* Effect.addFinalizer(() => Effect.sync(() => create.mockRestore()))
      yield* Effect.flip(Session.load({ model: models["all-MiniLM-L6-v2"], folder: "/nowhere", threads: 3 }))
      assert.containSubset(create.mock.calls[0]?.[1], {
        intraOpNumThreads: 3,
        extra: { session: { intra_op: { allow_spinning: "0" } } },
      })
    }).pipe(Effect.scoped),
  )

  it.effect(
    "fastembed unpacks an archive that is there, and asks no network for it",
    () =>
      Effect.gen(function* () {
        const { folder: model } = yield* BundledModel.ensure({ cacheDir: yield* temporaryFolder })
        const archive = "fast-bge-small-en-v1.5"
        const source = yield* temporaryFolder
        const folder = yield* temporaryFolder
        cpSync(model, join(source, archive), { recursive: true })
        renameSync(join(source, archive, "model.onnx"), join(source, archive, "model_optimized.onnx"))
        execFileSync("tar", ["-czf", join(folder, `${archive}.tar.gz`), "-C", source, archive])
        yield* Session.unpack("BGESmallENV15", folder)
        assert.deepStrictEqual(readdirSync(folder), [archive])
      }).pipe(Effect.scoped, Effect.provide(files)),
    { timeout: 60_000 },
  )

  it.effect("a folder that is no model is a typed failure", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const error = yield* Effect.flip(
        Session.load({ model: models["bge-small-en-v1.5"], folder, threads: 1 }),
      )
      assert.strictEqual(error.fault, "provider")
      assert.include(error.reason, folder)
    }).pipe(Effect.scoped),
  )
})
