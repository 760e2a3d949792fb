/** Options and arguments that several commands take, so that they mean the same everywhere. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Schema from "effect/Schema"
import { defaultEntityType, EntityType } from "../Domain/Entity.js"

export const json = Options.boolean("json").pipe(
  Options.withDescription("Print one JSON document instead of text for people."),
)
export const wait = (what: string) => Options.boolean("wait").pipe(Options.withDescription(what))

/** A type that is not a name is wrong usage, told before anything is opened. */
export const type = Options.text("type").pipe(Options.withPseudoName("name"), Options.withSchema(EntityType))

/** The type of what is saved. */
export const ownType = (what: string) =>
  type.pipe(
    Options.withDescription(`${what} (default: ${defaultEntityType}).`),
    Options.withDefault(EntityType.make(defaultEntityType)),
  )

/** The type of a note that exists. */
export const itsType = type.pipe(
  Options.withDescription("Its type; needed where several types have this id."),
  Options.optional,
)

/** Types of notes, as many as are wanted. */
export const typeNames = (name: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName("name"),
    Options.withDescription(description),
    Options.repeated,
    Options.withSchema(Schema.mutable(Schema.Array(EntityType))),
  )

export const types = (name: string) =>
  typeNames(name, "Only notes of this type. Can be given more than once.")

/** A whole number; one that is none is told with the option's name. */
export const whole = (name: string, from: number, to: number) => {
  const message = () => `--${name} takes ${from} to ${to}`
  return Options.text(name).pipe(
    Options.withPseudoName("number"),
    Options.withSchema(
      Schema.NumberFromString.annotations({ message }).pipe(
        Schema.int({ message }),
        Schema.between(from, to, { message }),
      ),
    ),
  )
}

/** How many are shown. */
export const limit = (most: number, fallback: number) =>
  whole("limit", 1, most).pipe(
    Options.withDescription(`At most this many, 1 to ${most} (default: ${fallback}).`),
    Options.withDefault(fallback),
  )

/** Several of them in one word, between commas. */
export const listed = <A, I>(item: Schema.Schema<A, I>) =>
  Schema.compose(
    Schema.split(","),
    Schema.mutable(Schema.Array(Schema.compose(Schema.Trim, item, { strict: false }))),
    {
      strict: false,
    },
  )

export const id = (name: string) => Args.text({ name })
