import { assert, describe, expect, it, onTestFinished, vi } from "vitest"
import * as Effect from "effect/Effect"
import * as Duration from "effect/Duration"
import { createShell, InvalidSettingsError, type QueueConfig, type ShellOptions } from "embedbox/promise"
import { load } from "../../../src/Shell/Promise/Settings.js"
import * as Config from "../../../src/Shell/Config.js"
import { hostEmbedder, rejection } from "./fixtures.js"

const loaded = (options: ShellOptions) => Effect.runPromise(load(options))

describe("what a host says of its shell", () => {
  it("becomes settings, in milliseconds, with the defaults of all others", async () => {
    const queue: QueueConfig = {
      pollInterval: 20,
      batchSize: 1,
      maxProcessingTime: 60_000,
      cleanupInterval: 1_500,
      cleanupAge: 3650 * 86_400_000,
    }
    const settings = await loaded({
      database: ":memory:",
      ...queue,
      concurrency: "auto",
      maxWaiting: Number.POSITIVE_INFINITY,
      embeddingsShorten: true,
      threads: undefined,
    })
    const defaults = await Effect.runPromise(Config.load({ database: ":memory:", logLevel: "warning" }))
    assert.deepStrictEqual(
      { ...settings, cacheDir: defaults.cacheDir },
      {
        ...defaults,
        pollInterval: Duration.millis(20),
        batchSize: 1,
        maxProcessingTime: Duration.minutes(1),
        cleanupInterval: Duration.millis(1_500),
        cleanupAge: Duration.days(3650),
        embeddingsShorten: true,
      },
    )
  })

  it("is refused with a line for each that is wrong, in the host's own words", async () => {
    const options: object = { batchSize: 0, pollInterval: "5s", leaseDuration: 1, databse: "x", model: "gpt" }
    const error = await rejection(createShell({ database: "", ...options }))
    assert.instanceOf(error, InvalidSettingsError)
    assert.deepStrictEqual([error.code, error.fault], ["INVALID_SETTINGS", "caller"])
    expect(error.problems).toEqual([
      'there is no option "databse": did you mean database?',
      'database is "": it must be a path',
      'batchSize is "0": it must be a whole number from 1 to 1000',
      expect.stringMatching(/^pollInterval is "5s": .*, as a number of milliseconds$/),
      expect.stringMatching(/^leaseDuration is "1": .* from 1s to 1h, as a number of milliseconds$/),
      expect.stringMatching(/^model is "gpt": it must be one of/),
    ])
  })

  it("is refused where it is nothing of the kind", async () => {
    const problemsOf = async (options: unknown) => {
      const error = await rejection(Reflect.apply(createShell, undefined, [options]))
      assert.instanceOf(error, InvalidSettingsError)
      return error.problems
    }
    expect(await problemsOf(undefined)).toEqual(["options must be an object"])
    expect(await problemsOf({ database: 5 })).toEqual(['database is "5": it must be a path, as a text'])
    expect(await problemsOf({ database: ":memory:", entityTypes: {}, signal: "x" })).toEqual([
      "entityTypes must be a list, made with defineEntityType",
      "signal must be an AbortSignal",
    ])
  })

  it("has an embedder that can work, or is refused", async () => {
    const problemsOf = async (embedder: unknown) => {
      const options = { database: ":memory:", embedder }
      const error = await rejection(Reflect.apply(createShell, undefined, [options]))
      assert.instanceOf(error, InvalidSettingsError)
      return error.problems
    }
    expect(await problemsOf({})).toEqual([
      "embedder.model must be a name",
      "embedder.dimensions must be a whole number, 1 or more",
      "embedder.generateEmbeddings must be a function",
    ])
    for (const dimensions of [0, 1.5, Number.NaN, "4"])
      expect(await problemsOf({ ...hostEmbedder(), dimensions })).toEqual([
        "embedder.dimensions must be a whole number, 1 or more",
      ])
    expect(await problemsOf({ ...hostEmbedder(), embedQuery: 1, window: 0, parallelism: -1 })).toHaveLength(3)
    expect(await problemsOf(null)).toHaveLength(1)
  })

  it("tells no secret", async () => {
    const error = await rejection(createShell({ database: ":memory:", embeddingsKey: "ge\nheim" }))
    assert.instanceOf(error, InvalidSettingsError)
    assert.notInclude(error.message, "heim")
  })

  it("is not moved by the environment, unless it is handed over; what is said goes before it", async () => {
    vi.stubEnv("EMBEDBOX_BATCH_SIZE", "3")
    onTestFinished(() => void vi.unstubAllEnvs())
    assert.strictEqual((await loaded({ database: ":memory:" })).batchSize, 32)
    const { batchSize, database } = await loaded({
      database: ":memory:",
      environment: { EMBEDBOX_BATCH_SIZE: "3", EMBEDBOX_DATABASE: "elsewhere" },
    })
    assert.deepStrictEqual([batchSize, database], [3, ":memory:"])
  })
})
