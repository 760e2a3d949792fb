import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Lines from "../../src/Mcp/Lines.js"
import * as JsonRpc from "../../src/Mcp/JsonRpc.js"
import { runHere } from "../Cli/inProcess.js"
import { temporaryDatabase } from "../support.js"
import { run, start } from "../support/Processes.js"
import * as Assistant from "./Assistant.js"

const message = (rest: object) => JSON.stringify({ jsonrpc: "2.0", ...rest })

const hello = message({
  id: "hello",
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } },
})

const call = (id: unknown, name: string, given?: object) =>
  message({ id, method: "tools/call", params: { name, ...(given && { arguments: given }) } })

const Answer = Schema.Struct({
  id: Schema.NullOr(JsonRpc.Id),
  result: Schema.optional(Schema.Unknown),
  error: Schema.optional(Schema.Struct({ code: Schema.Int, message: Schema.String })),
})
const decode = Schema.decodeUnknown(Schema.parseJson(Answer))

/** What is answered to these lines, after which the client hangs up at once. */
const conversation = (database: string, lines: ReadonlyArray<string>, args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const { code, stderr, stdout } = yield* run("bin.ts", ["mcp", "--no-worker", ...args], {
      env: { EMBEDBOX_DATABASE: database },
      stdin: lines.join("\n"),
    })
    assert.strictEqual(code, 0, stderr)
    return yield* Effect.forEach(stdout.split("\n").slice(0, -1), (line) => decode(line))
  })

const listed = (database: string) =>
  Effect.map(runHere(database, ["list", "--limit", "1000", "--json"]), ({ stdout }) => {
    const { notes }: { readonly notes: ReadonlyArray<{ readonly id: string }> } = JSON.parse(stdout)
    return notes.map(({ id }) => id)
  })

const split = (pieces: ReadonlyArray<Uint8Array>, most: number) =>
  Effect.map(Stream.runCollect(Lines.of(Stream.fromIterable(pieces), most)), Chunk.toReadonlyArray)

describe("lines", () => {
  it.effect("are whole however the bytes come", () =>
    Effect.gen(function* () {
      const bytes = new TextEncoder().encode("ä😀\n\nzwölf\nlast")
      const expected = [{ text: "ä😀" }, { text: "" }, { text: "zwölf" }, { text: "last" }]
      for (const size of [1, 2, 3, 5, 100]) {
        const pieces: Array<Uint8Array> = []
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
        assert.deepStrictEqual(yield* split(pieces, 10), expected)
      }
    }),
  )

  it.effect("that are too long are left out, and those behind them are not", () =>
    Effect.gen(function* () {
      const pieces = ["12345", "6789", "0abc\nnext\n", "1234567890\n", "12345678901"].map((text) =>
        new TextEncoder().encode(text),
      )
      assert.deepStrictEqual(yield* split(pieces, 10), [
        { tooLong: true },
        { text: "next" },
        { text: "1234567890" },
        { tooLong: true },
      ])
    }),
  )
})

