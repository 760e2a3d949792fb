/**
 * Runs command lines of the program from within it: what the interactive session is made of. It is a tag, because the
 * parser knows the session as one of its commands, and so the session cannot import the parser.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Access } from "./Access.js"
import type { Told } from "./Failure.js"
import type { Screen } from "./Screen.js"

/** A command in words. */
export interface Worded {
  readonly name: string
  /** Its name and what it takes. */
  readonly usage: string
  readonly meaning: string
}

export class Interpreter extends Context.Tag("embedbox/Cli/Interpreter")<
  Interpreter,
  {
    readonly commands: ReadonlyArray<Worded>
    /** Words without the program's name. Answers what is to be told where the command failed. */
    readonly run: (words: ReadonlyArray<string>) => Effect.Effect<Told, never, Access | Screen>
  }
>() {}
