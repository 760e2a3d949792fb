/**
 * What a command may assume of its reader. Colours and moving lines are for terminals; everybody else (a pipe, a
 * file, CI) gets plain lines, in the same words. @effect/cli always colours its help, so its escapes are taken out
 * here too, at the one place all output passes.
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { fit } from "./Width.js"

type Tint = (text: string) => string

/** Shows these lines in place of those before. They are cut where the screen ends. */
export type Draw = (lines: ReadonlyArray<string>) => Effect.Effect<void>

/** How to write for whoever reads standard output, and whether standard error can show a moving line. */
export class Screen extends Context.Tag("embedbox/Cli/Screen")<
  Screen,
  {
    readonly bold: Tint
    readonly dim: Tint
    readonly green: Tint
    readonly yellow: Tint
    readonly red: Tint
    /** Columns of text that fit. */
    readonly width: number
    /** Lines that are drawn anew again and again, as long as the scope lasts; nothing where no terminal shows them. */
    readonly area: Option.Option<Effect.Effect<Draw, never, Scope.Scope>>
    /** Prints that something was done, for who wants to hear it: not an answer. */
    readonly done: (text: string) => Effect.Effect<void>
    /** Writes a notice to standard error as it is. */
    readonly write: (text: string) => Effect.Effect<void>
  }
>() {}

/** Why waiting may take long. */
export const pausedNotice = "embedbox: the queue is paused; waiting for `embedbox resume`\n"

/** What colours and cursors are made of. */
// oxlint-disable-next-line no-control-regex
export const escapes = /\u001b\[[0-9;?]*[A-Za-z]/g

/** To the start of the line, and nothing from there on. */
const clearBelow = "\r\u001b[J"

/** Somebody's text on one line: what could move a cursor, ring a bell or forge a line is white space. */
export const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ")

const plain = (values: ReadonlyArray<unknown>) =>
  values.map((value) =>
    typeof value === "string" ? value.replace(escapes, "").replace(/[ \t]+$/gm, "") : value,
  )

/** A console that lets escapes through only where they are wanted, and leaves errors to whoever maps them. */
const makeConsole = (coloured: boolean) =>
  Console.consoleWith((console) =>
    Effect.succeed<Console.Console>({
      ...console,
      log: (...values) => console.log(...(coloured ? values : plain(values))),
      error: () => Effect.void,
    }),
  )

const tint =
  (code: number, on: boolean): Tint =>
  (text) =>
    on ? `\u001b[${code}m${text}\u001b[0m` : text

const valueOf = (variable: string) => Effect.orElseSucceed(Config.string(variable), () => "")

const toStderr = (text: string) =>
  Effect.sync(() => {
    process.stderr.write(text)
  })

/**
 * The cursor rests at the start of the first of the lines, so that a log line, which begins by clearing from there on,
 * pushes them down and does not stand among them.
 */
const area: Effect.Effect<Draw, never, Scope.Scope> = Effect.acquireRelease(
  Effect.succeed<Draw>((lines) =>
    Effect.suspend(() => {
      const width = (process.stderr.columns || usualWidth) - 1
      const up = lines.length > 1 ? `\u001b[${lines.length - 1}A` : ""
      return toStderr(`${clearBelow}${lines.map((line) => fit(line, width)).join("\n")}${up}\r`)
    }),
  ),
  () => toStderr(clearBelow),
)

/** What was asked of it. */
export interface Asked {
  readonly noColor: boolean
  readonly quiet: boolean
}

/** How narrow a screen may be said to be. */
const leastWidth = 20
const mostWidth = 120
/** Of a file nobody knows how wide it is. */
const usualWidth = 100

/** Columns to write in, of as many as a terminal has. */
export const widthOf = (columns: number | undefined): number =>
  Math.max(leastWidth, Math.min(columns || usualWidth, mostWidth))

/** The real screen: `NO_COLOR` and a terminal called `dumb` mean no colours. */
export const layer = ({ noColor, quiet }: Asked): Layer.Layer<Screen> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const isDumb = (yield* valueOf("TERM")) === "dumb"
      const colourless = noColor || isDumb || (yield* valueOf("NO_COLOR")) !== ""
      const onStdout = process.stdout.isTTY === true && !colourless
      const console = yield* makeConsole(onStdout)
      const screen = Screen.of({
        bold: tint(1, onStdout),
        dim: tint(2, onStdout),
        green: tint(32, onStdout),
        yellow: tint(33, onStdout),
        red: tint(31, onStdout),
        width: widthOf(process.stdout.columns),
        area: process.stderr.isTTY === true && !quiet && !isDumb ? Option.some(area) : Option.none(),
        done: (text) => (quiet ? Effect.void : Effect.flatMap(Effect.console, (to) => to.log(text))),
        write: (text) => (quiet ? Effect.void : toStderr(text)),
      })
      return Layer.merge(Layer.succeed(Screen, screen), Console.setConsole(console))
    }),
  )
