import { symlink } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { EntityService } from "../../src/EntityService.js"
import { embedAll, withSystem } from "../EntityService/fixtures.js"
import { checkInvariants } from "../invariants.js"
import { temporaryFolder } from "../support.js"
import { bringIn, costs, exportTo, filesOf, folderOf, move, put, sync, textOf } from "./fixtures.js"

const inOrder = Effect.map(checkInvariants(), ({ violations }) => expect(violations).toEqual([]))

const contents = Effect.flatMap(EntityService, (service) =>
  Effect.map(service.listEntities(), (all) =>
    Object.fromEntries(all.map(({ content, entityType, id }) => [`${entityType} ${id}`, content])),
  ),
)

describe("an export", () => {
  it.effect(
    "writes what waits as well as what is embedded, once, with its metadata and nothing of the system's",
    () =>
      withSystem(
        Effect.gen(function* () {
          const service = yield* EntityService
          yield* service.createEntity({ id: "a", content: "one", metadata: { title: "A", tags: ["x"] } })
          yield* embedAll
          yield* service.createEntity({ id: "b/c", content: "two" })
          yield* service.createEntity({ id: "../d", content: "three", entityType: "task" })
          const folder = yield* temporaryFolder
          expect(yield* exportTo(folder, { types: ["task"] })).toEqual([
            "a.md: exported: created",
            "b/c.md: exported: created",
            "task/%2E%2E/d.md: exported: created",
          ])
          const files = {
            "a.md": "---\ntitle: A\ntags:\n  - x\n---\none",
            "b/c.md": "two",
            "task/%2E%2E/d.md": "three",
          }
          expect(yield* filesOf(folder)).toEqual(files)
          expect(yield* exportTo(folder, { types: ["task"] })).toEqual(
            Object.keys(files).map((path) => `${path}: exported: unchanged`),
          )
        }),
      ),
  )

  it.effect("comes back as no change at all", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "a", content: "# A\n\none", metadata: { n: 1 } })
        yield* embedAll
        const before = yield* costs
        const folder = yield* temporaryFolder
        yield* exportTo(folder)
        expect(yield* bringIn(folder)).toEqual(["a.md: unchanged"])
        expect(yield* sync(folder)).toEqual([])
        yield* embedAll
        expect(yield* costs).toEqual(before)
      }),
    ),
  )

  it.effect("does not touch a file that is somebody's, nor goes out of the folder by a link", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const outside = yield* temporaryFolder
        const folder = yield* folderOf({ "a.md": "mine" })
        yield* Effect.promise(() => symlink(outside, join(folder, "b")))
        yield* service.createEntity({ id: "a", content: "other" })
        yield* service.createEntity({ id: "b/c", content: "secret" })
        yield* TestClock.setTime(Date.UTC(2026, 10, 26, 10, 15))
        expect(yield* exportTo(folder)).toEqual([
          "a.md: conflict: a.conflict-20261126T101500.md",
          expect.stringMatching(/^base b\/c: not exported: its file cannot be written: .*is a symbolic link/),
        ])
        // The same loser again is no news.
        expect((yield* exportTo(folder))[0]).toBe("a.md: exported: unchanged")
        expect(yield* filesOf(folder)).toEqual({ "a.md": "mine", "a.conflict-20261126T101500.md": "other" })
        expect(yield* filesOf(outside)).toEqual({})
      }),
    ),
  )

  it.effect("counts what has no folder, embedded or not, by its type", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "p", content: "one", entityType: "person" })
        yield* embedAll
        for (const id of ["q", "r"]) yield* service.createEntity({ id, content: id, entityType: "person" })
        yield* service.createEntity({ id: "t", content: "two", entityType: "task" })
        yield* service.createEntity({ id: "a", content: "three" })
        const folder = yield* temporaryFolder
        expect(yield* exportTo(folder)).toEqual([
          "a.md: exported: created",
          "person: 3 without a folder",
          "task: 1 without a folder",
        ])
        expect(yield* exportTo(folder, { types: ["task", "person"] })).not.toContainEqual(
          expect.stringContaining("without"),
        )
        // Whoever keeps a folder in step need not hear it at every change.
        const other = yield* temporaryFolder
        expect(yield* sync(other)).toEqual(["a.md: exported: created"])
      }),
    ),
  )

  it.effect("says what it cannot write, and writes the rest", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* service.createEntity({ id: "n".repeat(300), content: "long" })
        yield* service.createEntity({ id: "z", content: "good" })
        const folder = yield* temporaryFolder
        expect(yield* exportTo(folder)).toEqual([
          expect.stringMatching(/^base n+: not exported: its file cannot be written: ENAMETOOLONG/),
          "z.md: exported: created",
        ])
      }),
    ),
  )
})

