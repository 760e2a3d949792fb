/** What a caller in JavaScript may give: each slip is the caller's fault, told by the name of the argument. */
import { describe, expect, it } from "vitest"
import { InvalidAdapterError, InvalidEntityError, type Shell } from "embedbox/promise"
import { defineEntityType } from "embedbox/promise"
import { rejection, shellWith } from "./fixtures.js"

const list = { from: "x" }

/** A method, its arguments, the argument that is wrong, and why. */
const slips: ReadonlyArray<readonly [Exclude<keyof Shell, symbol>, ReadonlyArray<unknown>, string, string]> =
  [
    ["getEntity", [], "entityId", "must be a text"],
    ["deleteEntity", [7], "entityId", "must be a text"],
    ["getEntity", ["bread", { signal: AbortSignal.abort() }], "entityType", "options come behind it"],
    ["getEntity", ["bread", "base", "x"], "options", "must be an object"],
    ["getEntity", ["bread", "base", { signal: "x" }], "signal", "must be an AbortSignal"],
    ["getEntity", ["bread", "base", { sginal: undefined }], "sginal", "did you mean signal?"],
    ["updateEntity", ["bread", { contnt: "new" }], "contnt", "did you mean content?"],
    ["updateEntity", [undefined, { content: "new" }], "entityId", "must be a text"],
    ["moveEntity", [undefined, { entityType: "base", entityId: "a" }], "from", "must be an object"],
    ["moveEntity", [{ entityType: "base", entityId: "a" }, { entityId: "a" }], "to.entityType", "missing"],
    ["createEntity", [{ content: "x", metdata: {} }], "metdata", "did you mean metadata?"],
    ["createEntity", [{ content: "x" }, { priority: 1 }], "priority", "known are signal"],
    ["createEntities", [{ content: "x" }], "entities", "must be a list"],
    ["createEntities", [[{ content: "x" }], { priority: 0.5 }], "priority", "whole number"],
    ["createEntityAsync", [{ content: "x" }, { priority: "high" }], "priority", "must be a whole number"],
    ["createEntityAsync", [{ content: "x" }, { priority: 1.5 }], "priority", "must be a whole number"],
    ["createEntityAsync", [{ content: "x" }, { maxRetries: -1 }], "maxRetries", "0 or more"],
    ["createEntityAsync", [{ content: "x" }, { maxRetires: 1 }], "maxRetires", "did you mean maxRetries?"],
    ["upsertEntity", [{ content: "x" }, { batchId: 1 }], "batchId", "must be a text"],
    ["upsertEntities", [[], { metadata: "add" }], "metadata", "must be replace or merge"],
    ["listEntities", [{ limit: "x" }], "limit", "from 1 to 1000"],
    ["listEntities", [{ limit: 0 }], "limit", "from 1 to 1000"],
    ["listEntities", [{ after: "bread" }], "after", "must be an object"],
    ["listEntities", [{ after: { entityType: "base" } }], "after.entityId", "missing"],
    ["search", ["x", { mode: "magic" }], "mode", "must be hybrid, semantic or lexical"],
    ["search", ["x", { limit: -1 }], "limit", "from 1 to 100"],
    ["search", ["x", { limit: 101 }], "limit", "from 1 to 100"],
    ["search", ["x", { limit: "3" }], "limit", "from 1 to 100"],
    ["search", ["x", { offset: Number.NaN }], "offset", "from 0 to 1000"],
    ["search", ["x", { entityTypes: "base" }], "entityTypes", "must be a list of texts"],
    ["search", ["x", { entityType: "base" }], "entityType", "did you mean entityTypes?"],
    ["search", ["x", { created: list }], "created.from", "must be a time"],
    ["search", ["x", { created: { form: 1 } }], "created.form", "known are from, before"],
    ["search", ["x", { metadata: [] }], "metadata", "must be an object"],
    ["search", ["x", { explain: 1 }], "explain", "must be true or false"],
    ["related", [undefined], "entityId", "must be a text"],
    ["related", ["a", { limit: 0 }], "limit", "from 1 to 100"],
    ["getAsyncJobStatus", [], "jobId", "must be a text"],
    ["awaitJob", [], "jobId", "must be a text"],
    ["awaitJob", ["x", { pollEveryMs: 0 }], "pollEveryMs", "1 or more"],
    ["awaitSearchable", ["x", Number.NaN], "timeoutMs", "number of milliseconds"],
    ["awaitSearchable", ["x", "1h"], "timeoutMs", "number of milliseconds"],
    ["adopt", ["old.sqlite"], "mapping", "must be an object"],
    [
      "adopt",
      ["old.sqlite", { table: "a", id: "b", content: "c", metadata: "author" }],
      "mapping.metadata",
      "must be a list of texts",
    ],
    [
      "adopt",
      ["old.sqlite", { table: "a", id: "b", content: "c", metdata: ["author"] }],
      "mapping.metdata",
      "did you mean metadata?",
    ],
  ]

const queueSlips: ReadonlyArray<readonly [keyof Shell["queue"], ReadonlyArray<unknown>, string]> = [
  ["cancel", [], "jobId"],
  ["cleanup", ["1h"], "olderThanMs"],
  ["cleanup", [-1], "olderThanMs"],
  ["resetStuckJobs", [Number.NaN], "stuckAfterMs"],
  ["retryFailed", [{ fault: "mine" }], "fault"],
  ["retryFailed", [{ job: "x" }], "job"],
  ["getStatusByEntityId", [null], "entityId"],
]

/** The error of a call that no type has looked at. */
const slipOf = (target: object, method: string, given: ReadonlyArray<unknown>) =>
  rejection(Promise.resolve(Reflect.apply(Reflect.get(target, method), target, given)))

describe("a wrong argument is named", () => {
  it.each(slips)("%s %j: %s", async (method, given, field, reason) => {
    const shell = await shellWith()
    const error = await slipOf(shell, method, given)
    expect(error).toBeInstanceOf(InvalidEntityError)
    expect(error).toMatchObject({ code: "INVALID_ENTITY", fault: "caller", field })
    expect(String(error)).toContain(reason)
    expect(await shell.listEntities()).toEqual([])
  })

  it.each(queueSlips)("queue.%s %j: %s", async (method, given, field) => {
    const shell = await shellWith()
    expect(await slipOf(shell.queue, method, given)).toMatchObject({ fault: "caller", field })
  })

  it("and what is no type of entities is refused as one", async () => {
    const shell = await shellWith()
    const refused = await slipOf(shell, "registerEntityType", [{}])
    expect(refused).toBeInstanceOf(InvalidAdapterError)
    expect(String(refused)).toContain("the adapter is none: make it with EntityAdapter.make")
    const opened = await rejection(Reflect.apply(shellWith, undefined, [{ entityTypes: [{}] }]))
    expect(opened).toBeInstanceOf(InvalidAdapterError)
    expect(() => Reflect.apply(defineEntityType, undefined, [{}])).toThrow(InvalidAdapterError)
  })
})

it("an entity that was read can be given back", async () => {
  const shell = await shellWith()
  await shell.createEntity({ id: "a", content: "one" })
  const read = await shell.getEntity("a")
  expect((await shell.upsertEntity({ ...read, content: "two" })).change).toBe("updated")
  expect((await shell.updateEntity("a", { ...read, content: "three" })).change).toBe("updated")
})
