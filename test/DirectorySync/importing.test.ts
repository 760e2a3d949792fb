import { symlink, truncate, utimes } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { maxContentBytes } from "../../src/Domain/Entity.js"
import { DirectorySync } from "../../src/DirectorySync.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { embedAll, withSystem } from "../EntityService/fixtures.js"
import { checkInvariants } from "../invariants.js"
import { bringIn, costs, folderOf, move, put, take } from "./fixtures.js"

const inOrder = Effect.map(checkInvariants(), ({ violations }) => expect(violations).toEqual([]))

const keys = Effect.flatMap(EntityService, (service) =>
  Effect.map(service.listEntities(), (all) => all.map(({ entityType, id }) => `${entityType} ${id}`)),
)

const metadataOf = (id: string) =>
  Effect.flatMap(EntityService, (service) => Effect.map(service.getEntity(id), ({ metadata }) => metadata))

describe("an import", () => {
  it.effect("costs nothing where only the times of files changed", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "one", "b/c.md": "two" })
        yield* bringIn(folder)
        yield* embedAll
        const before = yield* costs
        yield* Effect.promise(async () => {
          for (const path of ["a.md", "b/c.md"]) await utimes(join(folder, path), 1, 1)
        })
        expect(yield* bringIn(folder)).toEqual(["a.md: unchanged", "b/c.md: unchanged"])
        expect(yield* costs).toEqual(before)
      }),
    ),
  )

  it.effect("sees an edit that has the size and the time of what was there", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "one" })
        const back = Effect.promise(() => utimes(join(folder, "a.md"), 1, 1))
        yield* back
        yield* bringIn(folder)
        yield* put(folder, { "a.md": "two" })
        yield* back
        expect(yield* bringIn(folder)).toEqual(["a.md: updated"])
      }),
    ),
  )

  it.effect("takes a rename for a move: nothing is embedded, and the old key is gone", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a/one.md": "one", "a/two.md": "two", "b.md": "three" })
        yield* bringIn(folder)
        yield* embedAll
        const before = yield* costs
        yield* move(folder, "a", "z/y")
        yield* move(folder, "b.md", "c.txt")
        expect(yield* bringIn(folder)).toEqual(["c.txt: moved", "z/y/one.md: moved", "z/y/two.md: moved"])
        yield* embedAll
        expect((yield* costs).texts).toBe(before.texts)
        expect(yield* keys).toEqual(["base c", "base z/y/one", "base z/y/two"])
        expect(yield* bringIn(folder)).toEqual([
          "c.txt: unchanged",
          "z/y/one.md: unchanged",
          "z/y/two.md: unchanged",
        ])
        yield* inOrder
      }),
    ),
  )

  it.effect("takes a copy for a note of its own, and one of two renamed copies for each", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "same" })
        yield* bringIn(folder)
        yield* put(folder, { "b.md": "same" })
        expect(yield* bringIn(folder)).toEqual(["a.md: unchanged", "b.md: created"])
        yield* move(folder, "a.md", "c.md")
        yield* move(folder, "b.md", "d.md")
        expect(yield* bringIn(folder)).toEqual(["c.md: moved", "d.md: moved"])
        expect(yield* keys).toEqual(["base c", "base d"])
        yield* inOrder
      }),
    ),
  )

  it.effect(
    "takes a file that vanished for no reason to forget its note, which comes back under its name",
    () =>
      withSystem(
        Effect.gen(function* () {
          const folder = yield* folderOf({ "a.md": "one", "b.md": "two" })
          yield* bringIn(folder)
          yield* take(folder, "a.md")
          expect(yield* bringIn(folder)).toEqual(["b.md: unchanged"])
          expect(yield* keys).toEqual(["base a", "base b"])
          yield* put(folder, { "a.md": "one" })
          expect(yield* bringIn(folder)).toEqual(["a.md: unchanged", "b.md: unchanged"])
        }),
      ),
  )

  it.effect("brings back a note that was deleted since", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* folderOf({ "a.md": "one" })
        yield* bringIn(folder)
        yield* service.deleteEntity("a")
        expect(yield* bringIn(folder)).toEqual(["a.md: created"])
      }),
    ),
  )

  it.effect("leaves alone what was changed by others, as long as the file is what it was", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* folderOf({ "a.md": "one" })
        yield* bringIn(folder)
        yield* service.updateEntity("a", { content: "edited elsewhere" })
        expect(yield* bringIn(folder)).toEqual(["a.md: unchanged"])
        expect((yield* service.getEntity("a")).content).toBe("edited elsewhere")
      }),
    ),
  )

  it.effect("is a batch, there before its jobs, with what became of the files and of the jobs", () =>
    withSystem(
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        const directory = yield* DirectorySync
        const folder = yield* folderOf({ "a.md": "one", "b.md": "two", "c.md": "\0" })
        yield* bringIn(folder)
        const [job] = yield* queue.listJobs()
        const batch = Effect.flatMap(
          directory.batch(job?.batchId ?? ""),
          Option.match({ onNone: () => Effect.dieMessage("no batch"), onSome: Effect.succeed }),
        )
        expect(yield* batch).toMatchObject({
          folder,
          counts: { created: 2, quarantined: 1, skipped: 0 },
          pending: 2,
          failed: 0,
          endedAt: expect.any(Number),
        })
        yield* embedAll
        expect(yield* batch).toMatchObject({ pending: 0, failed: 0 })
        expect(yield* directory.batch("none")).toEqual(Option.none())
      }),
    ),
  )
})

