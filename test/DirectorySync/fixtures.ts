/** Folders of files, and what a run over them tells. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DirectorySync, type FileOutcome, type ImportOptions } from "../../src/DirectorySync.js"
import { FakeControl } from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { temporaryFolder } from "../support.js"

type Files = { readonly [path: string]: string | Uint8Array }

export const put = (folder: string, files: Files) =>
  Effect.promise(async () => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), content)
    }
  })

export const folderOf = (files: Files) => Effect.tap(temporaryFolder, (folder) => put(folder, files))

export const take = (folder: string, path: string) =>
  Effect.promise(() => rm(join(folder, path), { recursive: true }))

export const move = (folder: string, from: string, to: string) =>
  Effect.promise(async () => {
    await mkdir(dirname(join(folder, to)), { recursive: true })
    await rename(join(folder, from), join(folder, to))
  })

export const textOf = (folder: string, path: string) =>
  Effect.promise(() => readFile(join(folder, path), "utf8"))

/** path, and what became of it */
export const told = (all: ReadonlyArray<FileOutcome>) =>
  all.map((one) => `${one.path}: ${one._tag === "Saved" ? one.change : `${one.kind}: ${one.reason}`}`)

export const bringIn = (folder: string, options?: ImportOptions) =>
  Effect.flatMap(DirectorySync, (service) =>
    Effect.map(Stream.runCollect(service.importFolder(folder, options)), (all) =>
      told(Chunk.toReadonlyArray(all)),
    ),
  )

/** How many texts the model was given so far, and how many jobs there were. */
export const costs = Effect.gen(function* () {
  const { embedded } = yield* (yield* FakeControl).counters
  const jobs = yield* (yield* EmbeddingQueue).listJobs({ limit: 1000 })
  return { texts: embedded.length, jobs: jobs.length }
})
