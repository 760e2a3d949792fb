import { Schema } from "effect"
import { createShell, defineEntityType, InvalidAdapterError, InvalidEntityError } from "embedbox/promise"
import { expect, expectTypeOf, it } from "vitest"
import { rejection, shellWith } from "./fixtures.js"

const Person = defineEntityType({
  entityType: "person",
  schema: Schema.Struct({ name: Schema.NonEmptyString, born: Schema.NumberFromString }),
  text: ({ name }) => `${name} is a person`,
})

const ada = { name: "Ada Lovelace", born: 1815 }

it("values of the host's own become entities, and themselves again", async () => {
  const shell = await shellWith({ entityTypes: [Person] })
  const { entityId } = await shell.createEntity(Person.toEntity(ada))
  const entity = await shell.getEntity(entityId, "person")
  expect(entity).toMatchObject({ content: "Ada Lovelace is a person", metadata: { born: "1815" } })
  const person = Person.fromEntity(entity)
  expectTypeOf(person).toEqualTypeOf<{ readonly name: string; readonly born: number }>()
  expect(person).toEqual(ada)
  expect(Person.toMarkdown(ada)).toBe('---\nname: Ada Lovelace\nborn: "1815"\n---\nAda Lovelace is a person')
  expect(Person.fromMarkdown(Person.toMarkdown(ada))).toEqual(ada)
})

it("what does not fit is an error that names the field, thrown or rejected with", async () => {
  const shell = await shellWith({ entityTypes: [Person] })
  const refused = await rejection(
    shell.createEntity({ entityType: "person", content: "x", metadata: { name: "Bob" } }),
  )
  expect(refused).toBeInstanceOf(InvalidEntityError)
  expect(refused).toMatchObject({ code: "INVALID_ENTITY", fault: "caller", field: "metadata.born" })
  expect(() => Person.fromEntity({ id: "x", content: "x", metadata: { name: "", born: "1" } })).toThrow(
    InvalidEntityError,
  )
  expect(await rejection(shell.createEntity({ entityType: "place", content: "Rome" }))).toMatchObject({
    message: 'entityType: "place" is not known here: known are person',
  })
})

it("a definition that says what is not known is refused, and so is a value that would lose a field", () => {
  const refusal = (change: object) => {
    try {
      const schema = Schema.Struct({ content: Schema.String })
      return defineEntityType(Object.assign({ entityType: "log", schema }, change))
    } catch (error) {
      return error
    }
  }
  expect(refusal({ isEmbedable: false })).toMatchObject({
    code: "INVALID_ADAPTER",
    message: expect.stringContaining("isEmbedable: is not known here: did you mean isEmbeddable?"),
  })
  expect(refusal({ isEmbeddable: "false" })).toMatchObject({
    message: expect.stringContaining("isEmbeddable: must be true or false"),
  })
  expect(refusal({ text: "content" })).toMatchObject({
    message: expect.stringContaining("text: must be a function"),
  })
  expect(() => Person.toEntity(Object.assign({ tilte: "Countess" }, ada))).toThrow(InvalidEntityError)
})

it("types come while it runs, and one that does not work is told at once", async () => {
  const shell = await shellWith({ entityTypes: [] })
  await shell.registerEntityType(Person)
  await shell.createEntity(Person.toEntity(ada))
  expect(await rejection(shell.registerEntityType(Person))).toBeInstanceOf(InvalidAdapterError)
  const nameless = defineEntityType({ entityType: "a b", schema: Schema.Struct({ content: Schema.String }) })
  expect(
    await rejection(createShell({ database: ":memory:", model: "fake", entityTypes: [nameless] })),
  ).toMatchObject({ code: "INVALID_ADAPTER", entityType: "a b" })
})
