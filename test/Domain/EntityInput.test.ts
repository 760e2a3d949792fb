import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { describe } from "vitest"
import { maxContentBytes, maxIdLength, maxMetadataBytes } from "../../src/Domain/Entity.js"
import * as Input from "../../src/Domain/EntityInput.js"

/** Which field was refused and why; nothing when it was not. */
const flawOf = <A>(result: Either.Either<A, { readonly field: string; readonly reason: string }>) =>
  Either.match(result, { onLeft: ({ field, reason }) => `${field}: ${reason}`, onRight: () => undefined })

const accepted = <A>(result: Either.Either<A, unknown>) => Either.getOrThrow(result)

const nested = (levels: number): object => (levels === 0 ? {} : { in: nested(levels - 1) })

describe("content", () => {
  it.each([
    ["nothing", "", /^content: must not be empty/],
    ["white space only", " \t\r\n\u00a0\u3000\ufeff", /^content: must not be empty/],
    ["no string", 42, /^content: must be a string/],
    ["a String object", new String("text"), /^content: must be a string/],
    ["nothing at all", undefined, /^content: must be a string/],
    ["a lone high surrogate", "a\ud83d b", /^content: .*lone surrogate/],
    ["a lone low surrogate", "\udf88", /^content: .*lone surrogate/],
    ["five megabytes", "x".repeat(5 * 1024 * 1024), /^content: must have at most 4194304 bytes, has 5242880/],
    // Half as many characters as bytes.
    ["a byte too much", "ä".repeat(maxContentBytes / 2) + "a", /^content: must have at most/],
  ])("refuses %s", (_name, value, reason) => {
    expect(flawOf(Input.content(value))).toMatch(reason)
  })

  it.each([
    ["the limit to the byte", "ä".repeat(maxContentBytes / 2)],
    ["NUL bytes", "a\u0000b"],
    ["a surrogate pair", "🎈"],
    ["white space around it", "\n text \n"],
  ])("takes %s as it is", (_name, value) => {
    expect(accepted(Input.content(value)) === value).toBe(true)
  })
})

describe("id", () => {
  it.each([
    ["an empty one", "", /^id: must not be empty/],
    ["a thousand characters", "x".repeat(1000), /^id: must have at most 512 characters, has 1000/],
    ["a control character", "a\u0007b", /^id: must not contain control characters/],
    ["a NUL", "a\u0000", /^id: must not contain control characters/],
    ["a line break", "a\nb", /^id: must not contain control characters/],
    ["a leading space", " a", /^id: must not begin or end with white space/],
    ["a trailing no-break space", "a\u00a0", /^id: must not begin or end with white space/],
    ["a lone surrogate", "a\ud83d", /^id: .*lone surrogate/],
    ["a number", 7, /^id: must be a string/],
    ["null", null, /^id: must be a string/],
  ])("refuses %s", (_name, value, reason) => {
    expect(flawOf(Input.entityId(value))).toMatch(reason)
  })

  it.each([
    ["a slash", "guides/loading/lazy"],
    ["dots and a space", "../a b.md"],
    ["the longest", "x".repeat(maxIdLength)],
    ["other scripts", "заметка-🎈"],
    ["quotes and wildcards", `o'hara "%_*`],
  ])("takes %s as it is", (_name, value) => {
    expect(accepted(Input.entityId(value))).toBe(value)
  })
})

describe("entity type", () => {
  it.each(["", "1note", "-note", "no te", "nöte", "a/b", "a\n", "x".repeat(65), null, 5, {}])(
    "refuses %j",
    (value) => {
      expect(flawOf(Input.entityType(value))).toMatch(/^entityType: must be a (name|string)/)
    },
  )

  it.each(["a", "Note", "note-2_b", "x".repeat(64)])("takes %s", (value) => {
    expect(accepted(Input.entityType(value))).toBe(value)
  })

  it("is base when there is none", () => {
    expect(accepted(Input.entityType(undefined))).toBe("base")
  })
})

