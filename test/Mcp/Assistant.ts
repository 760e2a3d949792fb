/** An assistant: the official client of the protocol, on the real program over its pipes, with a database of the test's own. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { environment } from "../support/Processes.js"
import { program } from "../support/programs.js"

/** What a tool answered, as far as tests look at it. */
export const Result = Schema.Struct({
  content: Schema.NonEmptyArray(Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })),
  structuredContent: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown })),
  isError: Schema.optional(Schema.Boolean),
})

const decode = Schema.decodeUnknown(Result)

/** The program on this database, and a client that speaks with it as long as the scope lasts. */
export const start = (
  database: string,
  args: ReadonlyArray<string> = [],
  env: { readonly [name: string]: string } = {},
) =>
  Effect.gen(function* () {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [...program("bin.ts"), "mcp", ...args],
      env: Object.fromEntries(
        Object.entries(environment({ EMBEDBOX_DATABASE: database, ...env })).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, value]],
        ),
      ),
      stderr: "pipe",
    })
    let stderr = ""
    transport.stderr?.on("data", (text) => (stderr += String(text)))
    const client = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const client = new Client({ name: "test", version: "1" })
        await client.connect(transport)
        return client
      }),
      (client) => Effect.promise(() => client.close()),
    )
    const call = (name: string, given?: { readonly [name: string]: unknown }) =>
      Effect.flatMap(
        Effect.promise(() => client.callTool({ name, ...(given === undefined ? {} : { arguments: given }) })),
        decode,
      )
    return {
      client,
      pid: transport.pid ?? 0,
      stderr: () => stderr,
      call,
      /** What a tool answers that is not to refuse. */
      ask: (name: string, given?: { readonly [name: string]: unknown }) =>
        Effect.flatMap(call(name, given), ({ content, isError, structuredContent = {} }) =>
          isError === true ? Effect.dieMessage(content[0].text) : Effect.succeed(structuredContent),
        ),
      /** The sentence with which it refuses. */
      refusal: (name: string, given?: { readonly [name: string]: unknown }) =>
        Effect.flatMap(call(name, given), ({ content, isError }) =>
          isError === true
            ? Effect.succeed(content[0].text)
            : Effect.dieMessage(`not refused: ${content[0].text}`),
        ),
    }
  })
