import { chmod, mkdir, symlink } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DirectorySync } from "../../src/DirectorySync.js"
import * as NoteFile from "../../src/DirectorySync/NoteFile.js"
import * as Taking from "../../src/DirectorySync/Taking.js"
import { EntityId, EntityType } from "../../src/Domain/Entity.js"
import { EntityService } from "../../src/EntityService.js"
import { embedAll, withSystem } from "../EntityService/fixtures.js"
import { checkInvariants } from "../invariants.js"
import { exportTo, filesOf, folderOf, move, put, sync, take, told } from "./fixtures.js"

const inOrder = Effect.map(checkInvariants(), ({ violations }) => expect(violations).toEqual([]))

const contents = Effect.flatMap(EntityService, (service) =>
  Effect.map(service.listEntities(), (all) =>
    Object.fromEntries(all.map(({ content, entityType, id }) => [`${entityType} ${id}`, content])),
  ),
)

describe("deletions", () => {
  const start = Effect.gen(function* () {
    const folder = yield* folderOf({ "a.md": "one", "b.md": "two", "c.md": "three" })
    yield* sync(folder)
    yield* embedAll
    return folder
  })

  it.effect("are not followed unless it is wished: both sides keep what they have, and say so", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* start
        yield* take(folder, "a.md")
        yield* service.deleteEntity("b")
        const lines = [
          "b.md: skipped: its note was deleted; the file is kept",
          "base a: not exported: its file a.md was deleted; the note is kept",
        ]
        expect(yield* sync(folder)).toEqual(lines)
        expect(yield* sync(folder)).toEqual(lines)
        expect(Object.keys(yield* filesOf(folder))).toEqual(["b.md", "c.md"])
        expect(Object.keys(yield* contents)).toEqual(["base a", "base c"])
        // An edit brings either back.
        yield* service.updateEntity("a", { content: "one again" })
        yield* put(folder, { "b.md": "two again" })
        expect(yield* sync(folder)).toEqual(["b.md: created", "a.md: exported: created"])
      }),
    ),
  )

  it.effect("are followed both ways where it is wished", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* start
        yield* take(folder, "a.md")
        yield* service.deleteEntity("b")
        expect(yield* sync(folder, { deletions: true })).toEqual([
          "b.md: removed: file",
          "a.md: removed: entity",
        ])
        expect(Object.keys(yield* filesOf(folder))).toEqual(["c.md"])
        expect(Object.keys(yield* contents)).toEqual(["base c"])
        expect(yield* sync(folder, { deletions: true })).toEqual([])
        yield* inOrder
      }),
    ),
  )

  it.effect("lose against a change that was made since the file was read", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "one" })
        const key = { entityType: EntityType.make("base"), entityId: EntityId.make("a") }
        const fileHash = NoteFile.hashOf("one")
        const known = { ...key, path: "a.md", fileHash, contentHash: "of a note that was deleted" }
        const read = {
          found: { _tag: "Found" as const, ...key, path: "a.md" },
          note: { _tag: "NoteFile" as const, content: "one", fields: {}, hash: fileHash },
        }
        const { take: takeRead } = yield* Taking.make
        const run = takeRead([read], {
          folder,
          mode: "sync",
          deletions: true,
          priority: undefined,
          known: new Map([["a.md", known]]),
          claimGone: () => Effect.succeedNone,
          batch: Effect.dieMessage("nothing is written"),
        })
        const lines = Effect.map(run, (all) => told(all.flatMap(({ outcomes }) => outcomes)))
        yield* put(folder, { "a.md": "one, edited" })
        expect(yield* lines).toEqual(["a.md: transient: its note was deleted, but it was changed meanwhile"])
        expect(yield* filesOf(folder)).toEqual({ "a.md": "one, edited" })
        yield* put(folder, { "a.md": "one" })
        expect(yield* lines).toEqual(["a.md: removed: file"])
        expect(yield* filesOf(folder)).toEqual({})
      }),
    ),
  )

  it.effect("lose against a change on the other side", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* start
        yield* take(folder, "a.md")
        yield* service.updateEntity("a", { content: "one, edited" })
        yield* service.deleteEntity("b")
        yield* put(folder, { "b.md": "two, edited" })
        expect(yield* sync(folder, { deletions: true })).toEqual(["b.md: created", "a.md: exported: created"])
        expect(yield* filesOf(folder)).toEqual({
          "a.md": "one, edited",
          "b.md": "two, edited",
          "c.md": "three",
        })
      }),
    ),
  )

  it.effect("are not believed where nothing is left in the folder, or where it is not there", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* start
        for (const path of ["a.md", "b.md", "c.md"]) yield* take(folder, path)
        expect(yield* sync(folder, { deletions: true })).toEqual([
          ": transient: nothing is left in the folder: no note was deleted (is it mounted?)",
        ])
        expect(yield* filesOf(folder)).toEqual({})
        yield* take(folder, "")
        expect((yield* Effect.flip(sync(folder, { deletions: true })))._tag).toBe("FolderUnreadable")
        expect(Object.keys(yield* contents)).toHaveLength(3)
        // Mounted again.
        yield* put(folder, { "a.md": "one", "b.md": "two", "c.md": "three" })
        expect(yield* sync(folder, { deletions: true })).toEqual([])
      }),
    ),
  )

  it.effect("that happen during a run are not undone by it, and a rename makes no copy", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* start
        const directory = yield* DirectorySync
        const meddle = Effect.zipRight(take(folder, "a.md"), move(folder, "b.md", "z.md"))
        const once = yield* Effect.once(meddle)
        yield* Stream.runForEach(directory.syncFolder(folder, { deletions: true }), () => once)
        expect(Object.keys(yield* filesOf(folder))).toEqual(["c.md", "z.md"])
        expect(yield* sync(folder, { deletions: true })).toEqual(["z.md: moved", "a.md: removed: entity"])
        expect(Object.keys(yield* contents)).toEqual(["base c", "base z"])
        // Who only exports wishes the files to be there.
        yield* take(folder, "c.md")
        expect(yield* exportTo(folder)).toEqual(["c.md: exported: created", "z.md: exported: unchanged"])
      }),
    ),
  )

  it.effect("are not believed of a file that is only left out from now on", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* start
        yield* put(folder, { ".embedboxignore": "a.md\n" })
        expect(yield* sync(folder, { deletions: true })).toEqual([])
        expect(Object.keys(yield* contents)).toEqual(["base a", "base b", "base c"])
      }),
    ),
  )

  it.effect("are not believed of what could not be looked at", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "one", "sub/b.md": "two", "sub/c.md": "three" })
        yield* sync(folder)
        yield* take(folder, "a.md")
        // A file in place of the folder cannot be listed, even by root.
        yield* move(folder, "sub", "elsewhere/.sub")
        yield* Effect.promise(() => mkdir(join(folder, "sub")))
        yield* Effect.promise(() => symlink("/nowhere", join(folder, "sub", ".embedboxignore")))
        yield* Effect.promise(() => chmod(join(folder, "sub"), 0o755))
        const lines = yield* sync(folder, { deletions: true })
        expect(lines[0]).toMatch(/^sub\/: skipped: cannot be read: \.embedboxignore: /)
        expect(Object.keys(yield* contents)).toHaveLength(3)
      }),
    ),
  )
})
