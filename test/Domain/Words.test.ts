import { expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import { marksIn, matchAny, searchable, termsOf } from "../../src/Domain/Words.js"

const wordsOf = (question: string) => termsOf(question).map(({ word }) => word)

describe("searchable text", () => {
  it.each([
    ["plain words, Ärger", "plain words, Ärger"],
    ["call getEntityById()", "call getEntityById get Entity By Id()"],
    ["an HTTPServer", "an HTTPServer HTTP Server"],
    ["snake_case stays", "snake_case stays"],
    ["日本語を", " 日本 本語 語を を "],
    ["茶", " 茶 茶 "],
    ["ｶﾞｲﾄﾞ", " ガイ イド ド "],
    ["版本2的", " 版本 本 2 的 的 "],
  ])("%s", (text, indexed) => {
    expect(searchable(text)).toBe(indexed)
  })

  it("has the parts of names in every script that has capitals", () => {
    for (let code = 0x80; code <= 0x10ffff; code++) {
      const letter = String.fromCodePoint(code)
      if (/\p{Lu}/u.test(letter)) expect(searchable(`x${letter}`)).toContain(" x ")
      if (/\p{Ll}/u.test(letter)) expect(searchable(`${letter}X`)).toMatch(/ X$/)
    }
  })

  it("has the parts of ASCII names beside whatever else", () => {
    for (const beside of ["—", "’", "→", "😀", "漢", "é", "Ж"]) {
      expect(searchable(`${beside} getEntity ${beside}`)).toContain("getEntity get Entity")
    }
    expect(searchable("éaB")).toBe("éaB éa B")
    expect(searchable("👩🏽aB")).toBe("👩🏽aB a B")
  })

  it("is made in a time that grows with the text, whatever it is made of", () => {
    for (const part of ["x", "xY", "日", "日a", "é", "\u0301"]) {
      const text = part.repeat(1_000_000)
      expect(searchable(text).length).toBeGreaterThanOrEqual(text.length)
    }
  }, 20_000)
})

describe("the words of a question", () => {
  it("are those that tell something, each once, in lower case", () => {
    expect(wordsOf("How do I translate the Text of a page? translate!")).toEqual([
      "translate",
      "text",
      "page",
    ])
    expect(wordsOf("to be or not to be")).toEqual(["to", "be", "or", "not"])
    expect(wordsOf("useEffect")).toEqual(["useeffect", "use", "effect"])
    expect(wordsOf("e\u0301tude foo_bar 42")).toEqual(["étude", "foo_bar", "42"])
    expect(wordsOf(" …!? ")).toEqual([])
  })

  it("of scripts without spaces are pairs; a character alone is the beginning of pairs", () => {
    expect(termsOf("日本語")).toEqual([
      { word: "日本", begins: false },
      { word: "本語", begins: false },
    ])
    expect(termsOf("茶")).toEqual([{ word: "茶", begins: true }])
    expect(matchAny(termsOf("茶"))).toBe('"茶" *')
  })

  it("are never more than can be asked", () => {
    expect(termsOf(Array.from({ length: 1000 }, (_, i) => `word${i}`).join(" "))).toHaveLength(64)
  })
})

describe("marks", () => {
  const marked = (text: string, question: string) =>
    marksIn(text, termsOf(question)).map(([from, to]) => text.slice(from, to))

  it("are the words of the question, in any form in which full-text finds them", () => {
    expect(marked("Loading images: a Café, getImage, imagine", "load image cafe")).toEqual([
      "Loading",
      "images",
      "Café",
      "getImage",
    ])
    expect(marked("私は日本語を話す", "日本語")).toEqual(["日本語"])
    expect(marked("nothing of the kind", "image")).toEqual([])
  })

  it.prop(
    "lie within the text, in order, and do not touch",
    [FastCheck.fullUnicodeString({ maxLength: 100 }), FastCheck.fullUnicodeString({ maxLength: 20 })],
    ([text, question]) => {
      const marks = marksIn(text, termsOf(`${question} a日 b`))
      let last = -1
      for (const [from, to] of marks) {
        expect(from).toBeGreaterThan(last)
        expect(to).toBeGreaterThan(from)
        expect(to).toBeLessThanOrEqual(text.length)
        last = to
      }
    },
  )
})