describe("a folder kept in step", () => {
  it.effect("takes what changed in it, and gets what changed in the box", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* folderOf({ "a.md": "one", "b.md": "two" })
        expect(yield* sync(folder)).toEqual(["a.md: created", "b.md: created"])
        yield* put(folder, { "a.md": "one, edited here" })
        yield* service.updateEntity("b", { content: "two, edited there" })
        yield* service.createEntity({ id: "c", content: "three" })
        expect(yield* sync(folder)).toEqual([
          "a.md: updated",
          "b.md: exported: updated",
          "c.md: exported: created",
        ])
        expect(yield* filesOf(folder)).toEqual({
          "a.md": "one, edited here",
          "b.md": "two, edited there",
          "c.md": "three",
        })
        expect((yield* contents)["base a"]).toBe("one, edited here")
        expect(yield* sync(folder)).toEqual([])
        yield* inOrder
      }),
    ),
  )

  it.effect("a byte order mark is no change", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* folderOf({ "a.md": "\uFEFFone", "b.md": "\uFEFF---\nt: 1\n---\ntwo" })
        expect(yield* sync(folder)).toEqual(["a.md: created", "b.md: created"])
        expect(yield* sync(folder)).toEqual([])
        // The file is what was remembered of it, so a change of its note replaces it.
        yield* service.updateEntity("a", { content: "one, edited there" })
        expect(yield* sync(folder)).toEqual(["a.md: exported: updated"])
        // Nor is one that only the note has.
        yield* service.createEntity({ id: "c", content: "\uFEFFthree" })
        expect(yield* sync(folder)).toEqual(["c.md: exported: created"])
        expect(yield* sync(folder)).toEqual([])
        expect(yield* filesOf(folder)).toEqual({
          "a.md": "one, edited there",
          "b.md": "\uFEFF---\nt: 1\n---\ntwo",
          "c.md": "\uFEFFthree",
        })
      }),
    ),
  )

  it.effect("where both sides changed, the file wins and the other version is kept beside it", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* folderOf({ "a.md": "one" })
        yield* sync(folder)
        yield* put(folder, { "a.md": "edited here" })
        yield* service.updateEntity("a", { content: "edited there" })
        yield* TestClock.setTime(Date.UTC(2026, 10, 26, 10, 15))
        expect(yield* sync(folder)).toEqual([
          "a.md: conflict: a.conflict-20261126T101500.md",
          "a.md: updated",
        ])
        expect(yield* filesOf(folder)).toEqual({
          "a.md": "edited here",
          "a.conflict-20261126T101500.md": "edited there",
        })
        expect(yield* contents).toEqual({ "base a": "edited here" })
        expect(yield* sync(folder)).toEqual([])
      }),
    ),
  )

  it.effect("where both sides made the same change, there is no conflict", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* folderOf({ "a.md": "one" })
        yield* sync(folder)
        yield* put(folder, { "a.md": "the same" })
        yield* service.updateEntity("a", { content: "the same" })
        expect(yield* sync(folder)).toEqual([])
        expect(Object.keys(yield* filesOf(folder))).toEqual(["a.md"])
      }),
    ),
  )

  it.effect(
    "a file that cannot be taken keeps what it has: a change of its note stands beside it, once",
    () =>
      withSystem(
        Effect.gen(function* () {
          const service = yield* EntityService
          const folder = yield* folderOf({ "a.md": "one" })
          yield* sync(folder)
          yield* put(folder, { "a.md": "---\nbroken: [\n---\n" })
          yield* service.updateEntity("a", { content: "edited there" })
          const first = yield* sync(folder)
          expect(first.map((line) => line.split(":")[1])).toEqual([" quarantined", " conflict"])
          expect((yield* sync(folder)).map((line) => line.split(":")[1])).toEqual([" quarantined"])
          expect(Object.keys(yield* filesOf(folder))).toHaveLength(2)
          yield* put(folder, { "a.md": "mended" })
          expect(yield* sync(folder)).toEqual(["a.md: updated"])
        }),
      ),
  )

  it.effect("a renamed file is a move, whatever is wished of deletions", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "one", "b.md": "two" })
        yield* sync(folder)
        yield* move(folder, "a.md", "c.md")
        expect(yield* sync(folder, { deletions: true })).toEqual(["c.md: moved"])
        expect(yield* contents).toEqual({ "base b": "two", "base c": "one" })
        yield* inOrder
      }),
    ),
  )
})

it.effect("a version that lost has a name of its own, however many there are in a second", () =>
  withSystem(
    Effect.gen(function* () {
      const service = yield* EntityService
      const folder = yield* folderOf({ "a.md": "0" })
      yield* sync(folder)
      for (const n of [1, 2]) {
        yield* put(folder, { "a.md": `here ${n}` })
        yield* service.updateEntity("a", { content: `there ${n}` })
        yield* sync(folder)
      }
      const names = Object.keys(yield* filesOf(folder))
      expect(names).toHaveLength(3)
      const losers = yield* Effect.forEach(
        names.filter((name) => name !== "a.md"),
        (name) => textOf(folder, name),
      )
      expect(losers.toSorted()).toEqual(["there 1", "there 2"])
    }),
  ),
)
