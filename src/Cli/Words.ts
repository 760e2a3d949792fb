/**
 * How a command is put into words: what it takes, what it does, how it is used. One place makes of that the parser, the
 * command's own help, its line in the overview and the list of switches, so that none of them can lag behind. What a
 * command does is in a module of its own, which is imported when it runs: `--help` loads nothing that it does not need.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Types from "effect/Types"

/** What people are told. */
export interface Told {
  /** The line of the overview: what is written, without the program's name. */
  readonly usage: string
  readonly meaning: string
  /** What one must know to use it, a paragraph each. */
  readonly more?: ReadonlyArray<string>
  /** A command line, and what it is for. */
  readonly examples: ReadonlyArray<readonly [line: string, purpose: string]>
}

/** A command, and what the command line has to know of it. */
export interface Word<Name extends string, R, E, A> {
  readonly command: Command.Command<Name, R, E, A>
  readonly name: Name
  readonly told: Told
  /** Its options and arguments. */
  readonly config: Command.Command.Config
  /** Its options. */
  readonly options: ReadonlyArray<string>
  /** Those that take no value. */
  readonly switches: ReadonlyArray<string>
}

type Given<Config extends Command.Command.Config> = Types.Simplify<Command.Command.ParseConfig<Config>>

/** Options that take no value: only those can stand before an argument without having it for one. */
export const switchesOf = (config: Command.Command.Config): ReadonlyArray<string> =>
  Object.values(config).flatMap((one) =>
    Options.isOptions(one) && Options.isBool(one) ? Option.toArray(Options.getIdentifier(one)) : [],
  )

/** The names of all options. */
export const optionsOf = (config: Command.Command.Config): ReadonlyArray<string> =>
  Object.values(config).flatMap((one) =>
    Options.isOptions(one) ? Option.toArray(Options.getIdentifier(one)) : [],
  )

/** A command whose work is in the module that `load` imports. */
export const make = <Name extends string, const Config extends Command.Command.Config, E, R>(
  name: Name,
  config: Config,
  told: Told,
  load: () => Promise<{ readonly run: (given: Given<Config>) => Effect.Effect<void, E, R> }>,
): Word<Name, R, E, Given<Config>> => ({
  name,
  told,
  config,
  options: optionsOf(config),
  switches: switchesOf(config),
  command: Command.make(name, config, (given) =>
    Effect.flatMap(Effect.promise(load), ({ run }) => run(given)),
  ).pipe(Command.withDescription(told.meaning)),
})
