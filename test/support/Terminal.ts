/**
 * A real terminal for the command line: the program on a pseudo-terminal, keys typed into it, and what a person would see,
 * kept by a terminal emulator. Nothing sleeps: a test waits until the screen shows something.
 */
import { fileURLToPath } from "node:url"
import * as pty from "@lydell/node-pty"
import headless from "@xterm/headless"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as programs from "./programs.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The program ended, or a minute passed, and the screen did not show it. */
export class NeverShown extends Schema.TaggedError<NeverShown>()("NeverShown", {
  awaited: Schema.String,
  screen: Schema.String,
}) {
  override get message() {
    return `${this.awaited} was not shown; the screen:\n${this.screen}`
  }
}

export interface Terminal {
  /** Types this, as keys. */
  readonly type: (keys: string) => Effect.Effect<void>
  /** All lines that were ever shown, as they are now, without blanks at their ends. */
  readonly text: Effect.Effect<string>
  /** Ends when the cursor is in this column of this line. */
  readonly cursorIs: (column: number, line: string | RegExp) => Effect.Effect<void, NeverShown>
  /** Ends when the text fits; answers it. */
  readonly shows: (what: string | RegExp) => Effect.Effect<string, NeverShown>
  readonly resize: (columns: number, rows: number) => Effect.Effect<void>
  /** What the program ended with. */
  readonly ended: Effect.Effect<number>
  /** Everything it wrote, escapes included. */
  readonly raw: Effect.Effect<string>
}

export interface Options {
  readonly env: { readonly [name: string]: string }
  readonly columns?: number
  readonly rows?: number
  readonly program?: ReadonlyArray<string>
}

/** How long the slowest of machines may take. */
const patience = "40 seconds"

/** Starts the command line on a terminal; it is killed when the scope closes, if it still runs then. */
export const open = (
  args: ReadonlyArray<string>,
  { columns = 80, env, program = programs.program("bin.ts"), rows = 24 }: Options,
): Effect.Effect<Terminal, never, Scope.Scope> =>
  Effect.gen(function* () {
    const inherited = Object.entries(process.env).filter(
      ([name, value]) => !name.startsWith("EMBEDBOX_") && name !== "NO_COLOR" && value !== undefined,
    )
    const screen = new headless.Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true })
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        pty.spawn(process.execPath, [...program, ...args], {
          name: "xterm-256color",
          cols: columns,
          rows,
          cwd: root,
          env: { ...Object.fromEntries(inherited), TERM: "xterm-256color", ...env },
        }),
      ),
      (running) =>
        Effect.sync(() => {
          try {
            running.kill("SIGKILL")
          } catch {
            // It has ended already.
          }
        }),
    )
    let raw = ""
    let code: number | undefined
    const listeners = new Set<() => void>()
    const hear = () => listeners.forEach((listener) => listener())
    child.onData((data) => {
      raw += data
      screen.write(data, hear)
    })
    child.onExit(({ exitCode }) => {
      code = exitCode
      hear()
    })

    const lines = () => {
      const buffer = screen.buffer.active
      const all = Array.from(
        { length: buffer.length },
        (_, at) => buffer.getLine(at)?.translateToString(true) ?? "",
      )
      return all.join("\n").trimEnd()
    }

    const until = <A>(look: () => A | undefined) =>
      Effect.async<A>((resume) => {
        const listener = () => {
          const found = look()
          if (found !== undefined) resume(Effect.succeed(found))
        }
        listeners.add(listener)
        listener()
        return Effect.sync(() => listeners.delete(listener))
      })

    const fits = (text: string, what: string | RegExp) =>
      typeof what === "string" ? text.includes(what) : what.test(text)

    /** What is found, unless the program ends or time passes without it. */
    const awaited = (what: string, look: () => string | undefined) =>
      until(() => look() ?? (code === undefined ? undefined : "")).pipe(
        // By the real clock, also where the test has one of its own.
        Effect.timeoutOption(patience),
        Effect.withClock(Clock.make()),
        Effect.flatMap((found) =>
          found._tag === "Some" && found.value !== ""
            ? Effect.succeed(found.value)
            : Effect.suspend(() => new NeverShown({ awaited: what, screen: lines() })),
        ),
      )

    return {
      type: (keys) => Effect.sync(() => child.write(keys)),
      text: Effect.sync(lines),
      shows: (what) => awaited(String(what), () => [lines()].find((text) => fits(text, what))),
      cursorIs: (column, what) =>
        awaited(`the cursor in column ${column} of ${what}`, () => {
          const { baseY, cursorX, cursorY } = screen.buffer.active
          const line = screen.buffer.active.getLine(baseY + cursorY)?.translateToString(true) ?? ""
          return [line].find(() => cursorX === column && fits(line, what))
        }),
      resize: (to, high) =>
        Effect.sync(() => {
          screen.resize(to, high)
          child.resize(to, high)
        }),
      ended: until(() => code),
      raw: Effect.sync(() => raw),
    }
  })