class Point {
  readonly x = 1
}

const cycle: Record<string, unknown> = { name: "cycle" }
cycle["self"] = cycle

/** Each level names the one below twice: 2^40 leaves from forty objects. */
const bush = Array.from({ length: 40 }).reduce<object>((below) => ({ left: below, right: below }), {})

const throwing = {
  get secret(): string {
    throw new Error("do not look")
  },
}

const hostile = new Proxy(
  {},
  {
    ownKeys: () => {
      throw new Error("do not look")
    },
  },
)

describe("metadata", () => {
  it.each<readonly [string, unknown, RegExp]>([
    ["an array", [], /^metadata: must be an object/],
    ["a string", "{}", /^metadata: must be an object/],
    ["null", null, /^metadata: must be an object/],
    ["undefined inside", { a: { b: undefined } }, /^metadata\.a\.b: is undefined, which JSON cannot hold/],
    ["a function", { a: [1, () => 1] }, /^metadata\.a\[1\]: is a function/],
    ["a symbol", { a: Symbol("s") }, /^metadata\.a: is a symbol/],
    ["a key that is a symbol", { a: { [Symbol("s")]: 1 } }, /^metadata\.a: has a key that is a symbol/],
    ["a bigint", { tags: ["x", "y", 1n] }, /^metadata\.tags\[2\]: is a bigint/],
    ["NaN", { a: Number.NaN }, /^metadata\.a: is NaN/],
    ["infinity", { a: Number.NEGATIVE_INFINITY }, /^metadata\.a: is -Infinity/],
    ["a hole", { a: [1, , 3] }, /^metadata\.a\[1\]: is undefined/], // oxlint-disable-line no-sparse-arrays
    // @effect-diagnostics-next-line globalDate:off
    ["a Date", { a: new Date(0) }, /^metadata\.a: is not a plain object/],
    ["a Map", { a: new Map() }, /^metadata\.a: is not a plain object/],
    ["bytes", { a: new Uint8Array(2) }, /^metadata\.a: is not a plain object/],
    ["a class instance", new Point(), /^metadata: is not a plain object/],
    ["its own toJSON", { a: { toJSON: () => "gone" } }, /^metadata\.a\.toJSON: is a function/],
    ["a circle", cycle, /^metadata\.self.*: is nested deeper than 64 levels, or in a circle/],
    ["65 levels", nested(65), /: is nested deeper than 64 levels/],
    ["a lone surrogate", { a: "\ud83d" }, /^metadata\.a: contains a lone surrogate/],
    ["a key with a lone surrogate", { a: { "\udf88": 1 } }, /^metadata\.a: has a key with a lone surrogate/],
    ["a getter", throwing, /^metadata\.secret: is an accessor/],
    ["a proxy that throws", hostile, /^metadata: cannot be read/],
    ["a proxy that throws, inside", { a: hostile }, /^metadata: cannot be read/],
    [
      "too much text",
      { a: "x".repeat(maxMetadataBytes) },
      /^metadata: must have at most 262144 bytes as JSON/,
    ],
    ["an endless bush", bush, /: lies beyond the limit of 262144 bytes/],
    ["an endless array", { a: Array.from({ length: 300_000 }, () => 0) }, /: lies beyond the limit/],
  ])("refuses %s", (_name, value, reason) => {
    expect(flawOf(Input.metadata(value))).toMatch(reason)
  })

  it("takes 64 levels, an object without a prototype, and what fills the limit to the byte", () => {
    expect(accepted(Input.metadata(nested(64)))).toEqual(nested(64))
    expect(accepted(Input.metadata(Object.assign(Object.create(null), { a: 1 })))).toEqual({ a: 1 })
    const full = { a: "x".repeat(maxMetadataBytes - 8) }
    expect(JSON.stringify(full).length).toBe(maxMetadataBytes)
    expect(accepted(Input.metadata(full))).toEqual(full)
    const many = { a: Array.from({ length: 131_000 }, () => 0) }
    expect(accepted(Input.metadata(many))).toEqual(many)
  })

  it("keeps a key named __proto__ as a key, and pollutes nothing", () => {
    const kept = accepted(Input.metadata(JSON.parse('{"__proto__":{"polluted":true},"constructor":1}')))
    expect(JSON.stringify(kept)).toBe('{"__proto__":{"polluted":true},"constructor":1}')
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype)
    expect("polluted" in {}).toBe(false)
  })

  it("answers a copy: what its caller does to the original later is not stored unchecked", () => {
    const tags: Array<unknown> = ["a"]
    const kept = accepted(Input.metadata({ tags }))
    tags.push(() => "no JSON")
    expect(kept).toEqual({ tags: ["a"] })
  })

  it.prop(
    "takes every JSON object as it is",
    [FastCheck.dictionary(FastCheck.fullUnicodeString(), FastCheck.jsonValue({ noUnicodeString: false }))],
    ([document]) => {
      // JSON knows no minus zero, and no lone surrogates are made here but by the arbitrary itself.
      const value: unknown = JSON.parse(JSON.stringify(document).toWellFormed())
      const result = Input.metadata(value)
      if (Either.isLeft(result)) expect(result.left.reason).toMatch(/lone surrogate/)
      else expect(result.right).toEqual(value)
    },
  )
})

