import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { temporaryDatabase } from "../support.js"
import * as Assistant from "./Assistant.js"

const results = ({ results }: { readonly [name: string]: unknown }) =>
  Schema.decodeUnknown(
    Schema.NonEmptyArray(
      Schema.Struct({
        id: Schema.String,
        type: Schema.String,
        title: Schema.String,
        found_by: Schema.Array(Schema.String),
        embedding: Schema.Struct({ state: Schema.String, job: Schema.String }),
      }),
    ),
  )(results)

describe("the tools of an assistant", { timeout: 120_000 }, () => {
  it.scopedLive("save, follow, find, read, change and delete a note", () =>
    Effect.gen(function* () {
      const { ask, client, refusal } = yield* Assistant.start(yield* temporaryDatabase, ["--role", "owner"])
      const added = yield* ask("add_note", {
        content: "# Bread\n\nFlour, water and salt.",
        id: "kitchen/bread",
        metadata: { status: "open", tags: ["food"] },
      })
      assert.strictEqual(added["id"], "kitchen/bread")
      const ended = yield* ask("job_status", { job: added["job"], wait_seconds: 50 })
      assert.include(ended, { status: "completed", outcome: "stored", id: "kitchen/bread" })
      yield* ask("add_note", { content: "Water the tomatoes", id: "tomatoes", title: "Garden" })

      const found = yield* ask("search_notes", {
        question: "flour and water",
        metadata: { tags: "food" },
        created_from: "2020-01-01",
        mode: null,
      })
      assert.include(found, { mode: "hybrid", failed: 0 })
      const [best] = yield* results(found)
      assert.deepStrictEqual(best, {
        id: "kitchen/bread",
        type: "base",
        title: "Bread",
        found_by: ["meaning", "words"],
        embedding: { state: "ready", job: String(added["job"]) },
      })
      const later = yield* ask("search_notes", { question: "flour", created_from: "2999-01-01T00:00:00Z" })
      assert.deepStrictEqual(later["results"], [])

      const read = yield* ask("read_note", { id: "kitchen/bread", from: 2, characters: 5 })
      assert.include(read, { content: "Bread", from: 2, is_cut: true, title: "Bread" })
      assert.deepStrictEqual(read["metadata"], { status: "open", tags: ["food"] })
      assert.match(String(read["note"]), /call read_note with from = 7\.$/)

      const first = yield* ask("list_notes", { limit: 1 })
      assert.strictEqual(first["next"], "base/kitchen/bread")
      const second = yield* ask("list_notes", { after: first["next"], limit: 1 })
      assert.strictEqual(second["next"], null)
      assert.include([second["notes"]].flat()[0], { id: "tomatoes", title: "Garden" })

      assert.include(yield* ask("update_note", { id: "tomatoes", metadata: { title: "Garden" } }), {
        change: "unchanged",
      })
      assert.include(yield* ask("update_note", { id: "tomatoes", content: "Water them daily" }), {
        change: "updated",
      })
      const resource = yield* Effect.promise(() =>
        client.readResource({ uri: "embedbox://base/kitchen/bread" }),
      )
      assert.deepStrictEqual(resource.contents, [
        {
          uri: "embedbox://base/kitchen/bread",
          mimeType: "text/markdown",
          text: "# Bread\n\nFlour, water and salt.",
        },
      ])
      assert.isAbove(Number((yield* ask("index_status"))["ready"]), 0)
      assert.deepStrictEqual(yield* ask("delete_note", { id: "tomatoes" }), { id: "tomatoes", deleted: true })
      assert.match(yield* refusal("read_note", { id: "tomatoes" }), /^There is no note "tomatoes"/)
      const related = yield* ask("related_notes", { id: "kitchen/bread" })
      assert.deepStrictEqual(related["results"], [])
    }),
  )

  it.scopedLive("say what waits while nobody works, and try again what failed", () =>
    Effect.gen(function* () {
      const { ask } = yield* Assistant.start(yield* temporaryDatabase, ["--no-worker", "--role", "owner"])
      const { job } = yield* ask("add_note", { content: "Buy milk", id: "milk" })
      const found = yield* ask("search_notes", { question: "milk" })
      assert.include(found, { pending: 1 })
      assert.include([found["results"]].flat()[0], { id: "milk" })
      assert.deepStrictEqual(found["notes"], [
        "1 note not embedded yet: found by words only, or by older text.",
      ])
      assert.deepStrictEqual(
        (yield* ask("search_notes", { question: "milk", mode: "semantic" }))["results"],
        [],
      )
      assert.include(yield* ask("job_status", { job }), { status: "pending", id: "milk" })
      const waiting = yield* ask("list_jobs", { status: "pending", limit: 1 })
      assert.include(waiting, { more: false })
      assert.include([waiting["jobs"]].flat()[0], { job, id: "milk" })
      assert.include(yield* ask("index_status"), { pending: 1, workers: 0, coverage: 0 })
      assert.include(yield* ask("retry_job", { job }), {
        retried: false,
        note: "There is nothing to try again: the job is pending.",
      })
      assert.deepStrictEqual(yield* ask("retry_failed_jobs"), { retried: 0 })
    }),
  )

  it.scopedLive("refuse in a sentence that says what to do, and do nothing", () =>
    Effect.gen(function* () {
      const { ask, client, refusal } = yield* Assistant.start(yield* temporaryDatabase, ["--no-worker"])
      yield* ask("add_note", { content: "a", id: "twin", type: "task" })
      yield* ask("add_note", { content: "b", id: "twin", type: "base" })
      const cases: ReadonlyArray<readonly [tool: string, given: object, says: RegExp]> = [
        ["add_note", {}, /^These arguments of add_note do not fit: content: is missing\. Nothing was done/],
        ["add_note", { content: 7 }, /content: Expected string, actual 7\. Nothing/],
        ["add_note", { content: " " }, /^Content: must not be empty.* Nothing was done/],
        ["add_note", { content: "x", id: "twin" }, /exists already\. Nothing was saved\. Choose another id/],
        ["add_note", { content: "x", type: "no name" }, /^Type: must be a name/],
        ["add_note", { content: "x", colour: "red" }, /colour: is unexpected/],
        [
          "search_notes",
          { question: "x", limit: 51 },
          /limit: must be a whole number from 1 to 50\. Nothing/,
        ],
        [
          "search_notes",
          { question: "x", mode: "psychic" },
          /mode: must be hybrid, semantic or lexical\. Nothing/,
        ],
        ["search_notes", { question: "x", created_from: "then" }, /created_from: must be a time such as/],
        ["search_notes", { question: "" }, /^Question: must not be empty/],
        [
          "read_note",
          { id: "twin" },
          /^There are notes "twin" of several types: base, task\. Say which one you mean with `type`/,
        ],
        ["read_note", { id: "nowhere" }, /^There is no note "nowhere".*search_notes and list_notes tell/],
        ["update_note", { id: "twin", type: "task" }, /^Content: give a new text, new metadata, or both\./],
        ["list_notes", { after: "x" }, /^After: takes type\/id/],
        ["job_status", { job: "none" }, /^There is no job "none"\. list_jobs tells ids/],
        ["job_status", { job: "none", wait_seconds: 5 }, /^There is no job "none"/],
        ["retry_job", { job: "none" }, /^There is no job "none"/],
      ]
      for (const [tool, given, says] of cases) assert.match(yield* refusal(tool, { ...given }), says)
      assert.strictEqual([(yield* ask("list_notes"))["notes"]].flat().length, 2)

      const protocol = yield* Effect.promise(() =>
        Promise.allSettled([
          client.callTool({ name: "format_disk", arguments: {} }),
          client.readResource({ uri: "embedbox://base/nowhere" }),
          client.readResource({ uri: "file:///etc/passwd" }),
          client.readResource({ uri: "embedbox://base/%E0%A4%A" }),
        ]),
      )
      assert.deepStrictEqual(
        protocol.map((one) => (one.status === "rejected" ? one.reason.code : one.value)),
        [-32_602, -32_602, -32_602, -32_602],
      )
    }),
  )

  it.scopedLive("cut what is long, and give all of it in pieces", () =>
    Effect.gen(function* () {
      const { ask, client } = yield* Assistant.start(yield* temporaryDatabase, ["--no-worker"])
      const content = `# Long\n\n${"😀 long text. ".repeat(40_000)}end`
      yield* ask("add_note", { content, id: "long", metadata: { list: "x".repeat(20_000) } })
      let all = ""
      for (let page = 0; page < 30; page++) {
        const read = yield* ask("read_note", { id: "long", from: all.length, characters: 49_999 })
        assert.isUndefined(read["metadata"])
        assert.match(String(read["metadata_cut"]), /characters as JSON/)
        const piece = String(read["content"])
        assert.isTrue(piece.isWellFormed())
        all += piece
        if (read["is_cut"] === false) break
      }
      assert.strictEqual(all, content)
      const resource = yield* Effect.promise(() => client.readResource({ uri: "embedbox://base/long" }))
      assert.match(
        JSON.stringify(resource.contents),
        /\[Cut: \d+ more characters\. The tool read_note gives them, from = \d+\.\]/,
      )
    }),
  )

  it.scopedLive("are no more than the role covers", () =>
    Effect.gen(function* () {
      const database = yield* temporaryDatabase
      const readers = ["index_status", "list_notes", "read_note", "related_notes", "search_notes"]
      const writers = [...readers, "add_note", "job_status", "list_jobs", "retry_job", "update_note"]
      const owners = [...writers, "delete_note", "retry_failed_jobs"]
      const byRole = { public: readers, trusted: writers, owner: owners }
      for (const [role, expected] of Object.entries(byRole)) {
        const { ask, client, refusal } = yield* Assistant.start(database, ["--no-worker", "--role", role])
        const { tools } = yield* Effect.promise(() => client.listTools())
        assert.deepStrictEqual(tools.map(({ name }) => name).toSorted(), expected.toSorted())
        for (const { annotations, inputSchema, name } of tools) {
          assert.strictEqual(inputSchema.type, "object")
          assert.strictEqual(annotations?.readOnlyHint, !/^(add|update|delete|retry)/.test(name), name)
          assert.strictEqual(annotations?.destructiveHint, /^(update|delete)/.test(name), name)
          assert.strictEqual(annotations?.idempotentHint, name !== "add_note", name)
        }
        assert.match(client.getInstructions() ?? "", /^Notes of a person .*search_notes answers a question/)
        if (role === "public") {
          assert.match(
            yield* refusal("add_note", { content: "x", id: "x" }),
            /^add_note takes the role trusted, and this server was started for public\. Nothing was done/,
          )
        }
        if (role === "trusted") {
          yield* ask("add_note", { content: "x", id: "kept" })
          assert.match(yield* refusal("delete_note", { id: "kept" }), /takes the role owner/)
        }
        const { notes } = yield* ask("list_notes")
        assert.strictEqual([notes].flat().length, role === "public" ? 0 : 1)
      }
    }),
  )
})
