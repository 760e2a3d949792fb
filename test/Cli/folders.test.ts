import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { temporaryFolder } from "../support.js"
import { start } from "../support/Processes.js"
import { runHere } from "./inProcess.js"

const write = (folder: string, files: { readonly [path: string]: string }) =>
  Effect.promise(async () => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), content)
    }
  })

const read = (...path: ReadonlyArray<string>) => Effect.promise(() => readFile(join(...path), "utf8"))

const shell = Effect.map(temporaryFolder, (folder) => {
  const database = join(folder, "notes.sqlite")
  return {
    notes: join(folder, "notes"),
    database,
    embedbox: (...args: ReadonlyArray<string>) => runHere(database, args),
  }
})

const decode = <A, I>(schema: Schema.Schema<A, I>, text: string) =>
  Schema.decode(Schema.parseJson(schema), { onExcessProperty: "error" })(text)

describe("folders on the command line", { timeout: 120_000 }, () => {
  it.scoped("exports notes with their metadata, and says what has no folder", () =>
    Effect.gen(function* () {
      const { embedbox, notes } = yield* shell
      const from = `${notes}-in`
      yield* write(from, { "a.md": "# A", "task/b.md": "---\nstate: open\n---\nB" })
      yield* embedbox("import", from, "--types", "task")
      const first = yield* embedbox("export", notes, "--json")
      assert.deepStrictEqual(yield* decode(Output.Exported, first.stdout), {
        folder: notes,
        created: 1,
        updated: 0,
        unchanged: 0,
        conflicts: [],
        unexported: [],
        elsewhere: [{ entityType: "task", count: 1 }],
      })
      assert.include((yield* embedbox("export", notes)).stdout, "1 note of type task left out: --types task")
      // Where no folder can be made, and Node's own way of making one would never end.
      const nowhere = yield* embedbox("export", "/proc/x")
      assert.strictEqual(nowhere.code, 4)
      const second = yield* embedbox("export", notes, "--types", "task")
      assert.match(second.stdout, /^1 file written: 1 new, 0 changed, 1 unchanged\n$/)
      assert.strictEqual(yield* read(notes, "task/b.md"), "---\nstate: open\n---\nB")
    }),
  )

  it.scoped("syncs both ways, keeps both versions of a conflict, and deletes only when told", () =>
    Effect.gen(function* () {
      const { database, embedbox, notes } = yield* shell
      yield* write(notes, { "a.md": "one", "b.md": "two", "c.md": "three" })
      const first = yield* decode(Output.Synced, (yield* embedbox("sync", notes, "--json")).stdout)
      assert.strictEqual(first.saved.created, 3)

      yield* write(notes, { "a.md": "by hand" })
      yield* write(`${notes}-other`, { "a.md": "elsewhere", "d.md": "new" })
      yield* embedbox("import", `${notes}-other`)
      yield* Effect.promise(() => rm(join(notes, "b.md")))
      const conflict = yield* embedbox("sync", notes)
      assert.strictEqual(conflict.code, 4, conflict.stderr)
      assert.match(
        conflict.stdout,
        /^ {2}conflict a\.md: both sides changed; the other version is in a\.conflict-/m,
      )
      assert.strictEqual((yield* embedbox("get", "a")).stdout, "by hand\n")
      assert.strictEqual(yield* read(notes, "d.md"), "new")
      const kept = (yield* Effect.promise(() => readdir(notes))).find((name) => name.includes(".conflict-"))
      assert.strictEqual(yield* read(notes, kept ?? ""), "elsewhere")
      // The file is gone, and its note is not.
      assert.strictEqual((yield* embedbox("get", "b")).code, 0)

      const deleted = yield* embedbox("sync", notes, "--delete")
      assert.match(deleted.stdout, /removed 0 files and 1 note/)
      assert.strictEqual((yield* embedbox("get", "b")).code, 3)
      assert.strictEqual((yield* runHere(database, ["sync", join(notes, "none")])).code, 2)
    }),
  )

  it.scoped("watches until it is interrupted, a line for each change", () =>
    Effect.gen(function* () {
      const { database, embedbox, notes } = yield* shell
      yield* write(notes, { "a.md": "one" })
      const env = { EMBEDBOX_DATABASE: database }
      const watching = yield* start("bin.ts", ["sync", notes, "--watch", "--json"], { env })
      yield* watching.says('"what":"saved","path":"a.md"')
      yield* write(notes, { "b.md": "two" })
      yield* watching.says('"what":"saved","path":"b.md"')
      yield* write(`${notes}-other`, { "c.md": "three" })
      yield* embedbox("import", `${notes}-other`)
      yield* watching.says('"what":"exported","path":"c.md"')
      yield* watching.signal("SIGINT")
      const { code, stdout } = yield* watching.ended
      assert.strictEqual(code, 130)
      for (const line of stdout.trim().split("\n")) yield* decode(Output.SyncedOne, line)
    }),
  )

  it.scopedLive(
    "is kept in step by the daemon, which says so in its status and seeks a folder that is gone",
    () =>
      Effect.gen(function* () {
        const { database, embedbox, notes } = yield* shell
        const env = { EMBEDBOX_DATABASE: database, EMBEDBOX_SYNC_DIR: notes, EMBEDBOX_SYNC_TYPES: "task" }
        const daemon = yield* start("main.ts", [], { env })
        // It is logged first, and written on the board then.
        const statusSays = (what: RegExp) =>
          Effect.repeat(embedbox("status"), { until: ({ stdout }) => what.test(stdout) })
        yield* daemon.says("folder: retrying: the folder")
        yield* statusSays(/^folder +.* retrying /m)
        yield* write(notes, { "a.md": "one", "task/b.md": "two" })
        yield* daemon.says("folder: saved task/b.md")
        yield* daemon.says("folder: connected")
        yield* statusSays(/^folder +.* connected /m)
        yield* daemon.signal("SIGTERM")
        assert.strictEqual((yield* daemon.ended).code, 0)
      }),
  )
})
