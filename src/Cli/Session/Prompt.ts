/**
 * A line to type into at the bottom of the terminal, with lines above it that change, and above those what has been printed
 * for good. Node's readline knows the keys, the history and the completion; it writes into nothing, and what it holds is
 * drawn here, because only one hand may draw: so an answer never lands in the middle of what is being typed. A key is
 * drawn at once; all else may wait for the next turn of the event loop.
 */
import * as readline from "node:readline"
import { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import widthOf from "fast-string-width"
import type { Draw } from "../Screen.js"
import { fit } from "../Width.js"

/** What a person at the prompt does. */
export type Event =
  | { readonly _tag: "Entered"; readonly text: string }
  /** Ctrl-C with nothing typed. */
  | { readonly _tag: "Interrupted" }
  /** Ctrl-D with nothing typed, or the terminal is gone. */
  | { readonly _tag: "Left" }

/** What could stand there, for what stands there. */
export type Complete = (
  line: string,
) => Effect.Effect<readonly [candidates: ReadonlyArray<string>, word: string]>

export interface Prompt {
  readonly events: Queue.Dequeue<Event>
  /** Prints above, for good. */
  readonly print: (text: string) => Effect.Effect<void>
  /** Lines of one's own above the prompt, as long as the scope lasts. */
  readonly area: Effect.Effect<Draw, never, Scope.Scope>
  /** Everything that was entered, the newest first. */
  readonly history: Effect.Effect<ReadonlyArray<string>>
}

export interface Options {
  readonly mark: string
  /** The newest first. */
  readonly history: ReadonlyArray<string>
  readonly complete: Complete
}

/** Entries that are kept. */
export const historySize = 1000

/** Text that is pasted comes between these, so that its line breaks do not enter it. */
const pasteOn = "\u001b[?2004h"
const pasteOff = "\u001b[?2004l"

/** Candidates that are shown. */
const mostCandidates = 24

/** More lines than fit would scroll the prompt away. */
const roomAbove = () => Math.max(1, (process.stdout.rows || 24) - 3)

/** What is typed, cut to what fits around the cursor, and the cursor's column in it. */
const windowOf = (line: string, cursor: number, room: number): readonly [shown: string, column: number] => {
  const before = line.slice(0, cursor)
  let start = 0
  // From the left, a character at a time: a long line is rare, and a wide character must not be halved.
  while (widthOf(before.slice(start)) >= room) start += (before.codePointAt(start) ?? 0) > 0xffff ? 2 : 1
  return [fit(line.slice(start), room), widthOf(before.slice(start))]
}

/** The prompt, as long as the scope lasts; then the terminal is as it was. */
export const make = ({ complete, history, mark }: Options): Effect.Effect<Prompt, never, Scope.Scope> =>
  Effect.gen(function* () {
    const events = yield* Effect.acquireRelease(Queue.unbounded<Event>(), Queue.shutdown)
    const areas = new Map<number, ReadonlyArray<string>>()
    let areaCount = 0
    let candidates: ReadonlyArray<string> = []
    /** Lines that were pasted, before the one that is being typed. */
    let pasted: ReadonlyArray<string> = []
    let isPasting = false
    /** Rows between the first line of ours and the cursor. */
    let above = 0
    let isOpen = true
    let remembered = history

    const runtime = yield* Effect.runtime<never>()
    const nothing = new Writable({ write: (_chunk, _encoding, done) => done() })
    const interface_ = yield* Effect.acquireRelease(
      Effect.sync(() =>
        readline.createInterface({
          input: process.stdin,
          output: nothing,
          terminal: true,
          history: [...history],
          historySize,
          removeHistoryDuplicates: true,
          tabSize: 2,
          completer: (line: string, answer: (error: null, result: [Array<string>, string]) => void) => {
            Effect.runCallback(Effect.provide(complete(line), runtime.context), {
              onExit: (exit) => {
                const [found, word] = exit._tag === "Success" ? exit.value : [[], line]
                candidates = found.length > 1 ? found : []
                answer(null, [[...found], word])
                schedule()
              },
            })
          },
        }),
      ),
      (open) =>
        Effect.sync(() => {
          isOpen = false
          open.close()
          process.stdout.write(`${clear()}${pasteOff}`)
        }),
    )

    const clear = () => `\r${above > 0 ? `\u001b[${above}A` : ""}\u001b[J`

    /** Our lines, beginning where they began the last time. */
    const drawing = (printed: string) => {
      const width = (process.stdout.columns || 80) - 1
      const shown = [
        ...[...areas.values()].flat(),
        ...(candidates.length === 0 ? [] : [candidates.slice(0, mostCandidates).join("  ")]),
        ...(pasted.length === 0
          ? []
          : [
              `${pasted.length + (interface_.line === "" ? 0 : 1)} lines pasted: Enter takes them, Ctrl-C drops them`,
            ]),
      ].slice(-roomAbove())
      const [typed, column] = windowOf(interface_.line, interface_.cursor, width - widthOf(mark))
      const start = clear()
      above = shown.length
      const at = widthOf(mark) + column
      return `${start}${printed}${shown.map((line) => `${fit(line, width)}\n`).join("")}${mark}${typed}\r${at > 0 ? `\u001b[${at}C` : ""}`
    }

    const draw = (printed = "") => {
      if (isOpen) process.stdout.write(drawing(printed))
    }

    let isScheduled = false
    const schedule = () => {
      if (isScheduled) return
      isScheduled = true
      setImmediate(() => {
        isScheduled = false
        draw()
      })
    }

    const offer = (event: Event) => void Queue.unsafeOffer(events, event)

    const onLine = (line: string) => {
      if (isPasting) {
        pasted = [...pasted, line]
        return
      }
      const text = [...pasted, line].join("\n")
      pasted = []
      candidates = []
      offer({ _tag: "Entered", text })
    }
    const onInterrupt = () => {
      const isEmpty = interface_.line === "" && pasted.length === 0
      pasted = []
      candidates = []
      if (isEmpty) offer({ _tag: "Interrupted" })
      else interface_.write(null, { ctrl: true, name: "e" })
      interface_.write(null, { ctrl: true, name: "u" })
      draw()
    }
    const onKey = (_text: string | undefined, key: readline.Key | undefined) => {
      if (key?.name === "paste-start") isPasting = true
      if (key?.name === "paste-end") isPasting = false
      if (key?.name !== "tab") candidates = []
      if (key?.ctrl === true && key.name === "l") process.stdout.write("\u001b[2J\u001b[H")
      if (isPasting) schedule()
      else draw()
    }
    const onResize = () => draw()
    const onContinue = () => {
      above = 0
      process.stdout.write(pasteOn)
      draw()
    }

    yield* Effect.acquireRelease(
      Effect.sync(() => {
        interface_.on("line", onLine)
        interface_.on("SIGINT", onInterrupt)
        interface_.on("SIGCONT", onContinue)
        interface_.on("history", (entries) => {
          // A line of what is pasted is no entry of its own.
          if (isPasting) entries.shift()
          remembered = [...entries]
        })
        interface_.on("close", () => offer({ _tag: "Left" }))
        process.stdin.on("keypress", onKey)
        process.stdout.on("resize", onResize)
        process.stdout.write(pasteOn)
        draw()
      }),
      () =>
        Effect.sync(() => {
          process.stdin.off("keypress", onKey)
          process.stdout.off("resize", onResize)
        }),
    )

    const prompt: Prompt = {
      events,
      print: (text) => Effect.sync(() => draw(`${text}\n`)),
      area: Effect.acquireRelease(
        Effect.sync(() => {
          const id = areaCount++
          return {
            id,
            draw: (lines: ReadonlyArray<string>) =>
              Effect.sync(() => {
                areas.set(id, lines)
                schedule()
              }),
          }
        }),
        ({ id }) =>
          Effect.sync(() => {
            areas.delete(id)
            schedule()
          }),
      ).pipe(Effect.map((own) => own.draw)),
      history: Effect.sync(() => remembered),
    }
    return prompt
  })