describe("a whole input", () => {
  it.effect("is checked field by field; what is absent is made up for", () =>
    Effect.gen(function* () {
      expect(yield* Input.check({ content: "text" })).toEqual({
        id: undefined,
        entityType: "base",
        content: "text",
        metadata: {},
      })
      for (const [input, field] of [
        [undefined, "entity"],
        [null, "entity"],
        ["text", "entity"],
        [[], "content"],
        [{}, "content"],
        [{ content: "x", id: null }, "id"],
        [{ content: "x", entityType: "no name" }, "entityType"],
        [{ content: "x", metadata: [] }, "metadata"],
        [throwing, "entity"],
        [hostile, "entity"],
      ] as const) {
        const error = yield* Effect.flip(Input.check(input))
        expect([error._tag, error.field]).toEqual(["InvalidEntity", field])
      }
    }),
  )

  it.effect("a patch changes only what it names", () =>
    Effect.gen(function* () {
      expect(yield* Input.checkPatch({})).toEqual({ content: undefined, metadata: undefined })
      expect(yield* Input.checkPatch({ content: "x" })).toEqual({ content: "x", metadata: undefined })
      expect((yield* Effect.flip(Input.checkPatch({ content: null }))).field).toBe("content")
      expect((yield* Effect.flip(Input.checkPatch({ metadata: null }))).field).toBe("metadata")
      expect((yield* Effect.flip(Input.checkPatch(undefined))).field).toBe("entity")
    }),
  )

  it.effect("a field that nobody knows is refused, with the one that was meant", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(Input.check({ content: "x", metdata: {} }))).toMatchObject({
        field: "metdata",
        reason: "is not known here: did you mean metadata?",
      })
      expect((yield* Effect.flip(Input.checkPatch({ contnt: "x" }))).message).toBe(
        "contnt: is not known here: did you mean content?",
      )
      expect((yield* Effect.flip(Input.check({ content: "x", created: 1 }))).message).toBe(
        "created: is not known here: known are id, entityType, content, metadata",
      )
    }),
  )

  it.effect("an entity that was read may be given back as it is", () =>
    Effect.gen(function* () {
      const view = { id: "a", entityType: "note", content: "x", metadata: {} }
      const read = { ...view, contentHash: "h", created: 1, updated: 1, embedding: { state: "ready" } }
      expect(yield* Input.check(read)).toEqual(view)
      expect(yield* Input.checkPatch(read)).toEqual({ content: "x", metadata: {} })
      expect((yield* Effect.flip(Input.check({ ...read, metdata: {} }))).field).toBe("metdata")
    }),
  )
})
