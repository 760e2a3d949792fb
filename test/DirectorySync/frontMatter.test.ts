import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { isJsonObject } from "../../src/Domain/Entity.js"
import * as FrontMatter from "../../src/DirectorySync/FrontMatter.js"

const fields = (content: string) => Either.merge(FrontMatter.fieldsOf(content))

describe("the fields of a note", () => {
  it.each([
    ["no front matter at all", {}],
    ["---\ntitle: A\ntags: [x, y]\n---\ntext", { title: "A", tags: ["x", "y"] }],
    ["\uFEFF---\r\ntitle: A\r\n---\r\ntext", { title: "A" }],
    ["---\ntitle: A\n...\ntext", { title: "A" }],
    ["---\n---\ntext", {}],
    // A date is what stands there; only JSON knows what it means.
    ["---\ncreated: 2026-11-26\nyes: yes\nempty:\n---\n", { created: "2026-11-26", yes: "yes", empty: null }],
    // Never closed, or prose between two lines.
    ["---\ntitle: A\n", {}],
    ["---\nonce upon a time\n---\nthe end", {}],
    ["text\n---\ntitle: A\n---\n", {}],
    ["---\na: &x {b: 1}\nc: *x\n---\n", { a: { b: 1 }, c: { b: 1 } }],
  ])("%j", (content, expected) => {
    expect(fields(content)).toEqual(expected)
  })

  it.each([
    ["---\ntitle: [\n---\n", /front matter: Flow sequence/],
    ["---\na: 1\na: 2\n---\n", /front matter: Map keys must be unique/],
    ["---\na: !ruby/object {}\n---\n", /front matter: Unresolved tag/],
    ["---\na: .nan\n---\n", /front matter: a is NaN, which JSON cannot hold/],
    ["---\nb: {c: [1, .inf]}\n---\n", /front matter: b\.c\[1\] is Infinity/],
    [
      `---\n${Array.from({ length: 12 }, (_, i) => `k${i}: &k${i} [${Array.from({ length: 9 }, () => (i === 0 ? "x" : `*k${i - 1}`)).join(", ")}]`).join("\n")}\n---\n`,
      /alias is used too often|lies beyond the limit/,
    ],
    [`---\na: ${"x".repeat(300_000)}\n---\n`, /more than 262144 bytes of front matter/],
  ])("that cannot be read are told: %#", (content, reason) => {
    expect(fields(content)).toMatch(reason)
  })

  it("never run code, whatever language they say they are", () => {
    expect(fields("---js\n{ title: process.exit(1) }\n---\n")).toEqual({})
  })
})

describe("the file of a note", () => {
  it("is the content as it is, where it says everything already", () => {
    const content = "---\n# mine\ntitle:   'A'   # yes\nn: 1.0\n---\ntext"
    expect(FrontMatter.withFields(content, { title: "A", n: 1 })).toBe(content)
    expect(FrontMatter.withFields("text", {})).toBe("text")
  })

  it("gets what it lacks, and keeps its comments, its order and what nobody asked about", () => {
    expect(
      FrontMatter.withFields("---\n# mine\nb: 1 # one\na: 2\n---\ntext\n", { a: 3, c: { d: ["e"] } }),
    ).toBe("---\n# mine\nb: 1 # one\na: 3\nc:\n  d:\n    - e\n---\ntext\n")
    expect(FrontMatter.withFields("text", { title: "A: b" })).toBe('---\ntitle: "A: b"\n---\ntext')
    // A line at the top is text.
    expect(FrontMatter.withFields("---\nprose\n---\n", { a: 1 })).toBe("---\na: 1\n---\n---\nprose\n---\n")
  })
})

it.prop(
  "what is written is read back, and the text below it is what it was",
  {
    metadata: FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue(), { maxKeys: 5 }),
    body: FastCheck.string(),
  },
  ({ body, metadata }) => {
    if (!isJsonObject(metadata)) return
    const written = FrontMatter.withFields(`body ${body}`, metadata)
    expect(fields(written)).toEqual(metadata)
    expect(written.endsWith(`body ${body}`)).toBe(true)
    expect(FrontMatter.withFields(written, metadata)).toBe(written)
  },
)
