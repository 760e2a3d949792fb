/**
 * The interactive session: a question is asked by typing it, and everything else is a command of the command line with a
 * slash before it, read by the same parser, with the same options and answers. A worker runs beside it. Each entry is a
 * fiber of its own, so that a question that waits for the model holds up nothing, least of all the typing.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { wrapAnsi } from "fast-wrap-ansi"
import { parseArgsStringToArgv } from "string-argv"
import { counted } from "../Domain/Phrases.js"
import { labelOf } from "../Domain/Text.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityRepository } from "../EntityRepository.js"
import { EntityService } from "../EntityService.js"
import { Access, AskedTag } from "./Access.js"
import * as Failure from "./Failure.js"
import * as HelpTable from "./HelpTable.js"
import { Interpreter, type Worded } from "./Interpreter.js"
import { Screen, widthOf } from "./Screen.js"
import * as Completing from "./Session/Completing.js"
import * as History from "./Session/History.js"
import * as Prompt from "./Session/Prompt.js"
import * as Receipts from "./Session/Receipts.js"
import { version } from "./Version.js"

const mark = "› "

/** So many answers to a question: a screenful. */
const answers = "5"

/** Commands that need the terminal for themselves, or make no sense here. */
const unfit: ReadonlySet<string> = new Set(["edit", "serve", "mcp", "completions"])

/** What a session has besides the commands. */
const ownCommands: ReadonlyArray<Worded> = [
  { name: "add", usage: "add <text>", meaning: "Save a note. Its receipt turns into “embedded”." },
  { name: "help", usage: "help", meaning: "This list; /<command> --help says more." },
  { name: "quit", usage: "quit", meaning: "Leave, as Ctrl-D does. What waits is embedded later." },
]

/** How often the line on what waits is renewed. */
const lookEvery = "500 millis"

const helpOf = (screen: typeof Screen.Service, commands: ReadonlyArray<Worded>) =>
  [
    ...wrapAnsi(
      `Type a question to search. ${screen.dim("Tab completes, ↑ repeats, Ctrl-C stops what runs.")}`,
      screen.width,
    ).split("\n"),
    ...HelpTable.lines(
      screen,
      commands.map(({ meaning, usage }) => [`/${usage}`, meaning]),
    ),
  ].join("\n")

/** The words of a command line; `import` stays until all is embedded, since here that holds up nobody. */
const wordsOf = (line: string): ReadonlyArray<string> => {
  const [command = "", ...rest] = parseArgsStringToArgv(line)
  return command === "import" && !rest.includes("--wait") ? [command, "--wait", ...rest] : [command, ...rest]
}

