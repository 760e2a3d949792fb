/** An assistant's side: the official client starts the installed command, saves a note through it, and finds it again. */
import assert from "node:assert/strict"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"

const client = new Client({ name: "package-test", version: "1" })
await client.connect(
  new StdioClientTransport({
    command: "node_modules/.bin/embedbox",
    args: ["--database", "notes.sqlite", "mcp", "--role", "trusted"],
  }),
)

const ask = async (name, given) => {
  const { content, isError, structuredContent } = await client.callTool({ name, arguments: given })
  assert(!isError, content[0]?.text)
  return structuredContent
}

const { tools } = await client.listTools()
assert(tools.some(({ name }) => name === "search_notes"))
const { job } = await ask("add_note", { id: "car", content: "I parked the car on level 3." })
const { results } = await ask("search_notes", { question: "parked", mode: "lexical" })
assert.equal(results[0]?.id, "car")

// Also by meaning, with the bundled model. Afterwards nothing is under way when the command is ended.
const { status } = await ask("job_status", { job, wait_seconds: 50 })
assert.equal(status, "completed")

await client.close()
console.log("an MCP client works with the installed command")
