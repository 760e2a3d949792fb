import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { isJsonObject } from "../../src/Domain/Entity.js"
import * as FrontMatter from "../../src/Domain/FrontMatter.js"

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
    // What a number cannot hold, and a key that is one, are what stands there.
    ["---\nn: 12345678901234567890\nm: 100000000000000000000\n---\n", { n: "12345678901234567890", m: 1e20 }],
    ["---\n2024: {1.0: a, true: b}\n---\n", { 2024: { "1.0": "a", true: "b" } }],
    ["---\na: !!str 1\n<<: {b: 1}\n---\n", { a: "1", "<<": { b: 1 } }],
    ["---\r\na: |\r\n  one\r\n  two\r\n---\r\n", { a: "one\ntwo\n" }],
  ])("%j", (content, expected) => {
    expect(fields(content)).toEqual(expected)
  })

  it.each([
    ["---\ntitle: [\n---\n", /front matter: Flow sequence/],
    ["---\na: 1\na: 2\n---\n", /front matter: Map keys must be unique/],
    ["---\na: !ruby/object {}\n---\n", /front matter: Unresolved tag/],
    ['---\n1: a\n"1": b\n---\n', /front matter: Map keys must be unique: 1/],
    ["---\n[a, b]: c\n---\n", /front matter: a key is no text/],
    ["---\n~: c\n---\n", /front matter: a key is no text/],
    ["---\na: &x b\n*x : c\n---\n", /front matter: a key is no text/],
    ["---\na: !!timestamp 2026-11-26\n---\n", /front matter: a is not a plain object/],
    ["---\na: !!binary aGk=\n---\n", /front matter: a is not a plain object/],
    ["---\na: !<tag:yaml.org,2002:js/regexp> x\n---\n", /front matter: Unresolved tag/],
    ["---\na: 1e400\n---\n", /front matter: a is Infinity/],
    ["---\na: &a [*a]\n---\n", /front matter: a(\[0\])+ is nested deeper/],
    // Each of these ended the process, or kept it busy for longer than a test may take.
    [`---\n${"- ".repeat(50_000)}x\n---\n`, /front matter: is nested too deeply/],
    [`---\na: ${"[".repeat(60_000)}\n---\n`, /front matter: is nested too deeply/],
    [`---\na: [${",".repeat(100_000)}]\n---\n`, /front matter: Unexpected , in flow sequence at line 1/],
    [
      `---\na: [${Array.from({ length: 12_000 }, (_, i) => `&a${i} x, *a${i}`).join()}]\n---\n`,
      /front matter: an alias is used too often/,
    ],
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

  it("are as many as they are, and what JavaScript makes of their names is its own affair", () => {
    const names = Array.from({ length: 20_000 }, (_, at) => `k${at}`)
    expect(fields(`---\n${names.map((name) => `${name}: 1`).join("\n")}\n---\n`)).toEqual(
      Object.fromEntries(names.map((name) => [name, 1])),
    )
    const odd = fields("---\n__proto__: {polluted: yes}\nconstructor: {prototype: {polluted: yes}}\n---\n")
    expect(JSON.stringify(odd)).toBe(
      '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}',
    )
    expect("polluted" in {}).toBe(false)
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
    expect(FrontMatter.withFields("---\n1: a\n---\ntext", { "1": "b" })).toBe('---\n"1": b\n---\ntext')
    const odd: unknown = JSON.parse('{"__proto__": {}}')
    expect(isJsonObject(odd) && FrontMatter.withFields("text", odd)).toBe("---\n__proto__: {}\n---\ntext")
    // A line at the top is text.
    expect(FrontMatter.withFields("---\nprose\n---\n", { a: 1 })).toBe("---\na: 1\n---\n---\nprose\n---\n")
  })
})

describe("the lines of a file", () => {
  it("end as they did, whether fields were there or not", () => {
    const content = "---\r\n# mine\r\nb: 1 # one\r\nc: |\r\n  x\r\n  y\r\n---\r\ntext\r\n"
    expect(FrontMatter.withFields(content, { b: 1, c: "x\ny\n" })).toBe(content)
    expect(FrontMatter.withFields(content, { b: 2, d: "p\nq" })).toBe(
      "---\r\n# mine\r\nb: 2 # one\r\nc: |\r\n  x\r\n  y\r\nd: |-\r\n  p\r\n  q\r\n---\r\ntext\r\n",
    )
    expect(FrontMatter.withFields("one\r\ntwo\n", { a: 1 })).toBe("---\r\na: 1\r\n---\r\none\r\ntwo\n")
    expect(FrontMatter.withFields("one\ntwo\r\n", { a: 1 })).toBe("---\na: 1\n---\none\ntwo\r\n")
  })
})

it.prop(
  "what is written is read back, and the text below it is what it was",
  {
    metadata: FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue(), { maxKeys: 5 }),
    body: FastCheck.string(),
    end: FastCheck.constantFrom("\n", "\r\n"),
  },
  ({ body, end, metadata }) => {
    if (!isJsonObject(metadata)) return
    const written = FrontMatter.withFields(`body${end}${body}`, metadata)
    expect(fields(written)).toEqual(metadata)
    expect(written.endsWith(`body${end}${body}`)).toBe(true)
    expect(FrontMatter.withFields(written, metadata)).toBe(written)
  },
)
