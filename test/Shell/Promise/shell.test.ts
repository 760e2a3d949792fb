import { assert, describe, it, vi } from "vitest"
import { getEventListeners } from "node:events"
import {
  createShell,
  EmbedboxError,
  EntityAlreadyExistsError,
  EntityNotFoundError,
  InvalidEntityError,
  JobFailedError,
  JobNotFoundError,
  QueueFullError,
  type Shell,
  ShellStoppedError,
} from "embedbox/promise"
import { hostEmbedder, rejection, shellWith, temporaryDatabase } from "./fixtures.js"

describe("a shell of promises", () => {
  it("saves, embeds and finds", async () => {
    const shell = await shellWith()
    await shell.start()
    const { entityId, jobId } = await shell.createEntity({ id: "bread", content: "flour, water, salt" })
    assert.strictEqual(entityId, "bread")
    assert.deepStrictEqual(await shell.awaitJob(jobId), {
      jobId,
      entityType: "base",
      entityId,
      outcome: "stored",
    })
    const { mode, results } = await shell.search("water", { limit: 1 })
    assert.deepStrictEqual([mode, results.map((result) => result.entityId)], ["hybrid", ["bread"]])
    await shell.awaitSearchable(jobId, 60_000)
    assert.strictEqual((await shell.indexStatus()).coverage, 1)
  })

  it("reads and writes before it is started, and embeds afterwards", async () => {
    const shell = await shellWith()
    const { jobId } = await shell.createEntityAsync(
      { id: "a", content: "text" },
      { priority: 3, maxRetries: 1 },
    )
    assert.deepStrictEqual((await shell.getEntity("a")).embedding, { state: "pending", jobId })
    const item = await shell.queue.getStatusByEntityId("a")
    assert.deepStrictEqual([item?.priority, item?.maxRetries, item?.entity?.content], [3, 1, "text"])
    assert.deepStrictEqual(await shell.queue.getStats(), {
      pending: 1,
      processing: 0,
      failed: 0,
      completed: 0,
    })
    await Promise.all([shell.start(), shell.start()])
    await shell.awaitJob(jobId)
    assert.deepStrictEqual((await shell.getEntity("a")).embedding, { state: "ready", jobId })
  })

  it("changes, moves, lists and deletes", async () => {
    const shell = await shellWith()
    await shell.upsertEntity({ id: "a", content: "one", metadata: { title: "A" } })
    assert.strictEqual((await shell.upsertEntity({ id: "a", content: "two" })).change, "updated")
    assert.strictEqual((await shell.updateEntity("a", { content: "two" })).change, "unchanged")
    await shell.moveEntity({ entityType: "base", entityId: "a" }, { entityType: "task", entityId: "b" })
    const outcomes = await shell.createEntities([
      { content: "three", id: "c" },
      { content: "" },
      { id: "c", content: "x" },
    ])
    assert.deepStrictEqual(
      outcomes.map((outcome) =>
        outcome.status === "fulfilled" ? outcome.value.entityId : outcome.reason.code,
      ),
      ["c", "INVALID_ENTITY", "ENTITY_ALREADY_EXISTS"],
    )
    const [merged] = await shell.upsertEntities([{ id: "c", content: "three", metadata: { x: 1 } }], {
      metadata: "merge",
    })
    assert.strictEqual(merged?.status === "fulfilled" && merged.value.change, "updated")
    assert.deepStrictEqual(
      (await shell.listEntities()).map(({ entityType, id }) => [entityType, id]),
      [
        ["base", "c"],
        ["task", "b"],
      ],
    )
    await shell.deleteEntity("b", "task")
    assert.strictEqual((await shell.listEntities({ entityTypes: ["task"] })).length, 0)
    const { results } = await shell.related("c")
    assert.deepStrictEqual(results, [])
  })

  it("embeds inline where it must", async () => {
    const shell = await shellWith()
    const entity = await shell.createEntitySync({ id: "a", content: "text" })
    assert.strictEqual(entity.embedding.state, "ready")
    assert.strictEqual(entity.content, "text")
  })

  it("tells how a job stands, and null of one that nobody knows", async () => {
    const embedder = hostEmbedder()
    const shell = await shellWith({ embedder })
    assert.isNull(await shell.getAsyncJobStatus("unknown"))
    const { jobId } = await shell.createEntityAsync({ id: "a", content: "text" }, { maxRetries: 0 })
    assert.deepStrictEqual(await shell.getAsyncJobStatus(jobId), { status: "pending", entityId: "a" })
    embedder.answer = () => Promise.reject(Object.assign(new Error("not this text"), { fault: "item" }))
    await shell.start()
    const error = await rejection(shell.awaitJob(jobId))
    assert.instanceOf(error, JobFailedError)
    assert.deepStrictEqual([error.code, error.fault, error.entityId], ["JOB_FAILED", "item", "a"])
    assert.deepStrictEqual(await shell.getAsyncJobStatus(jobId), {
      status: "failed",
      entityId: "a",
      error: "mine: not this text",
    })
    embedder.answer = async () => [[1, 0, 0, 0]]
    assert.strictEqual(await shell.queue.retryFailed({ entityType: "base" }), 1)
    assert.strictEqual((await shell.awaitJob(jobId)).outcome, "stored")
    assert.strictEqual(await shell.queue.cleanup(0), 1)
  })

  it("tells why a job waits while the model cannot be asked", async () => {
    const embedder = hostEmbedder()
    embedder.answer = () => Promise.reject(new Error("the line is dead"))
    const shell = await shellWith({ embedder })
    await shell.start()
    const { jobId } = await shell.createEntity({ id: "a", content: "text" })
    await vi.waitFor(
      async () =>
        assert.deepStrictEqual(await shell.getAsyncJobStatus(jobId), {
          status: "pending",
          entityId: "a",
          error: "mine: the line is dead",
        }),
      { timeout: 20_000 },
    )
  })

  it("keeps the queue: pause, resume, cancel, free what is stuck", async () => {
    const shell = await shellWith()
    await shell.start()
    await shell.queue.pause()
    const { jobId } = await shell.createEntity({ content: "text" })
    await shell.queue.cancel(jobId)
    assert.strictEqual((await shell.getAsyncJobStatus(jobId))?.status, "failed")
    await shell.queue.resume()
    assert.strictEqual(await shell.queue.retryFailed({ jobId }), 1)
    await shell.awaitJob(jobId)
    assert.strictEqual(await shell.queue.resetStuckJobs(), 0)
    const unknown = await rejection(shell.queue.cancel("unknown"))
    assert.instanceOf(unknown, JobNotFoundError)
  })
})

