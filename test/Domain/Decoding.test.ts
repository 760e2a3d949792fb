import { describe, expect, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Decoding from "../../src/Domain/Decoding.js"
import { Entity, JsonObject } from "../../src/Domain/Entity.js"
import { Job } from "../../src/Domain/Job.js"

/** The entity, with metadata that can be made by chance. */
const Note = Schema.Struct({
  ...Entity.fields,
  metadata: JsonObject.annotations({
    arbitrary: () => (fc) => fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), fc.integer()),
  }),
})

const Changing = Schema.Struct({ at: Schema.NumberFromString, note: Schema.optional(Schema.String) })

/** A row as it should be, or with one field that is wrong, missing or too many. */
const rows = <A, I extends object>(schema: Schema.Schema<A, I>) =>
  FastCheck.tuple(
    Arbitrary.make(Schema.encodedBoundSchema(schema)),
    FastCheck.option(
      FastCheck.tuple(
        FastCheck.constantFrom("jobId", "id", "entityId", "created", "status", "metadata", "at", "more"),
        FastCheck.constantFrom<unknown>("", " a", -1, 0.5, null, undefined, [], {}, "\ud800"),
      ),
      { freq: 2 },
    ),
  ).map(([row, change]): unknown => (change === null ? row : { ...row, [change[0]]: change[1] }))

const same = <A, I extends object>(schema: Schema.Schema<A, I>) => {
  const decode = Decoding.list(schema)
  const parse = Schema.decodeUnknownEither(Schema.Array(schema))
  const decodeFirst = Decoding.first(schema)
  const decodeJson = Decoding.json(schema)
  const parseJson = Schema.decodeEither(Schema.parseJson(schema))
  FastCheck.assert(
    FastCheck.property(FastCheck.array(rows(schema), { maxLength: 3 }), (values) => {
      const message = Either.mapLeft((error: { readonly message: string }) => error.message)
      expect(message(decode(values))).toEqual(message(parse(values)))
      if (values.length > 0) {
        expect(Either.getRight(decodeFirst(values))).toEqual(
          Either.getRight(Either.map(parse(values.slice(0, 1)), ([one]) => one)),
        )
      }
      const text = JSON.stringify(values[0] ?? null)
      expect(message(decodeJson(text))).toEqual(message(parseJson(text)))
    }),
    { numRuns: 300 },
  )
}

describe("decoding", () => {
  it("answers what the parser of the Schema would", () => {
    same(Job)
    same(Note)
    same(Changing)
    same(Schema.Struct({ kind: Schema.Literal(0, 1), name: Schema.NullOr(Schema.NonEmptyString) }))
  })

  it("says of a list without a first, and of what is no JSON, what the parser would", () => {
    expect(Either.isLeft(Decoding.first(Job)([]))).toBe(true)
    expect(Either.isLeft(Decoding.json(Entity)("{"))).toBe(true)
  })

  it("takes rows that are right as they are, without a copy", () => {
    const jobs = FastCheck.sample(Arbitrary.make(Job), 20)
    expect(Either.getOrThrow(Decoding.list(Job)(jobs))).toBe(jobs)
    const entities = FastCheck.sample(Arbitrary.make(Note), 20)
    expect(Either.getOrThrow(Decoding.list(Entity)(entities))).toBe(entities)
  })
})
