/** Parameters that several tools take, so that they mean the same in each. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { maxContentBytes, maxIdLength, maxMetadataBytes } from "../Domain/Entity.js"

const text = (description: string) => Schema.String.annotations({ description })

/** What may be left out. In JSON there is no undefined that could stand for it. */
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** A text that may be left out. */
export const optionalText = (description: string) => optional(text(description))

/** One of some words, or left out. */
export const choice = <const Words extends readonly [string, ...Array<string>]>(
  description: string,
  ...words: Words
) =>
  optional(
    Schema.Literal(...words).annotations({
      description,
      message: () => ({
        message: `must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
        override: true,
      }),
    }),
  )

/** A whole number within bounds, with what it is when it is not given. */
export const whole = (what: string, from: number, to: number, fallback: number) => {
  const message = () => `must be a whole number from ${from} to ${to}`
  const description = `${what} ${from} to ${to}; ${fallback} if left out.`
  return Schema.optionalWith(
    Schema.Number.annotations({ message }).pipe(
      Schema.filter((given) => Number.isInteger(given) && given >= from && given <= to, {
        message,
        jsonSchema: { type: "integer", minimum: from, maximum: to, default: fallback, description },
      }),
    ),
    { exact: true, default: () => fallback },
  )
}

export const id = text("The note's id, as search_notes and list_notes tell it.")

export const type = optionalText("The note's type. Needed only where several types have this id.")

export const types = (description: string) =>
  optional(Schema.Array(Schema.String).annotations({ description }))

export const newId = optionalText(
  `An id of your own, such as garden/tomatoes; at most ${maxIdLength} characters. Made if left out. A taken one is refused.`,
)

export const newType = optionalText('The type: a letter, then letters, digits, - or _. "base" if left out.')

export const content = text(`The text, in markdown. At most ${maxContentBytes} bytes.`)

const record = <A, I>(value: Schema.Schema<A, I>, description: string, additionalProperties: unknown) =>
  optional(
    Schema.Record({ key: Schema.String, value }).annotations({
      jsonSchema: { type: "object", additionalProperties, description },
    }),
  )

export const metadata = (more: string) =>
  record(
    Schema.Unknown,
    `Facts about the note as a JSON object, such as title or tags. At most ${maxMetadataBytes} bytes.${more}`,
    true,
  )

/** Values that metadata must have. */
export const values = (description: string) =>
  record(Schema.Union(Schema.String, Schema.Number, Schema.Boolean, Schema.Null), description, {
    type: ["string", "number", "boolean", "null"],
  })

export const job = text("The job's id, as add_note, update_note and list_jobs tell it.")

/** A moment, as milliseconds since the epoch. */
export const moment = (description: string) =>
  optional(
    Schema.transformOrFail(
      text(`${description} ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z.`),
      Schema.Number,
      {
        strict: true,
        decode: (given, _, ast) =>
          Option.match(DateTime.make(given), {
            onNone: () =>
              ParseResult.fail(
                new ParseResult.Type(ast, given, "must be a time such as 2026-01-31 or 2026-01-31T12:00:00Z"),
              ),
            onSome: (at) => ParseResult.succeed(DateTime.toEpochMillis(at)),
          }),
        encode: (at) => ParseResult.succeed(DateTime.formatIso(DateTime.unsafeMake(at))),
      },
    ),
  )