describe("an error of a shell", () => {
  it("is a class with a name, a code, a fault and its fields, and its stack names the caller", async () => {
    const shell = await shellWith({ maxWaiting: 1 })
    const invalid = await rejection(
      shell.createEntity({ content: "x", metadata: { tags: ["a", Number.NaN] } }),
    )
    assert.instanceOf(invalid, InvalidEntityError)
    assert.isTrue(invalid instanceof EmbedboxError)
    assert.instanceOf(invalid, Error)
    assert.deepStrictEqual(
      [invalid.name, invalid.code, invalid.fault, invalid.field, invalid.message],
      [
        "InvalidEntityError",
        "INVALID_ENTITY",
        "caller",
        "metadata.tags[1]",
        "metadata.tags[1]: is NaN, which JSON cannot hold",
      ],
    )
    assert.propertyVal(invalid.cause, "_tag", "InvalidEntity")

    const callsForIt = async (shell: Shell) => {
      await shell.getEntity("nobody", "task")
    }
    const missing = await rejection(callsForIt(shell))
    assert.instanceOf(missing, EntityNotFoundError)
    assert.deepStrictEqual(
      [missing.code, missing.entityType, missing.entityId],
      ["ENTITY_NOT_FOUND", "task", "nobody"],
    )
    assert.match(
      missing.stack ?? "",
      /^EntityNotFoundError: there is no entity[\s\S]*callsForIt[\s\S]*shell\.test\.ts/,
    )

    await shell.createEntity({ id: "a", content: "x" })
    assert.instanceOf(
      await rejection(shell.createEntity({ id: "a", content: "x" })),
      EntityAlreadyExistsError,
    )
    const full = await rejection(shell.createEntity({ content: "x" }))
    assert.instanceOf(full, QueueFullError)
    assert.strictEqual(full.message, "the queue is full: 1 box waits, at most 1 may")
    assert.deepStrictEqual([full.code, full.fault, full.waiting, full.limit], ["QUEUE_FULL", "host", 1, 1])
    const bad = await rejection(
      shell.moveEntity({ entityType: "base", entityId: "a" }, { entityType: "not a name", entityId: "b" }),
    )
    assert.propertyVal(bad, "code", "INVALID_ENTITY")
  })

  it("tells of a database that cannot be opened, with a code of its own", async () => {
    const error = await rejection(createShell({ database: "/dev/null/notes.sqlite", logLevel: "none" }))
    assert.propertyVal(error, "code", "STORAGE_CANNOT_OPEN")
    assert.propertyVal(error, "fault", "host")
  })
})

