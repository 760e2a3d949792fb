import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { temporaryFolder } from "../support.js"
import { type Ended, run, start } from "../support/Processes.js"

const shell = Effect.map(temporaryFolder, (folder) => {
  const database = join(folder, "notes.sqlite")
  const env = { EMBEDBOX_DATABASE: database }
  return {
    folder,
    database,
    env,
    embedbox: (args: ReadonlyArray<string>, other = database) =>
      run("bin.ts", args, { env: { EMBEDBOX_DATABASE: other }, stdin: "# Bread\n\nFlour, water, salt.\n" }),
  }
})

const document = <A, I>(schema: Schema.Schema<A, I>, { stdout }: Ended) => {
  assert.match(stdout, /^\{.*\}\n$/)
  return Schema.decode(Schema.parseJson(schema), { onExcessProperty: "error" })(stdout)
}

const execute = (filename: string, statements: ReadonlyArray<string>) =>
  Effect.flatMap(Storage, ({ sql }) =>
    Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true }),
  ).pipe(Effect.provide(Sqlite.layer({ filename })))

// Each of these starts several processes, on machines that do other things too.
describe("embedbox doctor and backup", { timeout: 180_000 }, () => {
  it.scoped("says that all is in order, finds what is not, mends what it may, and exits accordingly", () =>
    Effect.gen(function* () {
      const { database, embedbox } = yield* shell
      assert.strictEqual((yield* embedbox(["add", "-", "--id", "bread"])).code, 0)

      const healthy = yield* embedbox(["doctor"])
      assert.strictEqual(healthy.code, 0, healthy.stderr)
      assert.match(healthy.stdout, /^I1 {4}every live job has its box +1 {2}ok$/m)
      assert.match(healthy.stdout, /\nAll in order\.\n$/)

      yield* execute(database, ["DELETE FROM entity_texts"])
      const broken = yield* embedbox(["doctor"])
      assert.strictEqual(broken.code, 1)
      assert.match(broken.stdout, /^ {5}full-text does not have the newest version: none {2}base bread$/m)
      assert.match(broken.stderr, /^embedbox: 2 violations were found\n`embedbox doctor --repair`/)
      const told = yield* embedbox(["doctor", "--json"])
      assert.strictEqual(told.code, 1)
      const report = yield* document(Output.Diagnosed, told)
      assert.strictEqual(report.database, database)
      assert.strictEqual(report.violations, 2)
      assert.isNull(report.repairs)

      const mended = yield* embedbox(["doctor", "--repair", "--json"])
      assert.strictEqual(mended.code, 0, mended.stderr)
      const after = yield* document(Output.Diagnosed, mended)
      assert.strictEqual(after.violations, 0)
      assert.deepStrictEqual(after.repairs, {
        claimsTakenBack: 0,
        vectorsRemoved: 0,
        textsRemoved: 1,
        textsWritten: 1,
        countsCorrected: 0,
      })
      assert.include((yield* embedbox(["search", "flour", "--mode", "lexical"])).stdout, "base bread")

      yield* execute(database, ["PRAGMA foreign_keys = OFF", "DELETE FROM embedding_boxes"])
      const lost = yield* embedbox(["doctor", "--repair"])
      assert.strictEqual(lost.code, 1)
      assert.match(lost.stdout, /^ {5}a live job has no box {2}base bread {2}job \S+$/m)
    }),
  )

  it.scoped("copies while a daemon works; the copy is in order, opens and searches", () =>
    Effect.gen(function* () {
      const { embedbox, env, folder } = yield* shell
      yield* Effect.forEach(
        Array.from({ length: 30 }, (_, at) => at),
        (at) => Effect.promise(() => writeFile(join(folder, `n${at}.md`), `# Note ${at}\n\nFlour ${at}.\n`)),
        { discard: true },
      )
      const daemon = yield* start("main.ts", [], { env })
      yield* daemon.says("embedbox is ready")
      assert.strictEqual((yield* embedbox(["import", folder])).code, 0)
      const target = join(folder, "copy.sqlite")
      const made = yield* embedbox(["backup", target, "--json"])
      assert.strictEqual(made.code, 0, made.stderr)
      const copy = yield* document(Output.BackedUp, made)
      assert.strictEqual(copy.path, target)
      assert.isAbove(copy.bytes, 0)
      assert.strictEqual(copy.entities + copy.waiting, 30)
      yield* daemon.signal("SIGTERM")
      yield* daemon.ended

      assert.strictEqual((yield* embedbox(["doctor"], target)).code, 0)
      const found = yield* embedbox(["search", "flour", "--mode", "lexical", "--json"], target)
      assert.strictEqual((yield* document(Output.Found, found)).results.length, 10)

      const again = yield* embedbox(["backup", target])
      assert.strictEqual(again.code, 2)
      assert.include(again.stderr, `embedbox: ${target}: it exists already, and a backup never replaces`)
      const nowhere = yield* embedbox(["backup", join(folder, "none", "copy.sqlite")])
      assert.strictEqual(nowhere.code, 2)
      assert.include(nowhere.stderr, "it cannot be written: it does not exist\n")
      const second = yield* embedbox(["backup", join(folder, "second.sqlite")])
      assert.match(
        second.stdout,
        /^saved \S+second\.sqlite [\d.]+ [kM]B: \d+ embedded, \d+ waiting, 0 failed\n$/,
      )
      const names = yield* Effect.promise(() => readdir(folder))
      assert.deepStrictEqual(
        names.filter((name) => name.includes(".tmp")),
        [],
      )
    }),
  )
})
