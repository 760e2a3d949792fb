import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Output from "../../src/Cli/Output.js"
import { temporaryFolder } from "../support.js"
import { runHere } from "./inProcess.js"

/** Three notes of two types, imported and embedded. */
const library = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const database = join(folder, "notes.sqlite")
  const embedbox = (...args: ReadonlyArray<string>) => runHere(database, args)
  writeFileSync(join(folder, "bread.md"), "# Bread\n\nFlour and water, then patience.\n")
  writeFileSync(join(folder, "cake.md"), "# Cake\n\nFlour and sugar, then patience.\n")
  assert.strictEqual((yield* embedbox("import", folder, "--wait")).code, 0)
  writeFileSync(join(folder, "task.md"), "Buy flour")
  yield* embedbox("add", join(folder, "task.md"), "--id", "task", "--type", "task", "--title", "Shop = 1")
  return { embedbox, folder }
})

const found = (stdout: string) => Schema.decode(Schema.parseJson(Output.Found))(stdout)

describe("embedbox search and related", { timeout: 60_000 }, () => {
  it.scopedLive("filter, page and explain", () =>
    Effect.gen(function* () {
      const { embedbox } = yield* library
      const ids = (...args: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const { code, stderr, stdout } = yield* embedbox("search", "flour", "--json", ...args)
          assert.strictEqual(code, 0, stderr)
          return (yield* found(stdout)).results.map(({ entityId }) => entityId)
        })
      assert.sameMembers(yield* ids(), ["bread", "cake", "task"])
      assert.sameMembers(yield* ids("--exclude-type", "task"), ["bread", "cake"])
      assert.deepStrictEqual(yield* ids("--meta", "title=Shop = 1"), ["task"])
      assert.deepStrictEqual(yield* ids("--meta", "title=7"), [])
      assert.deepStrictEqual(
        [...(yield* ids("--limit", "2")), ...(yield* ids("--limit", "2", "--offset", "2"))].toSorted(),
        ["bread", "cake", "task"],
      )
      const explained = yield* found((yield* embedbox("search", "flour", "--explain", "--json")).stdout)
      for (const { explanation, score } of explained.results) {
        assert.closeTo((explanation?.semantic ?? 0) + (explanation?.lexical ?? 0), score, 1e-9)
      }
      const text = yield* embedbox("search", "flour", "--explain")
      assert.match(text.stdout, /score 0\.\d{3} = 0\.\d{3} meaning \+ 0\.\d{3} words/)
      const wrong = yield* embedbox("search", "flour", "--meta", "title")
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "--meta takes key=value")
    }),
  )

  it.scopedLive("find what is like a note", () =>
    Effect.gen(function* () {
      const { embedbox } = yield* library
      const { results } = yield* found((yield* embedbox("related", "bread", "--json")).stdout)
      assert.deepStrictEqual(
        results.map(({ entityId }) => entityId),
        ["cake"],
      )
      assert.include((yield* embedbox("related", "bread")).stdout, "1.  Cake")
      assert.include((yield* embedbox("related", "task")).stdout, "not embedded yet")
      assert.strictEqual((yield* embedbox("related", "nowhere")).code, 3)
    }),
  )
})

describe("embedbox reembed", { timeout: 60_000 }, () => {
  it.scopedLive("has nothing to do where the configured model is the one that is searched", () =>
    Effect.gen(function* () {
      const { embedbox } = yield* library
      const plan = yield* embedbox("reembed", "--dry-run", "--json")
      const { entities, from, stored, to } = yield* Schema.decode(Schema.parseJson(Output.ReembedPlan))(
        plan.stdout,
      )
      assert.deepStrictEqual([entities, stored, from], [0, 2, to])
      assert.include((yield* embedbox("reembed", "--dry-run")).stdout, "nothing to do")
      const done = yield* embedbox("reembed", "--json")
      const outcome = yield* Schema.decode(Schema.parseJson(Output.Reembedded))(done.stdout)
      assert.deepInclude(outcome, { embedded: 0, changed: false, dropped: 0, refused: [] })
    }),
  )
})
