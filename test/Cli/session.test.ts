import { mkdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support.js"
import * as Terminal from "../support/Terminal.js"

const ctrlC = "\u0003"
const ctrlD = "\u0004"
const up = "\u001b[A"
const enter = "\r"

const opened = (options: Partial<Terminal.Options> = {}) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const env = {
      EMBEDBOX_DATABASE: join(folder, "notes.sqlite"),
      EMBEDBOX_MODEL: "fake",
      XDG_STATE_HOME: join(folder, "state"),
      XDG_CONFIG_HOME: join(folder, "config"),
    }
    const terminal = yield* Terminal.open([], { ...options, env: { ...env, ...options.env } })
    yield* terminal.shows("/help")
    return { ...terminal, folder, env }
  })

const count = (text: string, part: string) => text.split(part).length - 1

// Each starts a process, on machines that do other things too.
describe("the interactive session", { timeout: 180_000 }, () => {
  it.scoped("turns a receipt into “embedded” where it stands, and leaves what is typed alone", () =>
    Effect.gen(function* () {
      const { cursorIs, shows, text, type } = yield* opened()
      yield* type(`/pause${enter}`)
      yield* shows("paused")
      yield* type(`/add Buy oat milk${enter}`)
      yield* shows("○ saved “Buy oat milk”")
      yield* type(`/resume${enter}`)
      yield* type("half a quest")
      const after = yield* shows("● embedded “Buy oat milk”")
      assert.strictEqual(count(after, "Buy oat milk”"), 1, after)
      yield* shows("› half a quest")
      yield* cursorIs("› half a quest".length, "› half a quest")
      yield* type(`ion${enter}`)
      yield* shows(/1\. +01/)
      assert.include(yield* text, "› half a question")
    }),
  )

  it.scoped("answers questions and every command, and says what it does not know", () =>
    Effect.gen(function* () {
      const { shows, type } = yield* opened()
      yield* type(`/add The car is on level 3${enter}`)
      yield* shows("● embedded")
      yield* type(`where is the car?${enter}`)
      yield* shows(/1\. +01[\s\S]*words\)/)
      yield* type(`/status${enter}`)
      yield* shows(/embedded +1\n/)
      yield* type(`/frob${enter}`)
      yield* shows("there is no command /frob here")
      yield* type(`/list --limit 0${enter}`)
      yield* shows("--limit takes 1 to 1000")
      yield* type(`/get nothing${enter}`)
      yield* shows('there is no note "nothing"')
      yield* type(`/add${enter}`)
      yield* shows("/add takes the text of a note")
      yield* type(`/search --help${enter}`)
      yield* shows("Usage  embedbox search")
    }),
  )

  it.scoped("completes, remembers, and takes pasted lines as one", () =>
    Effect.gen(function* () {
      const { env, ended, folder, shows, text, type } = yield* opened()
      yield* type("/res\t")
      yield* shows(/› \/resume$/)
      yield* type(`${ctrlC}/re\t`)
      yield* shows(/^\/related .*\/reembed .*\/retry .*\/resume/m)
      yield* type(`${ctrlC}/add \u001b[200~one\r\ntwo\r\nthree\u001b[201~`)
      yield* shows("3 lines pasted")
      yield* type(enter)
      yield* shows("“one”")
      yield* type(`/list --json${enter}`)
      yield* shows('"more":false}')
      yield* type(up)
      yield* shows(/› \/list --json$/)
      yield* type(`${ctrlC}/quit${enter}`)
      assert.strictEqual(yield* ended, 0, yield* text)

      const file = join(folder, "state/embedbox/history")
      assert.include(yield* Effect.promise(() => readFile(file, "utf8")), "/list --json")
      assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
      const later = yield* Terminal.open([], { env })
      yield* later.shows("1 note embedded")
      yield* later.type(`${up}${up}`)
      yield* later.shows("› /list --json")
    }),
  )

  it.scoped("is left by Ctrl-D, or by a second Ctrl-C with nothing typed", () =>
    Effect.gen(function* () {
      const one = yield* opened()
      yield* one.type("something")
      yield* one.shows("› something")
      yield* one.type(ctrlC)
      yield* one.shows(/›$/)
      yield* one.type(ctrlC)
      yield* one.shows("Ctrl-C again leaves")
      yield* one.type(ctrlC)
      assert.strictEqual(yield* one.ended, 0)
      const other = yield* opened()
      yield* other.type(ctrlD)
      assert.strictEqual(yield* other.ended, 0)
      // The terminal is as it was: pasting is not marked any more, and the cursor is on a line of its own.
      assert.include((yield* other.raw).slice(-16), "\u001b[?2004l")
    }),
  )

  it.scoped("echoes keys and answers while a thousand notes are embedded", () =>
    Effect.gen(function* () {
      // The real model, because the work must be real.
      const env = { EMBEDBOX_MODEL: "all-MiniLM-L6-v2" }
      const { cursorIs, folder, shows, text, type } = yield* opened({ env })
      const notes = join(folder, "notes")
      yield* Effect.promise(async () => {
        await mkdir(notes)
        for (let at = 0; at < 1000; at++)
          await writeFile(join(notes, `n${at}.md`), `# Note ${at}\n\nIts text.\n`)
      })
      yield* type(`/import ${notes}${enter}`)
      yield* shows(/embedding .* [1-9]\d* of 1000/)
      yield* type(`/list --limit 3${enter}`)
      const listed = yield* shows("There are more: --after")
      assert.notInclude(listed, "1000 embedded")
      yield* type("typed meanwhile")
      yield* shows("› typed meanwhile")
      assert.notInclude(yield* text, "1000 embedded")
      yield* shows("1000 embedded, 0 failed")
      yield* cursorIs("› typed meanwhile".length, "› typed meanwhile")
      assert.notMatch(yield* text, /embedding .*of/)
    }),
  )

  it.scoped("fits a narrow screen, and a line that is longer than it", () =>
    Effect.gen(function* () {
      const { cursorIs, resize, shows, text, type } = yield* opened({ columns: 40, rows: 12 })
      yield* type(`/add 買牛奶 and something that goes on and on and on${enter}`)
      yield* shows("● embedded")
      yield* type(`/list${enter}`)
      // In columns of the terminal: a Chinese character takes two.
      yield* shows(/^base  01\S*…  買牛奶\S* .* ready$/mu)
      yield* type("0123456789".repeat(6))
      const long = yield* shows(/› 4\d+6789$/)
      const last = long.split("\n").at(-1) ?? ""
      assert.isAtMost(last.length, 39)
      yield* type("\u0001")
      yield* shows(/› 0123456789/)
      yield* cursorIs(2, /^› 0123456789/)
      yield* resize(60, 12)
      yield* type(`${ctrlC}/status${enter}`)
      yield* shows(/workers/)
      assert.notInclude(yield* text, "undefined")
    }),
  )
})