describe("types", () => {
  it.effect("have folders of their own, and a file that comes under one moves", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "task/a.md": "one", "task.md": "two", "other/b.md": "three" })
        yield* bringIn(folder, { types: ["task"] })
        expect(yield* keys).toEqual(["base other/b", "base task", "task a"])
        yield* embedAll
        const before = yield* costs
        expect(yield* bringIn(folder, { types: ["task", "other"] })).toEqual([
          "other/b.md: moved",
          "task/a.md: unchanged",
          "task.md: unchanged",
        ])
        expect(yield* keys).toEqual(["base task", "other b", "task a"])
        yield* embedAll
        expect((yield* costs).texts).toBe(before.texts)
      }),
    ),
  )

  it.effect("that are none are refused before anything is read", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "one" })
        const error = yield* Effect.flip(bringIn(folder, { types: ["no name"] }))
        expect(error._tag).toBe("InvalidEntity")
        expect(yield* keys).toEqual([])
      }),
    ),
  )
})

describe("the fields at the head of a file", () => {
  it.effect("are metadata; one that is not there is no opinion", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const content = "---\ntitle: A\nodd: {deep: [1]}\n---\ntext"
        const folder = yield* folderOf({ "a.md": content })
        yield* bringIn(folder)
        expect(yield* metadataOf("a")).toEqual({ title: "A", odd: { deep: [1] } })
        expect((yield* service.getEntity("a")).content).toBe(content)
        yield* service.updateEntity("a", { metadata: { title: "A", odd: 1, pinned: true } })
        yield* put(folder, { "a.md": "---\ntitle: B\n---\ntext" })
        yield* bringIn(folder)
        expect(yield* metadataOf("a")).toEqual({ title: "B", odd: 1, pinned: true })
      }),
    ),
  )

  it.effect(
    "that cannot be read put the file in quarantine: what stands there stays, until the file is mended",
    () =>
      withSystem(
        Effect.gen(function* () {
          const service = yield* EntityService
          const folder = yield* folderOf({ "a.md": "---\ntitle: A\n---\ntext" })
          yield* bringIn(folder)
          yield* put(folder, { "a.md": "---\ntitle: [\n---\ntext" })
          expect(yield* bringIn(folder)).toEqual([
            expect.stringMatching(/^a\.md: quarantined: front matter: /),
          ])
          expect((yield* service.getEntity("a")).metadata).toEqual({ title: "A" })
          yield* put(folder, { "a.md": "---\ntitle: C\n---\ntext" })
          expect(yield* bringIn(folder)).toEqual(["a.md: updated"])
        }),
      ),
  )
})

describe("what is left out", () => {
  it.effect("follows .embedboxignore, as git follows its own", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({
          ".embedboxignore": "drafts/\n*.tmp.md\n/top.md\n!keep.tmp.md\n",
          "a.md": "x",
          "a.tmp.md": "x",
          "keep.tmp.md": "x",
          "top.md": "x",
          "b/top.md": "x",
          "b/drafts/c.md": "x",
          "d/.embedboxignore": "*\n!only.md\n",
          "d/only.md": "x",
          "d/other.md": "x",
        })
        yield* bringIn(folder)
        expect(yield* keys).toEqual(["base a", "base b/top", "base d/only", "base keep.tmp"])
      }),
    ),
  )

  it.effect("has a reason each, and stops nothing", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({
          "a.md": "good",
          "binary.md": "a\0b",
          "empty.md": " \n\t",
          "huge.md": "x",
          "latin1.md": Uint8Array.of(0x63, 0x61, 0x66, 0xe9),
          "bomb.md": `---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [${"*b,".repeat(60)}]\n---\n`,
          "tag.md": "---\na: !!js/function 'process.exit(1)'\n---\n",
          "x.conflict-20261126T101500.md": "the other version of something",
          ".hidden.md": "hidden",
          [`${"n".repeat(250)}.md`]: "long but good",
        })
        yield* Effect.promise(async () => {
          await truncate(join(folder, "huge.md"), maxContentBytes + 1)
          await symlink("/etc/passwd", join(folder, "out.md"))
          await symlink("/etc", join(folder, "etc"))
        })
        expect(yield* bringIn(folder)).toEqual([
          "a.md: created",
          "binary.md: quarantined: is not text: it holds a NUL character",
          "bomb.md: quarantined: front matter: an alias is used too often",
          "empty.md: skipped: is empty",
          `huge.md: skipped: is too large: ${maxContentBytes + 1} bytes, at most ${maxContentBytes} are taken`,
          "latin1.md: quarantined: is not valid UTF-8",
          `${"n".repeat(250)}.md: created`,
          "out.md: skipped: is a symbolic link, which is not followed",
          expect.stringMatching(/^tag\.md: quarantined: front matter: Unresolved tag/),
        ])
      }),
    ),
  )
})
