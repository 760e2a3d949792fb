import { renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { runHere } from "../Cli/inProcess.js"
import { run, start } from "../support/Processes.js"
import { host, numbered } from "./fixtures.js"

const decode = Schema.decode(Schema.parseJson(Output.Adopted), { onExcessProperty: "error" })

/** One number that a database answers; nothing while there is no such table. */
const numberOf = (database: string, sql: string) => {
  try {
    const db = new Database(database, { readonly: true, fileMustExist: true })
    try {
      return Number(db.prepare(sql).pluck().get())
    } finally {
      db.close()
    }
  } catch {
    return undefined
  }
}

const words = ["--table", "notes", "--id", "id", "--content", "body"]

describe("embedbox adopt", { timeout: 180_000 }, () => {
  it.scopedLive("does no row twice and forgets none, though it is killed again and again", () =>
    Effect.gen(function* () {
      const rows = 6000
      const { file, folder } = yield* host(...numbered(rows))
      const database = join(folder, "notes.sqlite")
      const count = () => numberOf(database, "SELECT count(*) FROM embedding_queue") ?? 0
      let before = 0
      for (let kill = 0; kill < 3; kill++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const program = yield* start(
              "bin.ts",
              ["adopt", file, ...words, ...(kill === 1 ? ["--wait"] : [])],
              {
                env: { EMBEDBOX_DATABASE: database, EMBEDBOX_CLEANUP_AGE: "1 day" },
              },
            )
            yield* Effect.sync(count).pipe(
              Effect.repeat({ until: (now) => now > before + 200, schedule: Schedule.spaced("2 millis") }),
            )
            yield* program.signal("SIGKILL")
            assert.strictEqual((yield* program.ended).signal, "SIGKILL")
          }),
        )
        before = count()
        assert.isBelow(before, rows)
      }
      const { code, stderr, stdout } = yield* run("bin.ts", ["adopt", file, ...words, "--wait", "--json"], {
        env: { EMBEDBOX_DATABASE: database },
      })
      assert.strictEqual(code, 0, stderr)
      const report = yield* decode(stdout)
      assert.strictEqual(report.rows, rows - before)
      assert.strictEqual(report.created, report.rows)
      // One job for each row: none was saved a second time.
      assert.strictEqual(count(), rows)
      assert.strictEqual(numberOf(database, "SELECT count(DISTINCT entity_id) FROM embedding_queue"), rows)
      assert.strictEqual(numberOf(database, "SELECT max(ended_at IS NOT NULL) FROM adoptions"), 1)
      const doctor = yield* runHere(database, ["doctor", "--json"])
      assert.include(doctor.stdout, '"violations":[]')
    }),
  )

  it.scopedLive("counts without saving, tells what it leaves out, and ends with the right code", () =>
    Effect.gen(function* () {
      const { change, file, folder } = yield* host(
        ...numbered(60),
        "INSERT INTO notes VALUES (61, ''), (62, NULL)",
      )
      const database = join(folder, "notes.sqlite")
      const embedbox = (...args: ReadonlyArray<string>) => runHere(database, ["adopt", file, ...args])
      const dry = yield* embedbox(...words, "--dry-run")
      assert.strictEqual(dry.code, 4)
      assert.match(
        dry.stdout,
        /^left out id=61: content: must not be empty.*\nleft out id=62: content: is NULL\n/,
      )
      const [counted = "", where = ""] = dry.stdout.trim().split("\n").slice(-2)
      assert.strictEqual(counted, "62 rows of notes to bring in, 2 of them left out")
      assert.strictEqual(where, `would go to ${database}, type base for all`)
      const slip = yield* embedbox(...words, "--type", "kinf", "--dry-run")
      assert.match(slip.stdout, /, type kinf for all: notes has no column of that name\n$/)
      const column = yield* embedbox(...words, "--type", "BODY", "--dry-run")
      assert.match(column.stdout, /, types from the column body\n$/)
      assert.match((yield* runHere(database, ["list"])).stdout, /no notes/i)
      const done = yield* embedbox(...words, "--wait", "--json")
      assert.strictEqual(done.code, 4)
      const { embedded, refused, ...counts } = yield* decode(done.stdout)
      assert.deepStrictEqual(counts, {
        dryRun: false,
        database,
        table: "notes",
        type: { all: "base" },
        rows: 62,
        created: 60,
        updated: 0,
        unchanged: 0,
        kept: 0,
        keptRows: [],
        skipped: 2,
        failed: [],
      })
      assert.strictEqual(embedded, 60)
      assert.deepStrictEqual(
        refused.map(({ key }) => key),
        ["id=61", "id=62"],
      )
      // They are not forgotten behind the last row.
      const again = yield* embedbox(...words)
      assert.strictEqual(again.code, 4)
      assert.match(again.stdout, /\n2 rows of notes: 0 new, 0 changed, 0 unchanged, 2 left out\nsaved to /)
      yield* change("DELETE FROM notes WHERE id > 60")
      const clean = yield* embedbox(...words)
      assert.strictEqual(clean.code, 0, clean.stdout)
      assert.match(clean.stdout, /^0 rows of notes: 0 new, 0 changed, 0 unchanged, 0 left out\n/)
      // What was deleted here stays so, by whatever name the table is read.
      yield* runHere(database, ["rm", "2"])
      const moved = join(folder, "moved.sqlite")
      renameSync(file, moved)
      const kept = yield* runHere(database, ["adopt", moved, ...words])
      assert.strictEqual(kept.code, 0, kept.stdout)
      assert.match(kept.stdout, /^kept as it is here id=2: deleted since it was brought in\n/)
      assert.match(kept.stdout, /0 new, 0 changed, 59 unchanged, 0 left out, 1 kept as they are here\n/)
      renameSync(moved, file)
      const wrong = yield* embedbox("--table", "none", "--id", "id", "--content", "body")
      assert.strictEqual(wrong.code, 2)
      assert.match(wrong.stderr, /there is no table none: notes are there\nnothing was saved/)
      assert.strictEqual((yield* embedbox("--table", "notes")).code, 2)
    }),
  )
})
