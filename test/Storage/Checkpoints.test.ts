import { copyFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { openWithNotes } from "./support.js"

/** How many notes the file has by itself, without the log beside it. */
const inFileAlone = (file: string) =>
  Effect.sync(() => {
    copyFileSync(file, `${file}-alone`)
    const database = new Database(`${file}-alone`)
    try {
      return database.prepare("SELECT count(*) FROM notes").pluck().get()
    } catch {
      return 0 // the table itself is in the log still
    } finally {
      database.close()
    }
  })

describe("what was committed", () => {
  it.scopedLive("is moved into the file soon after, while the log goes on", () =>
    Effect.gen(function* () {
      const { add, file, notes, storage } = yield* openWithNotes()
      const many = Effect.forEach(Arr.range(1, 600), (at) => add(`note ${at}`), { discard: true })
      yield* storage.write(many)
      yield* storage.write(many)
      // Far below the length at which SQLite moves it by itself, which a commit of the writer would have to wait for.
      yield* Effect.repeat(inFileAlone(file), {
        until: (count) => count === 1200,
        schedule: Schedule.spaced("20 millis"),
      })
      yield* storage.write(add("one more"))
      expect(yield* notes).toHaveLength(1201)
    }),
  )
})
