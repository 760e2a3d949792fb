/** Folders of files, and what a run over them tells. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  DirectorySync,
  type ExportOutcome,
  type FolderOptions,
  type ImportOptions,
  type SyncOptions,
  type SyncOutcome,
} from "../../src/DirectorySync.js"
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

type Outcome = SyncOutcome | ExportOutcome

/** One line for each outcome. */
export const told = (all: ReadonlyArray<Outcome>) =>
  all.map((one) => {
    switch (one._tag) {
      case "Saved":
        return `${one.path}: ${one.change}`
      case "Skipped":
        return `${one.path}: ${one.kind}: ${one.reason}`
      case "Exported":
        return `${one.path}: exported: ${one.change}`
      case "Conflict":
        return `${one.path}: conflict: ${one.kept}`
      case "Removed":
        return `${one.path}: removed: ${one.side}`
      case "Unexported":
        return `${one.entityType} ${one.entityId}: not exported: ${one.reason}`
      case "NoFolder":
        return `${one.entityType}: ${one.count} without a folder`
    }
  })

type Service = typeof DirectorySync.Service

const collect = <E>(run: (service: Service) => Stream.Stream<Outcome, E>) =>
  Effect.flatMap(DirectorySync, (service) =>
    Effect.map(Stream.runCollect(run(service)), (all) => told(Chunk.toReadonlyArray(all))),
  )

export const bringIn = (folder: string, options?: ImportOptions) =>
  collect((service) => service.importFolder(folder, options))

export const exportTo = (folder: string, options?: FolderOptions) =>
  collect((service) => service.exportFolder(folder, options))

/** What changed in a run both ways. */
export const sync = (folder: string, options?: SyncOptions) =>
  Effect.map(
    collect((service) => service.syncFolder(folder, options)),
    (lines) => lines.filter((line) => !line.endsWith("unchanged")),
  )

/** All files below a folder that are not hidden, and what they hold. */
export const filesOf = (folder: string) =>
  Effect.promise(async () => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
      .map((entry) => join(entry.parentPath, entry.name))
    // One may be removed while the others are read.
    const texts = await Promise.all(
      files.map((file) =>
        readFile(file, "utf8").then(
          (text) => [[relative(folder, file), text] as const],
          () => [],
        ),
      ),
    )
    return Object.fromEntries(texts.flat().toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })

/** How many texts the model was given so far, and how many jobs there were. */
export const costs = Effect.gen(function* () {
  const { embedded } = yield* (yield* FakeControl).counters
  const jobs = yield* (yield* EmbeddingQueue).listJobs({ limit: 1000 })
  return { texts: embedded.length, jobs: jobs.length }
})
