/** The installed commands: a daemon embeds what the command line saves, and ends in order. Nothing warns of anything. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"

const environment = { ...process.env, EMBEDBOX_DATABASE: "commands.sqlite", NO_COLOR: "1" }

const start = (program, ...args) => {
  const child = spawn(process.execPath, [program, ...args], { env: environment })
  const ended = once(child, "exit")
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  return { child, ended: async () => ({ code: (await ended)[0], said: await said }) }
}

const embedbox = async (words, { code = 0, input = "" } = {}) => {
  const { child, ended } = start("node_modules/embedbox/dist/bin.js", ...words)
  child.stdin.end(input)
  const end = await ended()
  assert.equal(end.code, code, end.said.join("\n"))
  assert.doesNotMatch(end.said[1], /warning/i)
  return end.said
}

const daemon = start("node_modules/embedbox/dist/main.js")
process.on("exit", () => daemon.child.kill("SIGKILL"))
let worker
while (worker === undefined) {
  assert.equal(daemon.child.exitCode, null, "the daemon ended")
  const [status] = await embedbox(["status", "--json"])
  worker = JSON.parse(status).workers[0]
}
assert.equal(worker.pid, daemon.child.pid)

const [added] = await embedbox(["add", "-", "--id", "car", "--json"], {
  input: "I parked the car on level 3.",
})
await embedbox(["job", JSON.parse(added).jobId, "--wait"])
const [found] = await embedbox(["search", "where did I leave my vehicle?", "--mode", "semantic", "--json"])
assert.equal(JSON.parse(found).results[0]?.entityId, "car")
const [told] = await embedbox(["status"])
assert.match(told, /^embedded +1$/m)

daemon.child.kill("SIGTERM")
const end = await daemon.ended()
assert.equal(end.code, 0, end.said.join("\n"))
assert.doesNotMatch(end.said.join("\n"), /warning/i)

// It is wanted once, and large: who wants it is told how to have it.
const [, reason] = await embedbox(["codemod", "create-entity", "host.js"], { code: 2 })
assert.match(reason, /npm install --save-dev ts-morph@/)

console.log(`the installed commands and the daemon work with Node ${process.versions.node}`)
