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

type Tint = (text: string) => string

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
    /** Standard error is a terminal. */
    readonly moves: boolean
    /** Writes to standard error as it is. */
    readonly write: (text: string) => Effect.Effect<void>
  }
>() {}

/** Why waiting may take long. */
export const pausedNotice = "embedbox: the queue is paused; waiting for `embedbox resume`\n"

/** What colours and cursors are made of. */
// oxlint-disable-next-line no-control-regex
export const escapes = /\u001b\[[0-9;?]*[A-Za-z]/g

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

const isSet = (variable: string) =>
  Effect.map(
    Effect.orElseSucceed(Config.string(variable), () => ""),
    (value) => value !== "",
  )

/** The real screen: `NO_COLOR` and a terminal called `dumb` mean no colours. */
export const layer: Layer.Layer<Screen> = Layer.unwrapEffect(
  Effect.gen(function* () {
    const colourless =
      (yield* isSet("NO_COLOR")) || (yield* Effect.orElseSucceed(Config.string("TERM"), () => "")) === "dumb"
    const onStdout = process.stdout.isTTY === true && !colourless
    const console = yield* makeConsole(onStdout)
    const screen = Screen.of({
      bold: tint(1, onStdout),
      dim: tint(2, onStdout),
      green: tint(32, onStdout),
      yellow: tint(33, onStdout),
      red: tint(31, onStdout),
      width: Math.max(40, Math.min(process.stdout.columns || 100, 120)),
      moves: process.stderr.isTTY === true,
      write: (text) =>
        Effect.sync(() => {
          process.stderr.write(text)
        }),
    })
    return Layer.merge(Layer.succeed(Screen, screen), Console.setConsole(console))
  }),
)
