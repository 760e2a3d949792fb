/** On a real file system, in real time: what is awaited is a condition, never a time. */
import { appendFile, mkdir, open, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { DirectorySync, type SyncOptions } from "../../src/DirectorySync.js"
import { EntityService } from "../../src/EntityService.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { startWorker } from "../EntityService/fixtures.js"
import { system } from "../support.js"
import { filesOf, folderOf, put, told } from "./fixtures.js"

const contents = Effect.flatMap(EntityService, (service) =>
  Effect.map(service.listEntities({ limit: 1000 }), (all) =>
    Object.fromEntries(all.map(({ content, id }) => [String(id), content])),
  ),
)

/** Waits, under any load, until it comes to pass. */
const until = <A, E, R>(what: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  Effect.repeat(Effect.map(Effect.zipLeft(what, Effect.sleep("20 millis")), holds), {
    until: (held) => held,
  }).pipe(Effect.timeout("30 seconds"))

/** A folder that is watched, and what was told of it so far. */
const watched = (files: { readonly [path: string]: string }, options: SyncOptions = {}) =>
  Effect.gen(function* () {
    const folder = yield* folderOf(files)
    const directory = yield* DirectorySync
    const lines: Array<string> = []
    const fiber = yield* directory
      .watchFolder(folder, {
        ...options,
        pace: { quiet: "50 millis", boxInterval: "50 millis", echo: "100 millis" },
      })
      .pipe(
        Stream.runForEach((outcome) => Effect.sync(() => void lines.push(...told([outcome])))),
        Effect.forkScoped,
      )
    const ids = Object.keys(files).map((file) => file.slice(0, -3))
    yield* until(contents, (all) => ids.every((id) => id in all))
    return { folder, lines, fiber }
  })

it.scopedLive(
  "whatever an editor does to save, the note becomes what the file is, and never half of it",
  () =>
    Effect.gen(function* () {
      const { folder, lines } = yield* watched({ "a.md": "one" })
      const file = join(folder, "a.md")
      // In place.
      yield* Effect.promise(() => writeFile(file, "in place"))
      yield* until(contents, ({ a }) => a === "in place")
      // Atomically, as most editors do.
      yield* Effect.promise(async () => {
        await writeFile(join(folder, ".a.md.swp"), "renamed")
        await rename(join(folder, ".a.md.swp"), file)
      })
      yield* until(contents, ({ a }) => a === "renamed")
      // With a copy of before beside it.
      yield* Effect.promise(async () => {
        await rename(file, `${file}~`)
        await writeFile(file, "with a backup")
        await rm(`${file}~`)
      })
      yield* until(contents, ({ a }) => a === "with a backup")
      // Truncated, and then written piece by piece, each sooner than it takes to be quiet.
      const parts = Array.from({ length: 20 }, (_, part) => `part ${part} of the text\n`)
      yield* Effect.acquireUseRelease(
        Effect.promise(() => open(file, "w")),
        (handle) =>
          Effect.forEach(parts, (part) =>
            Effect.zipRight(
              Effect.promise(() => handle.write(part)),
              Effect.sleep("5 millis"),
            ),
          ),
        (handle) => Effect.promise(() => handle.close()),
      )
      yield* until(contents, ({ a }) => a === parts.join(""))
      expect(lines.filter((line) => line.includes("conflict"))).toEqual([])
      expect(Object.keys(yield* contents)).toEqual(["a"])
    }).pipe(Effect.provide(system())),
)

it.scopedLive("what is written into the box is written into the folder, and does not come back", () =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const { folder, lines } = yield* watched({ "a.md": "one" })
    yield* service.updateEntity("a", { content: "edited there", metadata: { tag: "x" } })
    yield* service.createEntity({ id: "b/c", content: "two" })
    const expected = { "a.md": "---\ntag: x\n---\nedited there", "b/c.md": "two" }
    yield* until(filesOf(folder), (files) => JSON.stringify(files) === JSON.stringify(expected))
    // Its own writes are hints: they are looked at, and nothing is done.
    const before = lines.length
    yield* Effect.promise(() => appendFile(join(folder, "b", "c.md"), ", and more"))
    yield* until(contents, (all) => all["b/c"] === "two, and more")
    // What is younger than a moment is left for the next run, its own writes too.
    const news = lines.slice(before).filter((line) => !/unchanged$|: transient: /.test(line))
    expect(news).toEqual(["b/c.md: updated"])
  }).pipe(Effect.provide(system())),
)

it.scopedLive("hundreds of changes at once, new folders and renamed ones among them, are all seen", () =>
  Effect.gen(function* () {
    const names = Array.from({ length: 300 }, (_, at) => `d${at % 7}/n${at}.md`)
    const { folder, lines } = yield* watched(
      Object.fromEntries(names.slice(0, 200).map((name) => [name, `1 ${name}`])),
    )
    yield* Effect.promise(async () => {
      await rename(join(folder, "d0"), join(folder, "renamed"))
      await mkdir(join(folder, "new", "deep"), { recursive: true })
      await writeFile(join(folder, "new", "deep", "x.md"), "in a new folder")
    })
    yield* put(folder, Object.fromEntries(names.slice(100).map((name) => [name, `2 ${name}`])))
    yield* until(contents, (all) => {
      const ofNew = names.slice(100).every((name) => all[name.slice(0, -3)] === `2 ${name}`)
      return ofNew && all["new/deep/x"] === "in a new folder" && all["renamed/n7"] === "1 d0/n7.md"
    })
    // One batch for many, not one for each.
    expect(lines.filter((line) => line.endsWith("moved")).length).toBeGreaterThan(0)
  }).pipe(Effect.provide(system())),
)

it.scopedLive("deletions are followed where it is wished", () =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const { folder } = yield* watched({ "a.md": "one", "b.md": "two", "c.md": "three" }, { deletions: true })
    yield* Effect.scoped(
      Effect.zipRight(
        startWorker,
        until(
          Effect.flatMap(EmbeddingQueue, (queue) => queue.getStats),
          ({ pending, processing }) => pending + processing === 0,
        ),
      ),
    )
    yield* Effect.promise(() => rm(join(folder, "a.md")))
    yield* until(contents, (all) => !("a" in all))
    yield* service.deleteEntity("b")
    yield* until(filesOf(folder), (files) => !("b.md" in files))
  }).pipe(Effect.provide(system())),
)

it.scopedLive("a folder that goes away ends it, and takes no note along", () =>
  Effect.gen(function* () {
    const { fiber, folder } = yield* watched({ "a.md": "one", "b.md": "two" }, { deletions: true })
    yield* Effect.promise(() => rm(folder, { recursive: true }))
    yield* Effect.flip(Fiber.join(fiber)).pipe(Effect.timeout("30 seconds"))
    expect(Object.keys(yield* contents)).toEqual(["a", "b"])
  }).pipe(Effect.provide(system())),
)
