import { createShell } from "embedbox/promise"
import { expect, it } from "vitest"
import { temporaryDatabase } from "./fixtures.js"

it("who stops while the real model is still loading hears of no trouble, and loses nothing", async () => {
  const said: Array<string> = []
  const write = process.stderr.write.bind(process.stderr)
  process.stderr.write = (chunk: string | Uint8Array) => {
    said.push(String(chunk))
    return true
  }
  const database = temporaryDatabase()
  const shell = await createShell({ database, logFormat: "logfmt" })
  try {
    await shell.start()
    for (let n = 0; n < 30; n++) {
      await shell.createEntity({ content: `note number ${n} about bread` })
      await new Promise((resolve) => setImmediate(resolve))
    }
    await shell.stop()
  } finally {
    process.stderr.write = write
  }
  expect(said.filter((line) => /level=(WARN|ERROR|FATAL)/.test(line))).toEqual([])
  await using again = await createShell({ database, model: "fake", logLevel: "none" })
  expect(await again.listEntities()).toHaveLength(30)
})
