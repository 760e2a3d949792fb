/** Options and arguments that several commands take, so that they mean the same everywhere. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import { EntityType } from "../Domain/Entity.js"

export const json = Options.boolean("json").pipe(
  Options.withDescription("Print one JSON document instead of text for people."),
)
export const wait = (what: string) => Options.boolean("wait").pipe(Options.withDescription(what))

/** A type that is not a name is wrong usage, told before anything is opened. */
export const type = Options.text("type").pipe(Options.withPseudoName("name"), Options.withSchema(EntityType))

export const id = (name: string) => Args.text({ name })