describe("the pipes of an assistant", { timeout: 120_000 }, () => {
  it.scopedLive("carry whatever comes, and bad lines spoil nothing", () =>
    Effect.gen(function* () {
      const answers = yield* conversation(yield* temporaryDatabase, [
        "this is no JSON",
        hello,
        '{"jsonrpc":"2.0","id":1,"method":',
        message({ method: "notifications/initialized" }),
        message({ method: "notifications/unheard-of" }),
        message({ method: "notifications/cancelled", params: { requestId: "never" } }),
        message({ method: "notifications/cancelled" }),
        "[]",
        "null",
        "",
        "\u0000",
        message({ id: { a: 1 }, method: "ping" }),
        message({ id: 3, result: {} }),
        message({ id: 0, method: "ping" }),
        message({ id: 4, method: "no/such" }),
        message({ id: 5, method: "tools/call" }),
        message({ id: 6, method: "tools/call", params: { name: 1 } }),
        call("nothing given", "index_status"),
        call(8, "add_note", { content: "ä😀".repeat(100_000), id: "wide" }),
        message({ id: "last", method: "tools/list" }),
      ])
      const ended = answers.flatMap(({ error, id }) =>
        id === null ? [] : [`${id} ${error?.code ?? "done"}`],
      )
      assert.deepStrictEqual(ended.toSorted(), [
        "0 done",
        "4 -32601",
        "5 -32602",
        "6 -32602",
        "8 done",
        "hello done",
        "last done",
        "nothing given done",
      ])
      assert.deepStrictEqual(
        answers.flatMap(({ error, id }) => (id === null && error !== undefined ? [error.code] : [])),
        [-32_700, -32_700, -32_600, -32_600, -32_700, -32_600],
      )
    }),
  )

  it.scopedLive("are not left before what was asked for is done", () =>
    Effect.gen(function* () {
      const database = yield* temporaryDatabase
      const ids = Array.from({ length: 150 }, (_, at) => `note-${String(at).padStart(3, "0")}`)
      const answers = yield* conversation(database, [
        hello,
        ...ids.map((id) => call(id, "add_note", { content: `# ${id}`, id })),
      ])
      assert.deepStrictEqual(answers.map(({ id }) => id).toSorted(), ["hello", ...ids].toSorted())
      assert.deepStrictEqual(yield* listed(database), ids)
    }),
  )

  it.scopedLive("may break: what is in work is done all the same", () =>
    Effect.gen(function* () {
      const database = yield* temporaryDatabase
      const { child, ended } = yield* start("bin.ts", ["mcp", "--no-worker"], {
        env: { EMBEDBOX_DATABASE: database },
        leaveOpen: true,
      })
      const ids = Array.from({ length: 40 }, (_, at) => `note-${String(at).padStart(2, "0")}`)
      child.stdin?.write(`${hello}\n`)
      child.stdout?.once("data", () => {
        child.stdout?.destroy()
        child.stdin?.write(ids.map((id) => `${call(id, "add_note", { content: id, id })}\n`).join(""))
      })
      // Its input stays open: that nobody hears its answers is all that it is told.
      const { code, stderr } = yield* ended
      assert.strictEqual(code, 0, stderr)
      const kept = yield* listed(database)
      assert.isAbove(kept.length, 0)
      assert.deepStrictEqual(kept, ids.slice(0, kept.length))
    }),
  )

  it.scopedLive("hold what was acknowledged when the program is stopped in the middle of a write", () =>
    Effect.gen(function* () {
      const database = yield* temporaryDatabase
      const acknowledged: Array<string> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          const assistant = yield* Assistant.start(database, ["--no-worker"])
          const add = async (id: string) => {
            await assistant.client.callTool({ name: "add_note", arguments: { content: "text", id } })
            acknowledged.push(id)
            if (acknowledged.length === 5) process.kill(assistant.pid, "SIGTERM")
          }
          const calls = Array.from({ length: 60 }, (_, at) => add(`${at}`))
          yield* Effect.promise(() => Promise.allSettled(calls))
        }),
      )
      assert.isAtLeast(acknowledged.length, 5)
      const kept = new Set(yield* listed(database))
      assert.deepStrictEqual(
        acknowledged.filter((id) => !kept.has(id)),
        [],
      )
      const { stdout } = yield* runHere(database, ["doctor", "--json"])
      assert.include(stdout, '"violations":[]')
    }),
  )

  it.scopedLive("carry many calls at a time, also those of two assistants", () =>
    Effect.gen(function* () {
      const database = yield* temporaryDatabase
      const [one, other] = yield* Effect.all(
        [Assistant.start(database), Assistant.start(database, ["--no-worker"])],
        { concurrency: 2 },
      )
      const ids = Array.from({ length: 80 }, (_, at) => `note-${String(at).padStart(3, "0")}`)
      yield* Effect.forEach(
        ids,
        (id, at) => {
          const { ask } = at % 2 === 0 ? one : other
          return Effect.zip(
            ask("add_note", { content: `word ${id}`, id }),
            ask("search_notes", { question: "word", mode: "lexical" }),
            { concurrent: true },
          )
        },
        { concurrency: "unbounded", discard: true },
      )
      assert.deepStrictEqual(yield* listed(database), ids)
      // A cancelled call is answered by nobody, and stands in nobody's way.
      const waiting = new AbortController()
      const { job } = yield* other.ask("add_note", { content: "late", id: "late" })
      const given = { name: "job_status", arguments: { job, wait_seconds: 50 } }
      const cancelled = one.client.callTool(given, undefined, { signal: waiting.signal })
      waiting.abort("enough")
      yield* Effect.promise(() => cancelled.catch(() => undefined))
      assert.isNumber((yield* one.ask("index_status"))["ready"])
      // Nothing but messages is on standard output, or the client would have said so.
      assert.include(one.stderr(), "level=WARN")
    }),
  )
})
