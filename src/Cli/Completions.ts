/** `embedbox completions`: what makes a shell complete commands and options. */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

export interface Given {
  readonly shell: "bash" | "zsh" | "fish"
}

/** The script for each shell: made of the parser, which knows of this command and so cannot be imported here. */
export class Scripts extends Context.Tag("embedbox/Cli/Completions/Scripts")<
  Scripts,
  { readonly [Shell in Given["shell"]]: Effect.Effect<ReadonlyArray<string>> }
>() {}

/** What @effect/cli writes otherwise than the shell wants it. */
const mended: { readonly [Shell in Given["shell"]]: (script: string) => string } = {
  // Choices are words, with blanks between.
  bash: (script) =>
    script.replaceAll(/(?<=compgen -W ")[^" ]+(?=")/gu, (choices) => choices.replaceAll(",", " ")),
  // Zsh loads it from a file and calls it by that file's name.
  zsh: (script) => script.replaceAll("_embedbox_zsh_completions", "_embedbox"),
  fish: (script) => script,
}

export const run = ({ shell }: Given) =>
  Effect.gen(function* () {
    const lines = yield* (yield* Scripts)[shell]
    yield* Console.log(mended[shell](lines.join("\n")))
  })
