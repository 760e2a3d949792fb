import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { temporaryFolder } from "../support.js"
import { type Ended, type Options, run } from "../support/Processes.js"

/** A database of its own, and the command line on it. */
const shell = Effect.map(temporaryFolder, (folder) => {
  const env = { EMBEDBOX_DATABASE: join(folder, "notes.sqlite") }
  return {
    folder,
    file: (name: string, text: string | Uint8Array) =>
      Effect.promise(() => writeFile(join(folder, name), text)),
    embedbox: (args: ReadonlyArray<string>, options: Options = {}) =>
      run("bin.ts", args, { ...options, env: { ...env, ...options.env } }),
  }
})

/** What `--json` must be: one document on one line, and nothing else on standard output. */
const document = <A, I>(schema: Schema.Schema<A, I>, { code, stderr, stdout }: Ended) =>
  Effect.gen(function* () {
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /^\{.*\}\n$/)
    return yield* Schema.decode(Schema.parseJson(schema), { onExcessProperty: "error" })(stdout)
  })

// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f\u009b]/

// Each of these starts many processes, on machines that do other things too.
describe("the command line", { timeout: 180_000 }, () => {
  it.scoped("saves a note, embeds it on demand, reads and finds it", () =>
    Effect.gen(function* () {
      const { embedbox, file, folder } = yield* shell
      yield* file("bread.md", "# Bread\n\nFlour, water, salt.\n")

      const added = yield* embedbox(["add", join(folder, "bread.md"), "--id", "bread", "--json"])
      const receipt = yield* document(Output.Added, added)
      assert.strictEqual(receipt.entityId, "bread")
      assert.deepStrictEqual(Object.keys(JSON.parse(added.stdout)), ["entityId", "jobId"])

      const gotten = yield* document(Output.Gotten, yield* embedbox(["get", "bread", "--json"]))
      assert.strictEqual(gotten.content, "# Bread\n\nFlour, water, salt.\n")
      assert.deepStrictEqual(gotten.embedding, { state: "pending", jobId: receipt.jobId })

      const blind = yield* document(Output.Found, yield* embedbox(["search", "flour", "--json"]))
      assert.strictEqual(blind.pending, 1)
      assert.deepStrictEqual(
        blind.results.map(({ entityId, lexical, similarity, title }) => ({
          entityId,
          lexical,
          similarity,
          title,
        })),
        [{ entityId: "bread", lexical: true, similarity: null, title: "Bread" }],
      )

      const job = yield* document(Output.Job, yield* embedbox(["job", receipt.jobId, "--wait", "--json"]))
      assert.deepStrictEqual(
        { status: job.status, outcome: job.outcome, entityId: job.entityId },
        { status: "completed", outcome: "stored", entityId: "bread" },
      )

      const status = yield* document(Output.Status, yield* embedbox(["status", "--json"]))
      assert.deepStrictEqual(
        { stored: status.stored, queue: status.queue, model: status.model, database: status.database },
        {
          stored: 1,
          queue: { pending: 0, processing: 0, failed: 0, completed: 1 },
          model: "fake",
          database: join(folder, "notes.sqlite"),
        },
      )

      const found = yield* document(
        Output.Found,
        yield* embedbox([
          "search",
          "--mode",
          "semantic",
          "--type",
          "base",
          "--limit",
          "1",
          "--json",
          "flour",
        ]),
      )
      assert.strictEqual(found.mode, "semantic")
      assert.isNumber(found.results[0]?.similarity)
    }),
  )

  it.scoped("reads a note from standard input, with its title, and prints for people too", () =>
    Effect.gen(function* () {
      const { embedbox } = yield* shell
      const added = yield* embedbox(["add", "-", "--title", "Milk", "--id", "todo/milk", "--type", "task"], {
        stdin: "buy some",
      })
      assert.strictEqual(added.code, 0, added.stderr)
      assert.match(added.stdout, /^saved todo\/milk job \S+\n$/)
      assert.strictEqual((yield* embedbox(["get", "todo/milk", "--type", "task"])).stdout, "buy some\n")
      const found = yield* embedbox(["search", "milk", "to", "buy", "--mode", "lexical"])
      assert.include(found.stdout, "1.  Milk\n    task todo/milk  (words, pending)\n    buy some\n")
      const status = yield* embedbox(["status"])
      // On a busy machine it also says since when.
      assert.match(status.stdout, /^waiting {5}1\b/m)
      for (const { stdout } of [added, found, status]) assert.notMatch(stdout, controls)
    }),
  )

  it.scoped("ends with a code and two lines, never a stack", () =>
    Effect.gen(function* () {
      const { embedbox, file, folder } = yield* shell
      yield* file("empty.md", "")
      yield* file("bad.md", Uint8Array.of(0x61, 0xff, 0xfe))
      yield* embedbox(["add", "-", "--id", "taken"], { stdin: "x" })
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, says: RegExp]> = [
        [["get", "nowhere"], 3, /^embedbox: there is no note "nowhere"\n/m],
        [["job", "nowhere"], 3, /^embedbox: there is no job "nowhere"\n/m],
        [["job", "nowhere", "--wait"], 3, /there is no job/],
        [["frobnicate"], 2, /^embedbox: there is no command "frobnicate"\nembedbox --help lists/m],
        [["serach", "x"], 2, /\ndid you mean: embedbox search\n/],
        [["status", "--set", "frob=1"], 1, /there is no setting "frob"/],
        [["status", "--set", "frob"], 2, /--set takes name=value/],
        [["status", "--set", "batchSize=0"], 1, /batchSize \(flag\) is "0": it must be a whole number/],
        [
          ["status", "--config", join(folder, "none.json")],
          1,
          /none\.json cannot be read: it does not exist/,
        ],
        [["completions", "tcsh"], 2, /bash/],
        [["rm", "nothing"], 3, /there is no note "nothing"/],
        [["list", "--after", "x"], 2, /--after takes type\/id/],
        [["get"], 2, /^embedbox: Missing argument <id>\n/m],
        [["status", "--frob"], 2, /there is no option --frob here/],
        [["search", "x", "--limit", "0"], 2, /^embedbox: --limit takes 1 to 100\n/m],
        [["search", "x", "--limit", "ten"], 2, /^embedbox: --limit takes 1 to 100\n/m],
        [["search", "--limit", "x", "y"], 2, /\ntry: embedbox search --help$/m],
        [["search", "--bogus", "x"], 2, /there is no option --bogus here\nembedbox search --help/],
        [["search", "--mod", "lexical", "x"], 2, /there is no option --mod here\ndid you mean: --mode/],
        [["status", "--database", ""], 1, /database \(flag\) is ""/],
        [["search", ""], 2, /^embedbox: question: must not be empty\n(?!.*saved)/m],
        [["search", "x", "--mode", "psychic"], 2, /hybrid/],
        [["search", "x", "--type", "no name"], 2, /must be a name/],
        [["add", join(folder, "none.md")], 2, /none\.md cannot be read: it does not exist\n/],
        [["add", folder], 2, /cannot be read: it is a folder\n/],
        [["import", join(folder, "none")], 2, /cannot be read: it does not exist\n/],
        [["add", join(folder, "empty.md")], 1, /^embedbox: content: /m],
        [["add", join(folder, "bad.md")], 1, /content: is not valid UTF-8\n/],
        [["add", join(folder, "bad.md"), "--id", "a\nb"], 2, /control characters/],
        [["add", "-", "--id", "taken"], 1, /exists already\n/],
      ]
      yield* Effect.forEach(
        cases,
        ([args, code, says]) =>
          Effect.gen(function* () {
            const ended = yield* embedbox(args, { stdin: "text" })
            assert.strictEqual(ended.code, code, `${args.join(" ")}: ${ended.stderr}`)
            assert.strictEqual(ended.stdout, "", args.join(" "))
            assert.match(ended.stderr, says)
            assert.notMatch(ended.stderr, /^\s+at /m)
            assert.notMatch(ended.stderr, controls)
            const told = ended.stderr
              .split("\n")
              .filter((line) => line !== "" && !line.includes("level=WARN"))
            assert.strictEqual(told.length, 2, ended.stderr)
          }),
        { concurrency: 2, discard: true },
      )
    }),
  )

  it.scoped("tells of a bad setting, and of a database that cannot be opened", () =>
    Effect.gen(function* () {
      const { embedbox, file, folder } = yield* shell
      const bad = yield* embedbox(["status"], { env: { EMBEDBOX_POLL_INTERVAL: "fast" } })
      assert.strictEqual(bad.code, 1)
      assert.match(bad.stderr, /^embedbox: EMBEDBOX_POLL_INTERVAL is "fast": it must be /)
      const isFolder = yield* embedbox(["status"], { env: { EMBEDBOX_DATABASE: folder } })
      assert.strictEqual(isFolder.code, 1)
      assert.include(isFolder.stderr, folder)
      yield* file("corrupt.sqlite", "this is not a database, however long it may go on".repeat(100))
      const corrupt = yield* embedbox(["status"], {
        env: { EMBEDBOX_DATABASE: join(folder, "corrupt.sqlite") },
      })
      assert.strictEqual(corrupt.code, 1)
      assert.notMatch(corrupt.stderr, /^\s+at /m)
    }),
  )

  it.scoped("helps without opening anything, in plain text", () =>
    Effect.gen(function* () {
      const { embedbox, folder } = yield* shell
      const env = { EMBEDBOX_DATABASE: join(folder, "never.sqlite"), EMBEDBOX_BATCH_SIZE: "nonsense" }
      for (const args of [[], ["--help"], ["import", "--help"], ["--version"]]) {
        const help = yield* embedbox(args, { env })
        assert.strictEqual(help.code, 0, help.stderr)
        assert.notStrictEqual(help.stdout, "")
        assert.strictEqual(help.stderr, "")
        assert.notMatch(help.stdout, controls)
      }
      assert.include((yield* embedbox(["--help"], { env })).stdout, "--database")
      const ofCodemod = (yield* embedbox(["codemod", "--help"], { env })).stdout
      // A paragraph that is wrapped has no blank before its lines.
      assert.notMatch(ofCodemod, /^ \S/m)
      const ofImport = (yield* embedbox(["import", "--help"], { env })).stdout
      for (const part of ["embedbox import <folder>", "--wait", "--quiet", "Examples"])
        assert.include(ofImport, part)
    }),
  )
})