const session = Effect.gen(function* () {
  const screen = yield* Screen
  const access = yield* Access
  const interpreter = yield* Interpreter
  const service = yield* EntityService
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository

  const commands = [
    ...ownCommands,
    ...interpreter.commands.filter(({ name }) => name !== "add" && !unfit.has(name)),
  ]
  const prompt = yield* Prompt.make({
    mark,
    history: yield* History.load,
    complete: Completing.of(commands, service),
  })
  const receipts = yield* Receipts.make(prompt)

  const print = (text: string) =>
    Effect.flatMap(receipts.takeEnded, (ended) => prompt.print([...ended, text].join("\n")))

  const console: Console.Console = {
    ...(yield* Effect.console),
    log: (...values) => print(values.join(" ")),
  }
  const here = Screen.of({
    ...screen,
    get width() {
      return widthOf(process.stdout.columns)
    },
    area: Option.some(prompt.area),
    done: print,
    write: (text) => print(screen.dim(text.trimEnd())),
  })

  const tell = ({ lines: [what, ...rest] }: Failure.Told) =>
    what === undefined
      ? Effect.void
      : print([screen.red(what), ...rest.map((line) => screen.dim(line))].join("\n"))

  const wrong = (reason: string, advice: string): Failure.Told => ({
    code: Failure.codes.usage,
    lines: [reason, advice],
  })

  const add = (content: string) =>
    content.trim() === ""
      ? Effect.succeed(wrong("/add takes the text of a note", "for instance: /add buy oat milk"))
      : Effect.flatMap(service.createEntity({ content }), (receipt) =>
          receipts.add({ ...receipt, label: labelOf({ id: receipt.entityId, content, metadata: {} }) }),
        ).pipe(
          Effect.exit,
          Effect.map((exit) => Failure.tell(exit)),
        )

  const isStranger = (name: string) => !commands.some((command) => command.name === name)

  /** What an entry does. */
  const obey = (text: string): Effect.Effect<Failure.Told> =>
    Effect.suspend(() => {
      if (!text.startsWith("/")) return interpreter.run(["search", "--limit", answers, "--", text])
      const [, name = "", rest = ""] = /^\/(\S*)\s*([\s\S]*)$/u.exec(text) ?? []
      if (name === "add") return add(rest)
      if (name === "help") return Effect.as(print(helpOf(here, commands)), Failure.nothing)
      return isStranger(name)
        ? Effect.succeed(wrong(`there is no command /${name} here`, "/help lists them all"))
        : interpreter.run(wordsOf(text.slice(1)))
    }).pipe(
      Effect.provideService(Access, access),
      Effect.provideService(Screen, here),
      Effect.withConsole(console),
    )

  const running = yield* FiberSet.make<void>()
  const enter = (text: string) =>
    Effect.gen(function* () {
      yield* print(screen.dim(`${mark}${text}`))
      yield* FiberSet.run(running, Effect.flatMap(obey(text), tell))
    })

  const status = yield* prompt.area
  yield* Effect.gen(function* () {
    const { pending, processing } = yield* queue.getStats
    const others = pending + processing - (yield* receipts.waiting)
    // What runs has a display of its own.
    const isIdle = (yield* FiberSet.size(running)) === 0
    yield* status(isIdle && others > 0 ? [screen.dim(`${counted(others, "note")} not embedded yet`)] : [])
  }).pipe(
    Effect.catchAll((error) => Effect.logDebug("the queue cannot be looked at", error)),
    Effect.schedule(Schedule.spaced(lookEvery)),
    Effect.forkScoped,
  )

  yield* prompt.print(
    `${screen.bold("embedbox")} ${version} ${screen.dim(`${counted(yield* repository.count, "note")} embedded; type a question, or /help`)}`,
  )

  /** Until somebody leaves; the second Ctrl-C in a row does. */
  const follow = (wasInterrupted: boolean): Effect.Effect<void> =>
    Effect.gen(function* () {
      const event = yield* Queue.take(prompt.events)
      switch (event._tag) {
        case "Left":
          return
        case "Interrupted": {
          if ((yield* FiberSet.size(running)) > 0) {
            yield* FiberSet.clear(running)
            yield* print(screen.yellow("stopped"))
            return yield* follow(false)
          }
          if (wasInterrupted) return
          yield* print(screen.dim("Ctrl-C again leaves, as /quit and Ctrl-D do"))
          return yield* follow(true)
        }
        case "Entered": {
          const text = event.text.trim()
          if (text === "/quit" || text === "/exit") return
          if (text !== "") yield* enter(text)
          return yield* follow(false)
        }
      }
    })
  yield* follow(false)

  yield* FiberSet.clear(running)
  yield* History.save(yield* prompt.history)
  const { pending, processing } = yield* queue.getStats
  if (pending + processing > 0)
    yield* print(
      `${counted(pending + processing, "note")} not embedded yet: a daemon or the next session goes on`,
    )
}).pipe(Effect.scoped)

export const run = Effect.gen(function* () {
  const access = yield* Access
  const asked = yield* AskedTag
  // Log lines would land in what is typed.
  const quietly = { ...asked, flags: [...(asked.flags ?? []), ["logLevel", "none"] as const] }
  const context = yield* Layer.build(Layer.provide(access.working, access.configured(quietly)))
  const opened = Layer.succeedContext(context)
  // What the commands open is open already.
  const own = Access.of({ ...access, queue: opened, services: opened, working: opened })
  yield* Effect.provide(Effect.provideService(session, Access, own), opened)
}).pipe(Effect.scoped)
