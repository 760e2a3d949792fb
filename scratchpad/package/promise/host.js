/** A host in plain JavaScript: saves two notes, has the bundled model embed them, asks, and ends without being told to. */
import assert from "node:assert/strict"
import { createShell, EmbedboxError } from "embedbox/promise"

const shell = await createShell({ database: "notes.sqlite" })
await shell.start()

const { jobId } = await shell.createEntity({ id: "car", content: "I parked the car on level 3." })
const bread = await shell.createEntity({ id: "bread", content: "# Bread\nFlour, water, salt." })
await Promise.all([shell.awaitJob(jobId), shell.awaitJob(bread.jobId)])

const { mode, results } = await shell.search("where did I leave my vehicle?", { limit: 1 })
assert.deepEqual([mode, results[0]?.entityId], ["hybrid", "car"])

const error = await shell.getEntity("nobody").catch((error) => error)
assert(error instanceof EmbedboxError)
assert.equal(error.code, "ENTITY_NOT_FOUND")
assert.equal(await shell.getAsyncJobStatus("nothing"), null)

await shell.stop()
console.log("a Promise host in ESM JavaScript works, with the bundled model")
