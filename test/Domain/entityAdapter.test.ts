import { expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { describe } from "vitest"
import { EntityId } from "../../src/Domain/Entity.js"
import * as EntityAdapter from "../../src/Domain/EntityAdapter.js"
import * as Input from "../../src/Domain/EntityInput.js"

const Person = EntityAdapter.make({
  entityType: "person",
  schema: Schema.Struct({
    id: Schema.String,
    name: Schema.NonEmptyString,
    born: Schema.NumberFromString,
    email: Schema.optional(Schema.String),
  }),
  text: ({ name }) => `${name}, a person`,
})

const ada = { id: "ada", name: "Ada Lovelace", born: 1815, email: undefined }

const Article = EntityAdapter.make({
  entityType: "article",
  schema: Schema.Struct({
    content: Schema.String,
    title: Schema.String,
    tags: Schema.Array(Schema.String),
    draft: Schema.Boolean,
  }),
})

describe("a type of the host's own", () => {
  it("becomes an entity: id and text are its own, the rest is metadata, as JSON", () => {
    expect(Person.toInput(ada)).toEqual(
      Either.right({
        entityType: "person",
        id: "ada",
        content: "Ada Lovelace, a person",
        metadata: { name: "Ada Lovelace", born: "1815" },
      }),
    )
  })

  it("is itself again from the entity", () => {
    const input = Either.getOrThrow(Either.flatMap(Person.toInput(ada), Input.check))
    const { email: _, ...rest } = ada
    expect(Person.fromEntity({ ...input, id: EntityId.make("ada") })).toEqual(Either.right(rest))
  })

  it("names the field that does not fit", () => {
    const entity = { id: EntityId.make("x"), content: "x", metadata: { name: "", born: "1815" } }
    expect(Person.fromEntity(entity)).toMatchObject({ left: { field: "metadata.name" } })
    const tags = {
      id: EntityId.make("x"),
      content: "x",
      metadata: { title: "t", draft: true, tags: ["a", 1] },
    }
    expect(Article.flawOf(tags)).toMatchObject({ field: "metadata.tags[1]" })
  })

  it("is a markdown file: its fields above its text, and itself again from that", () => {
    const article = { content: "# Rye\n\nWait.\n", title: "Rye: a bread", tags: ["bread"], draft: false }
    const file = Either.getOrThrow(Article.toMarkdown(article))
    expect(file).toBe('---\ntitle: "Rye: a bread"\ntags:\n  - bread\ndraft: false\n---\n# Rye\n\nWait.\n')
    expect(Article.fromMarkdown(file)).toEqual(Either.right(article))
    // A file that was imported has its front matter in its content; it is no part of the article's text.
    const metadata = { title: "Rye: a bread", tags: ["bread"], draft: false }
    expect(Article.fromEntity({ id: EntityId.make("rye"), content: file, metadata })).toEqual(
      Either.right(article),
    )
  })

  it("says what of a file is not in order", () => {
    expect(Article.fromMarkdown("---\ntitle: [\n---\nx")).toMatchObject({ left: { field: "content" } })
    expect(Article.fromMarkdown("no fields at all")).toMatchObject({ left: { field: "metadata.title" } })
  })

  it.prop(
    "comes through entity and markdown as it was",
    {
      content: FastCheck.string({ minLength: 1 }).filter((text) => text.trim() !== "" && text.isWellFormed()),
      title: FastCheck.string({ unit: "grapheme" }),
      tags: FastCheck.array(FastCheck.string({ unit: "grapheme" }), { maxLength: 4 }),
      draft: FastCheck.boolean(),
    },
    ({ content, ...fields }) => {
      // A text that begins with front matter of its own is taken for a file.
      FastCheck.pre(!content.trimStart().startsWith("---"))
      const article = { content, ...fields }
      const input = Either.getOrThrow(Either.flatMap(Article.toInput(article), Input.check))
      expect(Article.fromEntity({ ...input, id: EntityId.make("x") })).toEqual(Either.right(article))
      const file = Either.getOrThrow(Article.toMarkdown(article))
      expect(Article.fromMarkdown(file)).toEqual(Either.right(article))
    },
    { fastCheck: { numRuns: 200 } },
  )
})

describe("whether it works", () => {
  const text = Schema.Struct({ content: Schema.String })

  it("is known before anything is written", () => {
    expect(EntityAdapter.make({ entityType: "note", schema: text }).flaw()).toBeUndefined()
    expect(EntityAdapter.make({ entityType: "no name", schema: text }).flaw()).toMatch(/^must be a name/)
    expect(EntityAdapter.make({ entityType: "n", schema: Schema.Array(Schema.String) }).flaw()).toBe(
      "has a schema that is not of an object with fields",
    )
    expect(EntityAdapter.make({ entityType: "n", schema: Schema.Struct({ a: Schema.String }) }).flaw()).toBe(
      "has no field `content`, and no `text` that says what it is found by",
    )
  })

  it("is tried on its example", () => {
    const lossy = Schema.transform(Schema.String, Schema.Number, {
      decode: Number,
      encode: (value) => value.toFixed(1),
    })
    const schema = Schema.Struct({ content: Schema.String, rank: lossy })
    const flawWith = (example: { readonly content: string; readonly rank: number }) =>
      EntityAdapter.make({ entityType: "n", schema, example }).flaw()
    expect(flawWith({ content: "x", rank: 1.5 })).toBeUndefined()
    expect(flawWith({ content: "", rank: 1 })).toMatch(
      /^does not take its own example: content: must not be empty/,
    )
    const counting = Schema.Struct({
      content: Schema.String,
      seen: Schema.transform(Schema.Number, Schema.Number, { decode: (n) => n, encode: (n) => n + 1 }),
    })
    expect(
      EntityAdapter.make({ entityType: "n", schema: counting, example: { content: "x", seen: 1 } }).flaw(),
    ).toBe("loses something of its own example in an entity")
  })
})
