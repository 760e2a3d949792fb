import { expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import { EntityId, type JsonObject } from "../../src/Domain/Entity.js"
import { clipped, excerptLength, excerptOf, labelOf, titleOf } from "../../src/Domain/Text.js"

const titled = (content: string, metadata: JsonObject = {}) =>
  titleOf({ id: EntityId.make("the-id"), content, metadata })

describe("title", () => {
  it.each<readonly [string, string, JsonObject, string]>([
    ["the metadata's", "# Heading", { title: "  Given " }, "Given"],
    ["the heading's where the metadata's is no text", "# Heading", { title: 7 }, "Heading"],
    ["the heading's where the metadata's is empty", "# Heading", { title: " " }, "Heading"],
    ["of the first heading of any level", "text\n\n  ### Third ###\n# First", {}, "Third"],
    ["without the line end of Windows", "# Heading\r\ntext", {}, "Heading"],
    ["with a sharp that belongs to it", "# About C#", {}, "About C#"],
    ["the id where nothing is headed", "text\n#hashtag\n    # code", {}, "the-id"],
    ["the id where the heading is empty", "#  \n#\n", {}, "the-id"],
    ["the id where the heading is far down", `${"x".repeat(5000)}\n# Heading`, {}, "the-id"],
  ])("is %s", (_name, content, metadata, title) => {
    expect(titled(content, metadata)).toBe(title)
  })

  it("never ends with half of a character", () => {
    for (const before of ["# ", "# x"]) {
      const title = titled(before + "🎈".repeat(3000))
      expect(title.isWellFormed()).toBe(true)
      expect(title.length).toBeGreaterThan(4000)
    }
  })
})

const word = FastCheck.stringMatching(/^[a-z]{1,20}$/)
const prose = FastCheck.array(word, { minLength: 40, maxLength: 300 })
/** Anything well-formed, long enough to be cut, with few places to cut at. */
const strange = FastCheck.array(
  FastCheck.constantFrom("🎈", "ä", "x".repeat(90), "🎈".repeat(70), " ", "\n\n", "word", "İ"),
  { minLength: 20, maxLength: 120 },
).map((parts) => parts.join(""))

const folded = (text: string) => text.replace(/\s+/g, " ").trim()

const bare = (excerpt: string) => excerpt.replace(/^… /, "").replace(/ …$/, "")

describe("excerpt", () => {
  it("has no control characters", () => {
    expect(excerptOf("one\u0000\u0000\u001b[31mtwo\u0085three\r\nfour", [])).toBe("one [31mtwo three four")
  })

  it.prop(
    "is a stretch of the text, never too long, never with half of a character",
    [
      FastCheck.oneof(
        strange,
        prose.map((words) => words.join(" ")),
        FastCheck.fullUnicodeString(),
      ),
      word,
    ],
    ([text, wanted]) => {
      const well = text.toWellFormed()
      const excerpt = excerptOf(well, [wanted, "word", "🎈"])
      expect(folded(well)).toContain(bare(excerpt))
      expect(bare(excerpt).length).toBeLessThanOrEqual(excerptLength)
      expect(excerpt.isWellFormed()).toBe(true)
      expect(bare(excerpt) === "").toBe(folded(well) === "")
      // Dots where something was left out, and nowhere else.
      expect(excerpt.startsWith("… ")).toBe(!folded(well).startsWith(bare(excerpt)))
    },
  )

  it.prop(
    "holds the wanted word, whole, wherever it stands",
    [prose, FastCheck.nat(), FastCheck.constantFrom("needle7", "needle7,", "(needle7)", "x-needle7")],
    ([words, place, needle]) => {
      const text = words.toSpliced(place % words.length, 0, needle).join(" ")
      expect(excerptOf(text, ["needle7"])).toContain("needle7")
    },
    { fastCheck: { numRuns: 1000 } },
  )

  it("leaves front matter out, and nothing that only looks like it", () => {
    expect(excerptOf("---\ntitle: Tax\n\ntags: [a]\n---\nThe tax papers.", ["tax"])).toBe("The tax papers.")
    for (const text of [
      "---\ntitle: Tax\n---\n",
      "---\nA line: drawn\n---\nwith prose",
      "---\nkey: open",
      "a\n---\nk: v\n---\nb",
    ]) {
      expect(excerptOf(text, [])).toBe(text.replaceAll("\n", " ").trim())
    }
    expect(labelOf({ id: "x", content: "---\ntags: [a]\n---\nThe tax papers.", metadata: {} })).toBe(
      "The tax papers.",
    )
  })

  it("does not lose the word it was cut at", () => {
    for (let before = 0; before < 200; before++) {
      const text = `${"a ".repeat(before)}needle ${"b ".repeat(300)}`
      expect(excerptOf(text, ["needle"])).toContain("needle")
    }
  })

  it("is found in megabytes without any white space as well", () => {
    const text = `${"x".repeat(2_000_000)}needle${"x".repeat(2_000_000)}`
    expect(excerptOf(text, ["needle"])).toMatch(/^… x+needlex+ …$/)
  }, 10_000)

  it("shows a short text whole, with line breaks folded", () => {
    expect(excerptOf(" # One\n\n  two\tthree ", ["two"])).toBe("# One two three")
  })

  it("prefers the stretch with most of the words", () => {
    const filler = "filler ".repeat(100)
    const text = `alpha ${filler} alpha beta ${filler} beta ${filler}`
    expect(excerptOf(text, ["alpha", "beta"])).toContain("alpha beta")
  })

  it("cuts at white space where there is any near", () => {
    const excerpt = excerptOf("abcdefghi ".repeat(100), ["nowhere"])
    expect(excerpt.endsWith("abcdefghi …")).toBe(true)
    expect(excerpt.startsWith("abcdefghi ")).toBe(true)
  })
})

describe("a clipped text", () => {
  it("is the text itself where that is short enough", () => {
    expect(clipped("", 5)).toBe("")
    expect(clipped("12345", 5)).toBe("12345")
    expect(clipped("a🎈bc", 5)).toBe("a🎈bc")
  })

  it("is never longer than asked for, well-formed, and says that it was cut", () => {
    expect(clipped("123456", 5)).toBe("1234…")
    expect(clipped("123🎈", 4)).toBe("123…")
    expect(clipped("12🎈🎈", 4)).toBe("12…")
    expect(clipped("1\ud83c2", 5)).toBe("1\ufffd2")
    const text = FastCheck.string({ unit: "binary", maxLength: 30 })
    FastCheck.assert(
      FastCheck.property(text, FastCheck.integer({ min: 1, max: 30 }), (given, most) => {
        const short = clipped(given, most)
        expect(short.length).toBeLessThanOrEqual(most)
        expect(short.isWellFormed()).toBe(true)
        expect(given.length <= most ? short === given : short.endsWith("…")).toBe(true)
      }),
    )
  })
})
