import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { covers, embeddedText } from "../../src/Domain/Chunk.js"
import * as Markdown from "../../src/Embedder/Markdown.js"
import * as Pieces from "../../src/Embedder/Pieces.js"
import type * as Windows from "../../src/Embedder/Windows.js"
import { chunksOf } from "../support/chunks.js"

/** A token per word or sign, and one per character of a word of more than five; as little regular as a real tokenizer. */
const encode: Windows.Encode<never, never> = (text) =>
  Effect.sync(() =>
    Array.from(text.matchAll(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu)).flatMap((match) =>
      match[0].length <= 5 ? [match.index] : Array.from(match[0], (_, index) => match.index + index),
    ),
  )

const cut = (text: string, limit: number, title = "") =>
  Effect.map(Pieces.pieces({ title, text }, limit, encode), (pieces) => chunksOf(text, pieces))

const words = FastCheck.array(
  FastCheck.constantFrom("a", "be", "sea", "dear", "earth", "fly. ", "go? ", "日本。"),
  {
    minLength: 1,
    maxLength: 30,
  },
).map((list) => list.join(" "))

/** Markdown of all kinds, and what only looks like it. */
const block = FastCheck.oneof(
  words,
  FastCheck.tuple(FastCheck.integer({ min: 1, max: 4 }), words).map(
    ([depth, text]) => `${"#".repeat(depth)} ${text.slice(0, 30)}`,
  ),
  FastCheck.array(words, { minLength: 1, maxLength: 6 }).map((list) =>
    list.map((one) => `- ${one}`).join("\n"),
  ),
  words.map((text) => `\`\`\`ts\n${text.replaceAll(" ", "\n")}\n\`\`\``),
  words.map(
    (text) =>
      `| a | b |\n|---|---|\n${text
        .split(" ")
        .map((one) => `| ${one} | x |`)
        .join("\n")}`,
  ),
  words.map((text) => `> ${text}`),
  FastCheck.constantFrom(
    "---\nkey: value\n---",
    "<div>\n\n</div>",
    "[a]: b",
    "Title\n===",
    "```",
    "\t# code",
    "🎈🎈",
    "",
  ),
  FastCheck.string(),
)

const markdown = FastCheck.array(block, { maxLength: 25, size: "max" }).map((blocks) => blocks.join("\n\n"))

const anything = FastCheck.oneof(markdown, FastCheck.string({ unit: "binary", maxLength: 300 }))

