/** Folders that are out of order, by accident or on purpose: whatever is in them has an outcome, and the rest is taken. */
import { execFileSync } from "node:child_process"
import { symlink, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NoteFile from "../../src/DirectorySync/NoteFile.js"
import { EntityService } from "../../src/EntityService.js"
import { withSystem } from "../EntityService/fixtures.js"
import { temporaryFolder } from "../support.js"
import { bringIn, exportTo, filesOf, folderOf, put, sync, textOf } from "./fixtures.js"

describe("a .embedboxignore that cannot be understood", () => {
  const spoilt = {
    "a folder": [(file: string) => put(file, { "x.md": "x" }), "is no file"],
    "a link": [
      (file: string) => Effect.promise(() => symlink("a.md", file)),
      "is a symbolic link, which is not followed",
    ],
    "too large": [(file: string) => write(file, "x\n".repeat(200_000)), "has more than 262144 bytes"],
    "not UTF-8": [(file: string) => write(file, Uint8Array.of(0x63, 0xe9, 0x0a)), "is not valid UTF-8"],
    "without end": [
      (file: string) => write(file, "drafts/\n*a*a*a*a*a\n"),
      "line 2 has more than three stars in a name",
    ],
  } as const
  const write = (file: string, content: string | Uint8Array) => Effect.promise(() => writeFile(file, content))

  it.effect.each(Object.entries(spoilt))("(%s) keeps its folder out, whole", ([, [spoil, reason]]) =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "a.md": "one", "sub/b.md": "two", "sub/deep/c.md": "three" })
        yield* spoil(join(folder, "sub", ".embedboxignore"))
        expect(yield* bringIn(folder)).toEqual([
          "a.md: created",
          `sub/: skipped: cannot be read: .embedboxignore: ${reason}`,
        ])
        yield* spoil(join(folder, ".embedboxignore"))
        const error = yield* Effect.flip(bringIn(folder))
        expect(error.message).toContain(`cannot be read: .embedboxignore: ${reason}`)
      }),
    ),
  )

  it.effect("is not one that begins with a byte order mark", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ ".embedboxignore": "\uFEFFa.md\r\n", "a.md": "one", "b.md": "two" })
        expect(yield* bringIn(folder)).toEqual(["b.md: created"])
      }),
    ),
  )
})

describe("names", () => {
  it.effect("that are one and the same composed are one note, whatever others think of them", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({ "e\u0301.md": "decomposed", "\u00E9.md": "composed" })
        expect(yield* sync(folder)).toEqual([
          "e\u0301.md: created",
          "\u00E9.md: skipped: has the same id as e\u0301.md",
        ])
        expect(yield* filesOf(folder)).toEqual({ "e\u0301.md": "decomposed", "\u00E9.md": "composed" })
      }),
    ),
  )

  it.effect("that Windows keeps for devices are taken where they are, and never made", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const folder = yield* folderOf({ "nul.md": "one" })
        expect(yield* sync(folder)).toEqual(["nul.md: created"])
        yield* service.updateEntity("nul", { content: "two" })
        yield* service.createEntity({ id: "con", content: "three" })
        expect(yield* sync(folder)).toEqual(["%63on.md: exported: created", "nul.md: exported: updated"])
        expect(yield* sync(folder)).toEqual([])
      }),
    ),
  )

  it.effect("that differ only in case are not made beside each other", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        for (const id of ["Note", "note", "other/A", "other/a"])
          yield* service.createEntity({ id, content: id })
        const folder = yield* temporaryFolder
        const clash = (id: string, owner: string) =>
          `base ${id}: not exported: its file would be ${id}.md, which some systems take for ${owner}.md`
        expect(yield* exportTo(folder)).toEqual([
          "Note.md: exported: created",
          clash("note", "Note"),
          "other/A.md: exported: created",
          clash("other/a", "other/A"),
        ])
        // Whose are there already, are known to get on with each other.
        yield* put(folder, { "note.md": "note" })
        expect(yield* sync(folder)).toEqual([clash("other/a", "other/A")])
      }),
    ),
  )

  it.effect("that leave no room for a version that lost: then none loses", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const id = "n".repeat(252)
        const folder = yield* folderOf({ [`${id}.md`]: "one" })
        yield* sync(folder)
        yield* put(folder, { [`${id}.md`]: "edited here" })
        yield* service.updateEntity(id, { content: "edited there" })
        const reasons = yield* sync(folder)
        expect(reasons.join("\n")).toMatch(/both sides changed, and one cannot be kept: ENAMETOOLONG/)
        expect(yield* textOf(folder, `${id}.md`)).toBe("edited here")
        expect((yield* service.getEntity(id)).content).toBe("edited there")
      }),
    ),
  )
})

describe("a file", () => {
  it.effect("that would end the process is put in quarantine, and its neighbours are taken", () =>
    withSystem(
      Effect.gen(function* () {
        const folder = yield* folderOf({
          "a.md": "good",
          "bomb.md": `---\n${"- ".repeat(50_000)}x\n---\n`,
          "odd.md": "---\n__proto__: {polluted: yes}\n---\ntext",
          "open.md": `---\ntitle: A\n${"x".repeat(3_000_000)}`,
        })
        yield* Effect.sync(() => execFileSync("mkfifo", [join(folder, "pipe.md")]))
        expect(yield* sync(folder)).toEqual([
          "a.md: created",
          "bomb.md: quarantined: front matter: is nested too deeply",
          "odd.md: created",
          "open.md: created",
          "pipe.md: skipped: is no file",
        ])
        const service = yield* EntityService
        expect(JSON.stringify((yield* service.getEntity("odd")).metadata)).toBe(
          '{"__proto__":{"polluted":"yes"}}',
        )
        // Never closed, so there are no fields: all of it is text.
        expect((yield* service.getEntity("open")).metadata).toEqual({})
        const told = yield* sync(folder)
        expect(told.filter((line) => !/quarantined|skipped/.test(line))).toEqual([])
      }),
    ),
  )

  it.effect("that became a link since it was listed, or is gone, is not followed", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "b.md": "two" })
      yield* Effect.promise(() => symlink("b.md", join(folder, "a.md")))
      expect(yield* NoteFile.readAll([join(folder, "a.md"), join(folder, "none.md")])).toEqual([
        { _tag: "Refused", kind: "transient", reason: "is no file any more" },
        { _tag: "Refused", kind: "transient", reason: "cannot be read: it does not exist" },
      ])
    }).pipe(Effect.scoped),
  )

  it.effect("that was written just now is not read yet", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.md": "one" })
      expect(yield* NoteFile.readAll([join(folder, "a.md")], Number.MAX_SAFE_INTEGER)).toEqual([
        { _tag: "Refused", kind: "transient", reason: "was written just now" },
      ])
    }).pipe(Effect.scoped),
  )

  it.live("that is written while it is read is not taken", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({ "a.md": "x".repeat(3_000_000) })
      const file = join(folder, "a.md")
      let time = 1
      const writing = Effect.forever(Effect.promise(() => utimes(file, time, time++)))
      const reading = Effect.repeat(NoteFile.readAll([file]), {
        until: ([one]) => one?._tag === "Refused" && one.reason === "was written while it was read",
      })
      yield* Effect.raceFirst(writing, reading).pipe(Effect.timeout("30 seconds"))
    }).pipe(Effect.scoped),
  )
})
