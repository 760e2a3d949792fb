/** What the tests of real models share: a cache folder that goes with the scope, processes watched from outside. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Passage, wholeText } from "../../src/Domain/Chunk.js"
import { Embedder } from "../../src/Embedder.js"
import * as FastEmbed from "../../src/Embedder/FastEmbed.js"
import * as Processes from "../../src/Embedder/Processes.js"

export const files = Layer.merge(NodeFileSystem.layer, NodePath.layer)

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "embedbox-model-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

/** A text without a title. */
export const passage = (text: string): Passage => ({ title: "", text })

export const quiet = Logger.remove(Logger.defaultLogger)

/** The bundled model in a cache of its own; what the pool logs is not shown. */
export const bundled = (options: Partial<Processes.Options> = {}) =>
  Layer.unwrapScoped(
    Effect.map(temporaryFolder, (cacheDir) =>
      FastEmbed.layerProcesses("all-MiniLM-L6-v2").pipe(
        Layer.provideMerge(Processes.layer({ model: "all-MiniLM-L6-v2", cacheDir, ...options })),
      ),
    ),
  ).pipe(Layer.provide(quiet))

/** An embedder that also embeds passages whole, of at most 100 UTF-16 units together with their title. */
export const embeddingWhole = Layer.effect(
  Embedder,
  Effect.map(Embedder, (embedder) => {
    const embedWhole = (passages: ReadonlyArray<Passage>) =>
      Effect.gen(function* () {
        const texts = passages.map(wholeText)
        const fitting = texts.filter(({ length }) => length <= 100)
        const vectors = yield* embedder.generateEmbeddings(fitting)
        const found = new Map(Arr.zip(fitting, vectors))
        return texts.map((text) => found.get(text))
      })
    return Embedder.of({ ...embedder, embedWhole })
  }),
)

/** One turn of the event loop, in real time whatever the test's clock says. */
export const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const isAlive = (pid: number) =>
  Effect.sync(() => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  })

/** Waits until no process has that id. */
export const gone = (pid: number) =>
  Effect.repeat(Effect.zipRight(turn, isAlive(pid)), { while: (alive) => alive })

export const areAlive = (pids: ReadonlyArray<number>) =>
  Effect.map(Effect.forEach(pids, isAlive), (alive) => alive.some((one) => one))

export const cosine = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0)
