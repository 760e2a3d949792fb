import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EntityId, EntityType } from "../../src/Domain/Entity.js"
import * as Layout from "../../src/DirectorySync/Layout.js"

const type = (name: string) => EntityType.make(name)
const layout = Layout.makeLayout([type("note"), type("task")])
const isId = Schema.is(EntityId)

const id = FastCheck.oneof(
  FastCheck.string({ unit: "grapheme", maxLength: 30 }),
  FastCheck.array(
    FastCheck.constantFrom(
      "",
      ".",
      "..",
      "/",
      "%",
      "%25",
      "%2E",
      "%zz",
      "a",
      "é",
      "e\u0301",
      ":",
      "?",
      "\\",
      " ",
      "con",
      "CON.x",
      "node_modules",
      "note",
      "base",
      ".md",
      "x.conflict-20261126T101500",
      "長い",
      "\u{1f600}",
    ),
    { maxLength: 8 },
  ).map((parts) => parts.join("")),
).filter(isId)

it.prop(
  "every key is read back from its path, and no path leaves the folder or names what no system takes",
  { id, entityType: FastCheck.constantFrom(type("note"), type("task"), type("base")) },
  ({ entityType, id: entityId }) => {
    const path = Option.getOrThrow(Layout.pathOf({ entityId, entityType }, layout))
    expect(Layout.keyOf(path, layout)).toEqual({ entityType, entityId })
    for (const name of path.split("/")) {
      expect(name).not.toMatch(/^\.|^$|[<>:"\\|?*]|[. ]$|^(con|prn|aux|nul)(\.|$)|^node_modules$/i)
      expect(name.normalize("NFC")).toBe(name)
    }
  },
  { fastCheck: { numRuns: 2_000 } },
)

describe("a file", () => {
  it.each([
    ["a", "base", "a"],
    ["note", "base", "note"],
    ["note/a", "note", "a"],
    ["note/b/a", "note", "b/a"],
    ["other/a", "base", "other/a"],
    ["base/a", "base", "a"],
    // What people wrote is what it says, though an id would be written otherwise.
    ["What now?", "base", "What now?"],
    ["100% sure", "base", "100% sure"],
    ["50%25", "base", "50%25"],
    ["e\u0301", "base", "é"],
  ])("%s is %s %s", (path, entityType, entityId) => {
    expect(Layout.keyOf(path, layout)).toEqual({ entityType, entityId })
  })

  it.each([
    ["note", "..", "note/%2E%2E"],
    ["base", "../etc/passwd", "%2E%2E/etc/passwd"],
    ["base", "/etc", "%00/etc"],
    ["base", "note/a", "base/note/a"],
    ["base", "aux.c", "%61ux.c"],
    ["task", "a:b", "task/a%3Ab"],
  ])("of %s %s is %s", (entityType, entityId, path) => {
    const key = { entityType: type(entityType), entityId: EntityId.make(entityId) }
    expect(Layout.pathOf(key, layout)).toEqual(Option.some(path))
  })

  it("there is none of a type that is not registered: it would be read as another", () => {
    expect(Layout.pathOf({ entityType: type("person"), entityId: EntityId.make("a") }, layout)).toEqual(
      Option.none(),
    )
  })
})
