import { assert, describe, it, onTestFinished } from "vitest"
import * as Schema from "effect/Schema"
import { defineEntityType } from "embedbox/promise"
import { createTestShell, type TestShellOptions } from "embedbox/testing"
import { rejection, temporaryDatabase } from "../Shell/Promise/fixtures.js"

const shellWith = async (options: TestShellOptions = {}) => {
  const shell = await createTestShell(options)
  onTestFinished(() => shell.stop())
  return shell
}

describe("a shell of promises for tests", () => {
  it("is emptied without sleeping, outages included", async () => {
    const shell = await shellWith()
    await shell.embedder.failNext("provider", { times: 2, retryAfterMs: 60_000 })
    const { jobId } = await shell.createEntity({ id: "a", content: "flour, water, salt" })
    await shell.drain()
    assert.strictEqual((await shell.getAsyncJobStatus(jobId))?.status, "completed")
    assert.deepStrictEqual(await shell.embedder.embedded(), ["flour, water, salt"])
    const { created } = await shell.getEntity("a")
    assert.strictEqual(created, 0)
    assert.strictEqual((await shell.updateEntity("a", { content: "more" })).change, "updated")
    assert.isAtLeast((await shell.getEntity("a")).updated, 120_000)
    await shell.drain()
    assert.strictEqual((await shell.search("more")).results.length, 1)
  })

  it("fails on demand, by anybody's fault", async () => {
    const shell = await shellWith()
    await shell.embedder.failWhen((text) => text.includes("poison"), "item", { reason: "poison" })
    const { jobId } = await shell.createEntityAsync({ content: "poison" }, { maxRetries: 1 })
    await shell.drain()
    assert.deepInclude(await shell.getAsyncJobStatus(jobId), { status: "failed", error: "poison" })
    await shell.embedder.reset()
    await shell.embedder.failNext("crash")
    await shell.queue.retryFailed()
    await shell.drain()
    assert.strictEqual((await shell.getAsyncJobStatus(jobId))?.status, "completed")
  })

  it("moves its clock when it is told to", async () => {
    const shell = await shellWith()
    await shell.createEntity({ id: "a", content: "text" })
    const [lost = ""] = await shell.abandon()
    await shell.start()
    await shell.advance(20_000)
    assert.strictEqual((await shell.getEntity("a")).embedding.state, "processing")
    await shell.drain()
    assert.deepStrictEqual((await shell.getEntity("a")).embedding, { state: "ready", jobId: lost })
  })

  it("says that it will never be empty, and ends all the same when the embedder hangs", async () => {
    const shell = await shellWith({ maxWaiting: 1 })
    await shell.embedder.hangWhen(() => true)
    await shell.createEntity({ content: "text" })
    const error = await rejection(shell.drain(30_000))
    assert.match(String(error), /still pending|in hand/)
    await shell.stop()
    assert.propertyVal(await rejection(shell.listEntities()), "code", "SHELL_STOPPED")
  })

  it("is found again after a restart where it has a file", async () => {
    const database = temporaryDatabase()
    {
      await using first = await createTestShell({ database })
      await first.createEntity({ id: "a", content: "text" })
    }
    const second = await shellWith({ database })
    await second.drain()
    assert.strictEqual((await second.getEntity("a")).embedding.state, "ready")
  })

  it("refuses what the shell of the program refuses", async () => {
    const Person = defineEntityType({
      entityType: "person",
      schema: Schema.Struct({ name: Schema.NonEmptyString, content: Schema.String }),
    })
    const shell = await shellWith({ entityTypes: [Person] })
    const strange = await rejection(shell.createEntity({ entityType: "zebra", content: "x" }))
    assert.match(String(strange), /"zebra" is not known here: known are person/)
    const nameless = await rejection(shell.createEntity({ entityType: "person", content: "x" }))
    assert.propertyVal(nameless, "field", "metadata.name")
    const options: object = { entityTyps: [], nonsense: 1 }
    const unknown = await rejection(createTestShell(options))
    assert.deepPropertyVal(unknown, "problems", [
      'there is no option "entityTyps": did you mean entityTypes?',
      'there is no option "nonsense"',
    ])
  })

  it("refuses what no test can mean, by its name", async () => {
    const shell = await shellWith()
    const { embedder } = shell
    const always = () => true
    const slips: ReadonlyArray<
      readonly [field: string, target: object, method: string, given: ReadonlyArray<unknown>]
    > = [
      ["failing", embedder, "failNext", ["providr"]],
      ["failing", embedder, "failNext", [null]],
      ["times", embedder, "failNext", ["item", { times: 0 }]],
      ["reason", embedder, "failNext", ["item", { reason: 5 }]],
      ["retryAfter", embedder, "failNext", ["provider", { retryAfter: 5 }]],
      ["times", embedder, "failWhen", [always, "item", { times: 2 }]],
      ["matches", embedder, "failWhen", ["poison", "item"]],
      ["matches", embedder, "hangWhen", [{}]],
      ["atMostMs", shell, "drain", [-1]],
      ["milliseconds", shell, "advance", ["5s"]],
      ["n", shell, "abandon", [0.5]],
    ]
    for (const [field, target, method, given] of slips) {
      const error = await rejection(Reflect.apply(Reflect.get(target, method), target, given))
      assert.deepPropertyVal(error, "code", "INVALID_ENTITY", field)
      assert.propertyVal(error, "field", field)
    }
    const problem = async (options: object) => {
      const error = await rejection(Reflect.apply(createTestShell, undefined, [options]))
      assert.propertyVal(error, "code", "INVALID_SETTINGS")
      return String(error)
    }
    assert.include(await problem({ windowLength: -1 }), "windowLength must be a whole number, 1 or more")
    assert.include(await problem({ database: 5 }), "database must be a text")
    assert.include(await problem({ dimensions: 0 }), "dimensions must be a whole number from 1 to 65536")
  })
})
