/**
 * What a person at the interactive session waits for: `npm run bench:terminal [-- --notes 1000 --json]`. The built program
 * runs on a real pseudo-terminal; keys are typed one by one and `/list` is asked for again and again, first while notes
 * are embedded by the real model, then when there is nothing else to do. A key is timed until it is drawn, a list until
 * its last line is. Also how long the program takes to start, as a multiple of Node's own.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as pty from "@lydell/node-pty"
import * as Effect from "effect/Effect"
import { argument, median, notes, percentile, report, round, say, temporaryFolder } from "./support.js"

const count = argument("notes", 1_000)
const idleRounds = 100
const starts = 7

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

const environment = (folder: string) => ({
  ...process.env,
  TERM: "xterm-256color",
  EMBEDBOX_DATABASE: Path.join(folder, "notes.sqlite"),
  XDG_CONFIG_HOME: Path.join(folder, "config"),
  XDG_STATE_HOME: Path.join(folder, "state"),
})

/** The session on a terminal of 100 by 40, and everything that it wrote since somebody began to wait. */
const session = (folder: string) =>
  Effect.gen(function* () {
    let heard = ""
    let listener = () => {}
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        pty.spawn(process.execPath, [program], { cols: 100, rows: 40, env: environment(folder) }),
      ),
      (running) => Effect.sync(() => running.kill("SIGKILL")),
    )
    child.onData((data) => {
      heard += data
      listener()
    })
    /** Types, and answers the milliseconds until all that was written since fits. */
    const type = (keys: string, fits: (written: string) => boolean) =>
      Effect.async<number>((resume) => {
        const start = performance.now()
        heard = ""
        listener = () => {
          if (!fits(heard)) return
          listener = () => {}
          resume(Effect.succeed(performance.now() - start))
        }
        child.write(keys)
        listener()
      })
    return { type }
  })

const more = "There are more: --after"

type Type = Effect.Effect.Success<ReturnType<typeof session>>["type"]

const clearLine = "\u0015"

/** Six keys that no round before had in this order, and a list. */
const goRound = (type: Type, number: number) =>
  Effect.gen(function* () {
    const keys: Array<number> = []
    let ended = false
    const seeing = (fits: (written: string) => boolean) => (written: string) => {
      if (/\d+ embedded, \d+ failed/.test(written)) ended = true
      return fits(written)
    }
    const word = (number + 36 ** 5).toString(36).split("").toReversed().join("")
    for (const [at, key] of [...word].entries()) {
      // To the end of what is typed: a drawing of the key before does not count.
      const typed = `› ${word.slice(0, at + 1)}\r`
      keys.push(
        yield* type(
          key,
          seeing((written) => written.includes(typed)),
        ),
      )
    }
    const list = yield* type(
      `${clearLine}/list\r`,
      seeing((written) => written.includes(more)),
    )
    return { keys, list, ended }
  })

const summary = (rounds: ReadonlyArray<{ readonly keys: ReadonlyArray<number>; readonly list: number }>) => {
  const keys = rounds.flatMap((one) => one.keys)
  const lists = rounds.map((one) => one.list)
  return {
    keys: keys.length,
    keyP50Ms: round(percentile(keys, 0.5)),
    keyP99Ms: round(percentile(keys, 0.99)),
    lists: lists.length,
    listP50Ms: round(percentile(lists, 0.5)),
    listP99Ms: round(percentile(lists, 0.99)),
  }
}

/** Milliseconds of a whole process, in turns, so that each meets the same machine. */
const startUp = (folder: string) => {
  const commands = {
    node: ["-e", "0"],
    help: [program, "--help"],
    status: [program, "status"],
  }
  const times: { [name in keyof typeof commands]: Array<number> } = { node: [], help: [], status: [] }
  for (let turn = 0; turn < starts; turn++) {
    for (const name of ["node", "help", "status"] as const) {
      const start = performance.now()
      spawnSync(process.execPath, commands[name], { env: environment(folder) })
      times[name].push(performance.now() - start)
    }
  }
  return {
    nodeMs: round(median(times.node)),
    helpMs: round(median(times.help)),
    statusMs: round(median(times.status)),
  }
}

const line = (label: string, one: ReturnType<typeof summary>) =>
  say(
    `${label.padEnd(18)} key p50 ${one.keyP50Ms} p99 ${one.keyP99Ms} ms (${one.keys}); /list p50 ${one.listP50Ms} p99 ${one.listP99Ms} ms (${one.lists})`,
  )

const main = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const from = Path.join(folder, "notes")
  Fs.mkdirSync(from)
  for (const [at, note] of notes(count).entries()) Fs.writeFileSync(Path.join(from, `n${at}.md`), note)

  const { type } = yield* session(folder)
  yield* type("", (written) => written.includes("/help"))
  // All are saved, and the model works.
  yield* type(
    `/import ${from}\r`,
    (written) => /[1-9]\d* of \d+/.test(written) && written.includes(`of ${count}`),
  )
  const during: Array<Effect.Effect.Success<ReturnType<typeof goRound>>> = []
  while (during.at(-1)?.ended !== true) during.push(yield* goRound(type, during.length))
  const busy = summary(during)
  line(`embedding ${count}`, busy)
  const idle = summary(
    yield* Effect.forEach(Array.from({ length: idleRounds }), (_, at) => goRound(type, during.length + at)),
  )
  line("idle", idle)
  const start = startUp(folder)
  say(`start              node ${start.nodeMs} ms, --help ${start.helpMs} ms, status ${start.statusMs} ms`)
  report({ notes: count, busy, idle, start })
}).pipe(Effect.scoped)

NodeRuntime.runMain(main)
