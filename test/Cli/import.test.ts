import { mkdir, symlink, truncate, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { maxContentBytes } from "../../src/Domain/Entity.js"
import * as EmbeddingQueue from "../../src/EmbeddingQueue.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { temporaryFolder } from "../support.js"
import { type Ended, run, start } from "../support/Processes.js"

const write = (folder: string, files: { readonly [path: string]: string | Uint8Array }) =>
  Effect.promise(async () => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), content)
    }
  })

const decoded = ({ code, stderr, stdout }: Ended, expected = 0) => {
  assert.strictEqual(code, expected, stderr)
  return Schema.decode(Schema.parseJson(Output.Imported), { onExcessProperty: "error" })(stdout)
}

const numbered = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`n/${at}.md`, `# Note ${at}\n\nText of it.\n`]),
  )

/** A later command line has a command for this. */
const pauseQueue = (filename: string) =>
  Effect.flatMap(EmbeddingQueue.EmbeddingQueue, (queue) => queue.pause).pipe(
    Effect.provide(Layer.provide(EmbeddingQueue.layer, Sqlite.layer({ filename }))),
  )

// Each of these starts many processes, on machines that do other things too.
describe("embedbox import", { timeout: 180_000 }, () => {
  it.scoped("takes notes of all subfolders, and says of every other file why not", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = { EMBEDBOX_DATABASE: join(folder, ".db", "notes.sqlite") }
      yield* write(folder, {
        "a.md": "# A",
        "a.txt": "the same id",
        "b/deep/c.markdown": "# C",
        "b/d.TXT": "plain",
        "b/e.MD": "# E",
        "f.html": "not a note",
        "empty.md": " \n",
        "binary.md": Uint8Array.of(0xff, 0x00, 0xfe),
        "huge.md": "x",
        ".hidden/x.md": "hidden",
        "node_modules/p/readme.md": "a package",
        " led.md": "an id that begins with a space",
      })
      yield* Effect.promise(async () => {
        await truncate(join(folder, "huge.md"), maxContentBytes + 1)
        await symlink(join(folder, "a.md"), join(folder, "link.md"))
        await symlink(join(folder, "b"), join(folder, "linked"))
      })
      const imported = yield* decoded(
        yield* run("bin.ts", ["import", folder, "--json", "--type", "note"], { env }),
        // Some of them are not in order.
        4,
      )
      assert.deepStrictEqual(
        { ...imported, skipped: imported.skipped.map(({ path }) => path) },
        {
          folder,
          entityType: "note",
          files: 10,
          created: 4,
          updated: 0,
          moved: 0,
          unchanged: 0,
          skipped: [" led.md", "a.txt", "binary.md", "empty.md", "huge.md", "link.md"],
          embedded: null,
          failed: null,
        },
      )
      assert.deepStrictEqual(
        imported.skipped.map(({ kind, reason }) => `${kind}: ${reason.split(":")[0]}`),
        [
          "quarantined: id must not begin or end with white space",
          "skipped: has the same id as a.md",
          "quarantined: is not text",
          "skipped: is empty",
          "skipped: is too large",
          "skipped: is a symbolic link, which is not followed",
        ],
      )
      for (const id of ["a", "b/deep/c", "b/d", "b/e"]) {
        assert.strictEqual((yield* run("bin.ts", ["get", id, "--type", "note"], { env })).code, 0, id)
      }
    }),
  )

  it.scoped("embeds with --wait, and again embeds only what changed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = { EMBEDBOX_DATABASE: join(folder, ".db.sqlite") }
      yield* write(folder, numbered(40))
      const once = yield* decoded(yield* run("bin.ts", ["import", folder, "--wait", "--json"], { env }))
      assert.deepStrictEqual(
        { created: once.created, embedded: once.embedded, failed: once.failed },
        { created: 40, embedded: 40, failed: [] },
      )
      yield* write(folder, { "n/3.md": "# Another", "new.md": "# New" })
      const again = yield* run("bin.ts", ["import", folder, "--wait"], { env })
      assert.strictEqual(
        again.stdout,
        "41 files: 1 new, 1 changed, 39 unchanged, 0 skipped\n41 embedded, 0 failed\n",
      )
      // oxlint-disable-next-line no-control-regex
      assert.notMatch(again.stdout + again.stderr, /[\u001b\r]/)
      const status = yield* run("bin.ts", ["status", "--json"], { env })
      assert.include(status.stdout, `"pending":0,"processing":0,"failed":0,"completed":42`)
    }),
  )

  it.scoped("works beside a daemon: every note is embedded once", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = { EMBEDBOX_DATABASE: join(folder, ".db.sqlite") }
      yield* write(folder, numbered(60))
      const daemon = yield* start("main.ts", [], { env })
      yield* daemon.says("embedbox is ready")
      const imported = yield* decoded(yield* run("bin.ts", ["import", folder, "--wait", "--json"], { env }))
      assert.strictEqual(imported.embedded, 60)
      yield* daemon.signal("SIGTERM")
      assert.strictEqual((yield* daemon.ended).code, 0)
      const status = yield* run("bin.ts", ["status", "--json"], { env })
      assert.include(status.stdout, `"stored":60`)
      assert.include(status.stdout, `"completed":60`)
    }),
  )

  it.scoped("is interrupted with 130 and nothing lost", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = { EMBEDBOX_DATABASE: join(folder, ".db.sqlite") }
      yield* write(folder, numbered(5))
      assert.strictEqual((yield* run("bin.ts", ["import", folder], { env })).code, 0)
      // A queue that is paused keeps the command waiting, so that the signal finds it at work.
      yield* pauseQueue(env.EMBEDBOX_DATABASE)
      const waiting = yield* start("bin.ts", ["import", folder, "--wait"], { env })
      yield* waiting.says("the queue is paused")
      yield* waiting.signal("SIGINT")
      const ended = yield* waiting.ended
      assert.strictEqual(ended.code, 130, ended.stderr)
      assert.strictEqual(ended.stdout, "")
      assert.include((yield* run("bin.ts", ["status", "--json"], { env })).stdout, `"pending":5`)
    }),
  )
})
