/** What a watched folder need not read again, and that nothing is missed by it. */
import { stat, utimes } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Layout from "../../src/DirectorySync/Layout.js"
import * as Manifest from "../../src/DirectorySync/Manifest.js"
import * as NoteFile from "../../src/DirectorySync/NoteFile.js"
import * as Syncing from "../../src/DirectorySync/Syncing.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { withSystem } from "../EntityService/fixtures.js"
import { filesOf, folderOf, move, put, told } from "./fixtures.js"

const tags = (all: ReadonlyArray<{ readonly _tag: string }>) => all.map(({ _tag }) => _tag)

/** So long after the file was written. */
const after = (file: string, millis: number) =>
  Effect.flatMap(
    Effect.promise(() => stat(file)),
    ({ ctimeMs }) => TestClock.setTime(Math.floor(ctimeMs) + millis),
  )

describe("a file that was read", () => {
  it.effect("is not read again as long as it is the same, and is whatever else was set back", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.md": "one", "b.md": "\0" })
      const files = [join(folder, "a.md"), join(folder, "b.md")]
      const memory: NoteFile.Memory = new Map()
      const glance = NoteFile.glanceAll(files, memory)
      yield* Effect.forEach(files, (file) => Effect.promise(() => utimes(file, 1, 1)))
      yield* after(join(folder, "a.md"), 60_000)
      expect(tags(yield* glance)).toEqual(["NoteFile", "Refused"])
      expect(tags(yield* glance)).toEqual(["Same", "Refused"])
      yield* put(folder, { "a.md": "two", "b.md": "mended" })
      yield* Effect.forEach(files, (file) => Effect.promise(() => utimes(file, 1, 1)))
      yield* after(join(folder, "a.md"), 60_000)
      expect(tags(yield* glance)).toEqual(["NoteFile", "NoteFile"])
    }).pipe(Effect.scoped),
  )

  it.effect("is read again where it is so young that its time says nothing", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.md": "one" })
      const memory: NoteFile.Memory = new Map()
      const glance = NoteFile.glanceAll([join(folder, "a.md")], memory)
      yield* after(join(folder, "a.md"), 1_000)
      expect(tags(yield* glance)).toEqual(["NoteFile"])
      expect(tags(yield* glance)).toEqual(["NoteFile"])
    }).pipe(Effect.scoped),
  )
})

it.effect("a run that need not read everything finds what a run finds that does", () =>
  withSystem(
    Effect.gen(function* () {
      const service = yield* EntityService
      const files = Object.fromEntries(["a", "b", "c", "d", "e"].map((id) => [`${id}.md`, `text of ${id}`]))
      const folder = yield* folderOf(files)
      const { run } = yield* Syncing.make(Manifest.make(yield* Storage))
      const memory: NoteFile.Memory = new Map()
      const settings = { layout: Layout.makeLayout(), extensions: [".md"], deletions: true, memory }
      const sync = Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        const lines = told(Chunk.toReadonlyArray(yield* Stream.runCollect(run(folder, settings))))
        return lines.filter((line) => !line.endsWith("unchanged"))
      })
      yield* after(join(folder, "e.md"), 0)
      yield* sync
      expect(memory.size).toBe(5)
      expect(yield* sync).toEqual([])
      yield* service.updateEntity("a", { content: "edited there" })
      yield* service.deleteEntity("b")
      yield* put(folder, { "c.md": "edited here" })
      yield* move(folder, "d.md", "x.md")
      expect((yield* sync).toSorted()).toEqual([
        "a.md: exported: updated",
        "b.md: removed: file",
        "c.md: updated",
        "x.md: moved",
      ])
      expect(Object.keys(yield* filesOf(folder))).toEqual(["a.md", "c.md", "e.md", "x.md"])
      expect(yield* sync).toEqual([])
      // Of two that changed, the loser is kept as always.
      yield* put(folder, { "e.md": "edited here" })
      yield* service.updateEntity("e", { content: "edited there" })
      expect(yield* sync).toEqual([expect.stringContaining("e.md: conflict: "), "e.md: updated"])
    }),
  ),
)
