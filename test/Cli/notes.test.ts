import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { temporaryFolder } from "../support.js"
import type { Ended } from "../support/Processes.js"
import { program } from "../support/programs.js"
import { runHere } from "./inProcess.js"

const shell = Effect.map(temporaryFolder, (folder) => {
  const database = join(folder, "notes.sqlite")
  const embedbox = (...args: ReadonlyArray<string>) => runHere(database, args)
  return {
    folder,
    database,
    embedbox,
    add: (id: string, text: string, ...options: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const file = join(folder, "added.md")
        yield* Effect.promise(() => writeFile(file, text))
        const { code, stderr } = yield* embedbox("add", file, "--id", id, ...options)
        assert.strictEqual(code, 0, stderr)
      }),
    /** An editor that does this to its file, which is `$1`. */
    editing: (script: string, ...args: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const editor = join(folder, "editor.sh")
        yield* Effect.promise(() => writeFile(editor, `#!/bin/sh\n${script}\n`))
        yield* Effect.promise(() => chmod(editor, 0o755))
        return yield* runHere(database, ["edit", ...args], { EDITOR: editor, VISUAL: "" })
      }),
  }
})

const document = <A, I>(schema: Schema.Schema<A, I>, { code, stderr, stdout }: Ended) => {
  assert.strictEqual(code, 0, stderr)
  return Schema.decode(Schema.parseJson(schema), { onExcessProperty: "error" })(stdout)
}

describe("embedbox list", { timeout: 60_000 }, () => {
  it.scoped("pages through notes in the order of type and id, whatever their state", () =>
    Effect.gen(function* () {
      const { add, embedbox } = yield* shell
      assert.strictEqual((yield* embedbox("list")).stdout, "No notes.\n")
      yield* add("b/two", "# Two")
      yield* add("a", "no heading\nat all")
      yield* add("z", "a task", "--type", "task")
      const all = yield* document(Output.Listed, yield* embedbox("list", "--json"))
      assert.deepStrictEqual(
        all.notes.map(({ embedding, entityType, id, title }) => [entityType, id, title, embedding.state]),
        [
          ["base", "a", "no heading", "pending"],
          ["base", "b/two", "Two", "pending"],
          ["task", "z", "a task", "pending"],
        ],
      )
      assert.isFalse(all.more)
      const page = yield* document(Output.Listed, yield* embedbox("list", "--json", "--limit", "1"))
      assert.isTrue(page.more)
      const next = yield* embedbox("list", "--after", "base/b/two", "--json")
      assert.deepStrictEqual(
        (yield* document(Output.Listed, next)).notes.map(({ id }) => id),
        ["z"],
      )
      const tasks = yield* embedbox("list", "--type", "task")
      assert.match(tasks.stdout, /^type +id +title +state +changed\ntask +z +a task +pending +.* ago\n$/)
      assert.match(
        (yield* embedbox("list", "--limit", "2")).stdout,
        /There are more: --after base\/b\/two\n$/,
      )
    }),
  )
})

describe("embedbox rm", { timeout: 60_000 }, () => {
  it.scoped("deletes several, and says which there were not", () =>
    Effect.gen(function* () {
      const { add, embedbox } = yield* shell
      yield* add("a", "one")
      yield* add("b", "two")
      const some = yield* embedbox("rm", "a", "none", "--json")
      assert.strictEqual(some.code, 4)
      assert.deepStrictEqual(JSON.parse(some.stdout), { removed: ["a"], missing: ["none"] })
      assert.strictEqual((yield* embedbox("get", "a")).code, 3)
      assert.strictEqual((yield* embedbox("rm", "b", "--quiet")).stdout, "")
      assert.strictEqual((yield* embedbox("rm", "b")).code, 3)
    }),
  )
})

describe("embedbox edit", { timeout: 60_000 }, () => {
  it.scoped("saves what the editor makes of the text, and front matter as metadata", () =>
    Effect.gen(function* () {
      const { add, editing, embedbox } = yield* shell
      yield* add("a", "---\nstate: open\nold: 1\n---\nOne\n", "--title", "Mine")
      const saved = yield* editing('printf -- "---\\nstate: done\\n---\\nTwo\\n" > "$1"', "a", "--json")
      assert.strictEqual((yield* document(Output.Edited, saved)).change, "updated")
      const note = yield* document(Output.Gotten, yield* embedbox("get", "a", "--json"))
      assert.strictEqual(note.content, "---\nstate: done\n---\nTwo\n")
      // What stood in the front matter has changed with it; the title, which did not, is still there.
      assert.deepStrictEqual(note.metadata, { title: "Mine", state: "done" })
      assert.match((yield* editing("true", "a")).stdout, /nothing changed/)
    }),
  )

  it.scoped("loses nothing where it cannot save, and says where it is", () =>
    Effect.gen(function* () {
      const { add, database, editing, embedbox, folder } = yield* shell
      yield* add("a", "One")
      yield* Effect.promise(() => writeFile(join(folder, "other.md"), "By somebody else"))
      // Somebody else is a process of its own, while the editor is open.
      const change = `echo mine > "$1"; "${process.execPath}" ${program("bin.ts")
        .map((word) => `"${word}"`)
        .join(" ")} import "${folder}/in" --database "${database}" >/dev/null 2>&1`
      yield* Effect.promise(async () => {
        const { mkdir } = await import("node:fs/promises")
        await mkdir(join(folder, "in"))
        await writeFile(join(folder, "in/a.md"), "By somebody else")
      })
      const refused = yield* editing(change, "a")
      assert.strictEqual(refused.code, 1, refused.stderr)
      const [, file = ""] =
        /somebody else changed the note meanwhile; your text is in (\S+)\n/.exec(refused.stderr) ?? []
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "mine\n")
      yield* Effect.promise(() => rm(file))
      assert.strictEqual((yield* embedbox("get", "a")).stdout, "By somebody else\n")

      const broken = yield* editing('printf -- "---\\n[\\n---\\n" > "$1"', "a")
      assert.strictEqual(broken.code, 1)
      assert.match(broken.stderr, /front matter: .*; your text is in /)
      const failed = yield* editing('echo kept > "$1"; exit 3', "a")
      assert.strictEqual(failed.code, 1)
      const [, kept = ""] = /ended with code 3; your text is in (\S+)\n/.exec(failed.stderr) ?? []
      assert.strictEqual(yield* Effect.promise(() => readFile(kept, "utf8")), "kept\n")
      assert.match((yield* editing("exit 3", "a")).stderr, /ended with code 3; nothing was changed/)
      assert.strictEqual((yield* runHere(database, ["edit", "a"], { EDITOR: "" })).code, 2)
      assert.strictEqual((yield* editing("true", "nothing")).code, 3)
      assert.isNotEmpty(yield* Effect.promise(() => readdir(folder)))
    }),
  )
})