describe("a signal", () => {
  it("that is aborted already keeps a write from being begun", async () => {
    const shell = await shellWith()
    const reason = new Error("not any more")
    const signal = AbortSignal.abort(reason)
    assert.strictEqual(await rejection(shell.createEntity({ id: "a", content: "x" }, { signal })), reason)
    assert.deepStrictEqual(await shell.listEntities(), [])
    await shell.createEntity({ id: "kept", content: "x" })
    assert.strictEqual(await rejection(shell.deleteEntity("kept", "base", { signal })), reason)
    assert.strictEqual(await rejection(shell.queue.pause({ signal })), reason)
    assert.strictEqual((await shell.getEntity("kept")).content, "x")
    assert.strictEqual(
      await rejection(createShell({ database: ":memory:", model: "fake", logLevel: "none", signal })),
      reason,
    )
  })

  it("ends a wait, and nothing else", async () => {
    const shell = await shellWith()
    const { jobId } = await shell.createEntity({ content: "x" })
    const controller = new AbortController()
    const aborted = rejection(shell.awaitJob(jobId, { signal: controller.signal }))
    const other = shell.awaitJob(jobId)
    controller.abort()
    assert.propertyVal(await aborted, "name", "AbortError")
    await shell.start()
    assert.strictEqual((await other).outcome, "stored")
  })

  it("leaves a write whole: it was made before the promise rejects, or never will be", async () => {
    const shell = await shellWith()
    const ids = Array.from({ length: 10 }, (_, at) => `note-${at}`)
    const controller = new AbortController()
    const writes = ids.map((id) =>
      rejection(shell.upsertEntity({ id, content: id }, { signal: controller.signal })),
    )
    setImmediate(() => controller.abort())
    const outcomes = await Promise.allSettled(writes)
    const made = await shell.listEntities()
    // Nothing comes after.
    await shell.createEntity({ id: "later", content: "x" })
    assert.strictEqual((await shell.listEntities()).length, made.length + 1)
    for (const [at, outcome] of outcomes.entries())
      if (outcome.status === "rejected")
        assert.include(
          made.map(({ id }) => id),
          ids[at],
        )
  })

  it("is not held on to by calls that have ended", async () => {
    const shell = await shellWith()
    const { signal } = new AbortController()
    await shell.createEntity({ content: "x" }, { signal })
    await shell.listEntities({ signal })
    assert.strictEqual(getEventListeners(signal, "abort").length, 0)
  })
})

describe("the end of a shell", () => {
  it("lets calls under way end, ends waits, refuses what comes after, and lets go of the file", async () => {
    const database = temporaryDatabase()
    const shell = await shellWith({ database })
    const { jobId } = await shell.createEntity({ id: "a", content: "x" })
    const wait = rejection(shell.awaitJob(jobId))
    const write = shell.createEntity({ id: "b", content: "x" })
    const stops = [shell.stop(), shell.stop()]
    const late = rejection(shell.createEntity({ id: "c", content: "x" }))
    assert.strictEqual((await write).entityId, "b")
    await Promise.all(stops)
    assert.instanceOf(await wait, ShellStoppedError)
    for (const refused of [
      await late,
      await rejection(shell.getEntity("a")),
      await rejection(shell.queue.getStats()),
      await rejection(shell.awaitJob(jobId)),
      await rejection(shell.start()),
    ]) {
      assert.instanceOf(refused, ShellStoppedError)
      assert.strictEqual(refused.code, "SHELL_STOPPED")
    }
    const next = await shellWith({ database })
    assert.deepStrictEqual(
      (await next.listEntities()).map(({ id }) => id),
      ["a", "b"],
    )
  })

  it("lets the worker finish what it has in hand, and gives back what it cannot, uncounted", async () => {
    const database = temporaryDatabase()
    const embedder = hostEmbedder()
    const begun: Array<() => void> = []
    const firstAsked = new Promise<void>((resolve) => begun.push(resolve))
    let finish = () => {}
    embedder.answer = (texts) => {
      for (const tell of begun) tell()
      return new Promise((resolve) => (finish = () => resolve(texts.map(() => [1, 0, 0, 0]))))
    }
    const shell = await shellWith({ database, embedder })
    await shell.start()
    const { jobId } = await shell.createEntity({ id: "a", content: "x" })
    await firstAsked
    const stopped = shell.stop()
    finish()
    await stopped
    const next = await shellWith({ database, embedder, drainTimeout: 0 })
    assert.strictEqual((await next.getAsyncJobStatus(jobId))?.status, "completed")

    const secondAsked = new Promise<AbortSignal>((resolve) => {
      embedder.answer = (_, signal) => {
        resolve(signal)
        return new Promise(() => {})
      }
    })
    await next.createEntity({ id: "b", content: "other" })
    await next.start()
    const signal = await secondAsked
    await next.stop()
    assert.isTrue(signal.aborted)
    const third = await shellWith({ database, embedder })
    const item = await third.queue.getStatusByEntityId("b")
    assert.deepStrictEqual([item?.status, item?.retryCount], ["pending", 0])
  })

  it("comes with its block", async () => {
    const database = temporaryDatabase()
    const scope = async () => {
      await using shell = await createShell({ database, model: "fake", logLevel: "none" })
      await shell.createEntity({ id: "a", content: "x" })
      return shell
    }
    assert.propertyVal(await rejection((await scope()).getEntity("a")), "code", "SHELL_STOPPED")
  })
})