describe("pieces", () => {
  it.effect.prop(
    "of any text fit with their heading, cover the text in order, and are the same every time",
    {
      text: anything,
      limit: FastCheck.integer({ min: 12, max: 60 }),
      title: FastCheck.constantFrom("", "A title"),
    },
    ({ limit, text, title }) =>
      Effect.gen(function* () {
        const chunks = yield* cut(text, limit, title)
        assert.isTrue(covers(chunks, text))
        for (const chunk of chunks) {
          const { length } = yield* encode(embeddedText(chunk))
          // A single character can have more tokens than fit, here as with a real tokenizer.
          assert.isTrue(length <= limit || Array.from(chunk.text).length === 1)
        }
        assert.deepStrictEqual(yield* cut(text, limit, title), chunks)
        if ((yield* encode(text)).length + (yield* encode(title)).length <= limit) {
          assert.strictEqual(chunks.length, 1)
        }
      }),
    { fastCheck: { numRuns: 300 } },
  )

  it.effect.prop(
    "of the other sections stay as they are when one section is edited",
    {
      sections: FastCheck.array(
        FastCheck.array(FastCheck.constantFrom("one", "two", "three", "four.", "five"), {
          minLength: 20,
          maxLength: 120,
        }).map((list) => list.join(" ")),
        { minLength: 3, maxLength: 6 },
      ),
      edited: FastCheck.nat(),
      edit: words,
    },
    ({ edit, edited, sections }) =>
      Effect.gen(function* () {
        const write = (parts: ReadonlyArray<string>) =>
          parts.map((part, at) => `## Part ${at}\n\n${part}\n\n`).join("")
        const at = edited % sections.length
        const before = yield* cut(write(sections), 50)
        const after = yield* cut(write(sections.with(at, `${sections[at] ?? ""} ${edit}`)), 50)
        const others = before.filter(({ path }) => !path.includes(`Part ${at}`))
        const hashes = new Set(after.map(({ inputHash }) => inputHash))
        assert.isAbove(others.length, 0)
        for (const { inputHash } of others) assert.isTrue(hashes.has(inputHash))
      }),
  )

  it.effect("know the headings above them, which go in front of what follows", () =>
    Effect.gen(function* () {
      const filler = "word ".repeat(30).trim()
      const text = `# Bread\n\n${filler}\n\n## Dough\n\n${filler}\n\n### Rest\n\n${filler}\n\n## Oven\n\n${filler}\n`
      const chunks = yield* cut(text, 50)
      assert.deepStrictEqual(
        chunks.map(({ heading, path, text }) => [heading, path, text.slice(0, 8)]),
        [
          ["", ["Bread"], "# Bread\n"],
          ["Bread", ["Bread", "Dough"], "## Dough"],
          ["Bread > Dough", ["Bread", "Dough", "Rest"], "### Rest"],
          ["Bread", ["Bread", "Oven"], "## Oven\n"],
        ],
      )
      const titled = yield* cut(text, 50, "Recipes")
      assert.deepStrictEqual(
        titled.map(({ heading }) => heading),
        ["Recipes", "Recipes > Bread", "Recipes > Bread > Dough", "Recipes > Bread"],
      )
      // A first heading that says the title again is said once.
      const twice = yield* cut(text, 50, "Bread")
      assert.deepStrictEqual(
        twice.map(({ path }) => path[0]),
        ["Bread", "Bread", "Bread", "Bread"],
      )
      assert.isFalse(twice.some(({ heading }) => heading.includes("Bread > Bread")))
    }),
  )

  it.effect(
    "keep code, tables and lists whole where they fit, and repeat a sentence where prose is cut",
    () =>
      Effect.gen(function* () {
        const code = `\`\`\`ts\n${"let x = 1\n".repeat(5)}\`\`\``
        const table = `| a | b |\n|---|---|\n${"| one | two |\n".repeat(4)}`
        const list = "- one two\n".repeat(9)
        const text = [code, table, list, "One two. ".repeat(20)].join("\n")
        const chunks = yield* cut(text, 48)
        for (const whole of [code, table, list]) {
          assert.strictEqual(chunks.filter((chunk) => chunk.text.includes(whole.trim())).length, 1, whole)
        }
        const prose = yield* cut(Array.from({ length: 40 }, (_, i) => `Say ${i} now. `).join(""), 40)
        for (const [at, { start, text }] of prose.entries()) {
          const before = prose[at - 1]
          if (before === undefined) continue
          const shared = before.start + before.text.length - start
          assert.match(text.slice(0, shared), /^Say \d+ now\. $/)
        }
      }),
  )

  it.effect("fall where lines end in code that is too long, and are of about the same length", () =>
    Effect.gen(function* () {
      const text = `\`\`\`\n${Array.from({ length: 40 }, (_, i) => `line ${i}`).join("\n")}\n\`\`\`\n`
      const chunks = yield* cut(text, 30)
      for (const { text } of chunks) assert.match(text, /\n$/)
      const lengths = yield* Effect.forEach(chunks, ({ text }) =>
        Effect.map(encode(text), (list) => list.length),
      )
      assert.isAtMost(Math.max(...lengths) - Math.min(...lengths), 8)
    }),
  )
})

describe("sections", () => {
  it("begin at headings and nowhere else; front matter and code are no headings", () => {
    const text =
      "\ufeff---\ntitle: x\n# no\n---\n\nintro\n\nA\n=\n\n```\n# no\n```\n\n## B `c` *d*\n\n> # no\n"
    const [stretch] = Markdown.stretchesOf(text.slice(1))
    assert.deepStrictEqual(
      stretch?.sections.map(({ path }) => path),
      [[], ["A"], ["A", "B c d"]],
    )
    const marked = [...Markdown.stretchesOf(text)]
    assert.strictEqual(
      marked
        .flatMap(({ sections }) => sections)
        .flatMap(({ blocks }) => blocks)
        .map(({ from, to }) => text.slice(from, to))
        .join(""),
      text,
    )
  })

  it("of a text of megabytes are read in stretches, each begun where a section does", () => {
    const text = Array.from({ length: 4_000 }, (_, i) => `## Part ${i}\n\n${"word ".repeat(20)}\n\n`).join("")
    const stretches = [...Markdown.stretchesOf(text)]
    assert.isAbove(stretches.length, 3)
    assert.strictEqual(stretches.map(({ from, to }) => text.slice(from, to)).join(""), text)
    for (const { from } of stretches) assert.isTrue(text.startsWith("## Part", from))
    assert.strictEqual(stretches.flatMap(({ sections }) => sections).length, 4_000)
  })
})
