import { expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import { isJsonObject, type Json } from "../../src/Domain/Entity.js"
import { canonicalJson, contentHash, sha256 } from "../../src/Domain/Hash.js"

const json = FastCheck.jsonValue({ maxDepth: 4 }).map((value): Json => JSON.parse(JSON.stringify(value)))
const document = FastCheck.dictionary(FastCheck.string(), json).filter(isJsonObject)

/** The same value with the keys of every object the other way round. */
const reversed = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, reversed(inner)]),
  )
}

describe("canonical JSON", () => {
  it.prop("does not depend on the order of keys", [json], ([value]) => {
    expect(canonicalJson(reversed(value))).toBe(canonicalJson(value))
  })

  it.prop("is JSON of the same value", [json], ([value]) => {
    expect(JSON.parse(canonicalJson(value))).toEqual(value)
  })

  it("puts keys in order at every level, and leaves arrays as they are", () => {
    expect(canonicalJson({ b: [{ z: 1, a: 2 }, 3], a: { d: null, c: "x" } })).toBe(
      '{"a":{"c":"x","d":null},"b":[{"a":2,"z":1},3]}',
    )
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":2,"10":3,"9":4}'))).toBe(
      '{"10":3,"9":4,"__proto__":2,"b":1}',
    )
  })
})

describe("content hash", () => {
  it("is the one that databases hold already", () => {
    expect(sha256("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    expect(sha256("Grüße 🎈")).toBe("8578f3f1b61a780f01938d0354f21bb837fd18f2843c3f50f8ace86544842898")
    expect(contentHash("Grüße 🎈", { b: null, a: [1, "ä"] })).toBe(
      "7845b6a9e18b61c9ee676170b7ac96347964668c654c73c585c23a6763f16816",
    )
  })

  it.prop(
    "is the same exactly when content and metadata are",
    [FastCheck.string(), document, FastCheck.string(), document],
    ([content, metadata, otherContent, otherMetadata]) => {
      const reordered = reversed(metadata)
      if (isJsonObject(reordered)) {
        expect(contentHash(content, reordered)).toBe(contentHash(content, metadata))
      }
      const same = content === otherContent && canonicalJson(metadata) === canonicalJson(otherMetadata)
      expect(contentHash(content, metadata) === contentHash(otherContent, otherMetadata)).toBe(same)
      expect(contentHash(`${content}.`, metadata)).not.toBe(contentHash(content, metadata))
      expect(contentHash(content, { ...metadata, "one more": 1 })).not.toBe(contentHash(content, metadata))
    },
  )

  it("does not take the end of the content for the beginning of the metadata", () => {
    expect(contentHash('a\n{"b":1}', {})).not.toBe(contentHash("a", { b: 1 }))
  })
})
