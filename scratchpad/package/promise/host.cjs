/** The same from CommonJS, where this Node can `require` modules: 20.19, 22.12 and later. */
const assert = require("node:assert/strict")

if (process.features.require_module !== true) {
  console.log(`skipped: Node ${process.versions.node} cannot require modules; a CommonJS host imports them`)
  process.exit(0)
}

const { createShell } = require("embedbox/promise")
const { createTestShell } = require("embedbox/testing")
const { EntityService } = require("embedbox")

const main = async () => {
  assert.equal(typeof EntityService.layer, "object")

  const shell = await createShell({ database: "notes.sqlite" })
  const notes = await shell.listEntities()
  assert.deepEqual(
    notes.map(({ embedding, id }) => [id, embedding.state]),
    [
      ["bread", "ready"],
      ["car", "ready"],
    ],
  )
  await shell.stop()

  const test = await createTestShell()
  await test.createEntity({ id: "a", content: "flour, water, salt" })
  await test.drain()
  assert.equal((await test.search("water")).results[0]?.entityId, "a")
  await test.stop()
  console.log("a Promise host in CommonJS works")
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
