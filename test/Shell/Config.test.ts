import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import { resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Config from "../../src/Shell/Config.js"

const load = (variables: Record<string, string>, fallbacks?: Config.Fallbacks) =>
  Effect.withConfigProvider(
    Config.load(fallbacks),
    ConfigProvider.fromMap(new Map(Object.entries(variables))),
  )

const empty = Object.fromEntries(Object.values(Config.settings).map(({ variable }) => [variable, "  "]))

describe("Config", () => {
  it.effect("has a default for everything", () =>
    Effect.gen(function* () {
      const settings = yield* load({})
      assert.strictEqual(settings.database, `${homedir()}/.local/share/embedbox/embedbox.sqlite`)
      assert.strictEqual(settings.cacheDir, `${homedir()}/.cache/embedbox`)
      assert.strictEqual(settings.model, "all-MiniLM-L6-v2")
      assert.strictEqual(settings.batchSize, 32)
      assert.strictEqual(Duration.toMillis(settings.pollInterval), 100)
      assert.strictEqual(Duration.toMillis(settings.maxProcessingTime), 300_000)
      assert.strictEqual(Duration.toMillis(settings.cleanupInterval), 3_600_000)
      assert.strictEqual(Duration.toMillis(settings.cleanupAge), 86_400_000)
      assert.strictEqual(settings.processes, undefined)
      assert.strictEqual(settings.logLevel, LogLevel.Info)
    }),
  )

  it.effect("takes an empty variable for one that is not set", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* load(empty), yield* load({}))
    }),
  )

  it.effect(
    "a provider needs a model and its dimensions; prefixes keep their spaces, and the key is not shown",
    () =>
      Effect.gen(function* () {
        const url = { EMBEDBOX_EMBEDDINGS_URL: "http://localhost:11434/v1" }
        const { problems } = yield* Effect.flip(load(url))
        assert.deepStrictEqual(problems, [
          "EMBEDBOX_EMBEDDINGS_MODEL is not set: EMBEDBOX_EMBEDDINGS_URL needs it",
          "EMBEDBOX_EMBEDDINGS_DIMENSIONS is not set: EMBEDBOX_EMBEDDINGS_URL needs it",
        ])
        const settings = yield* load({
          ...url,
          EMBEDBOX_EMBEDDINGS_MODEL: " nomic-embed-text ",
          EMBEDBOX_EMBEDDINGS_DIMENSIONS: "768",
          EMBEDBOX_EMBEDDINGS_QUERY_PREFIX: "search_query: ",
          EMBEDBOX_EMBEDDINGS_KEY: " sk-secret\n",
          EMBEDBOX_EMBEDDINGS_SHORTEN: "On",
        })
        assert.strictEqual(settings.embeddingsUrl, "http://localhost:11434/v1")
        assert.strictEqual(settings.embeddingsModel, "nomic-embed-text")
        assert.strictEqual(settings.embeddingsDimensions, 768)
        assert.strictEqual(settings.embeddingsQueryPrefix, "search_query: ")
        assert.strictEqual(settings.embeddingsPassagePrefix, "")
        assert.isTrue(settings.embeddingsShorten)
        assert.deepStrictEqual(settings.embeddingsKey, Redacted.make("sk-secret"))
        assert.notInclude(JSON.stringify(settings), "sk-secret")
        for (const bad of ["localhost:11434", "ftp://host/v1", "nonsense"]) {
          const error = yield* Effect.flip(load({ EMBEDBOX_EMBEDDINGS_URL: bad }))
          assert.match(error.message, /^EMBEDBOX_EMBEDDINGS_URL is .* http:/)
        }
      }),
  )

  it.effect("reads values as people write them", () =>
    Effect.gen(function* () {
      const settings = yield* load({
        EMBEDBOX_DATABASE: " notes.sqlite ",
        EMBEDBOX_CACHE_DIR: "~/models",
        EMBEDBOX_MODEL: "BGE-small-en-v1.5",
        EMBEDBOX_POLL_INTERVAL: "250ms",
        EMBEDBOX_LEASE_DURATION: "1.5 minutes",
        EMBEDBOX_CLEANUP_AGE: "7d",
        EMBEDBOX_PROCESSES: "3",
        EMBEDBOX_THREADS: "AUTO",
        EMBEDBOX_LOG_LEVEL: "Debug",
        EMBEDBOX_LOG_FORMAT: "JSON",
      })
      assert.strictEqual(settings.database, resolve("notes.sqlite"))
      assert.strictEqual(settings.cacheDir, `${homedir()}/models`)
      assert.strictEqual(settings.model, "bge-small-en-v1.5")
      assert.strictEqual(Duration.toMillis(settings.pollInterval), 250)
      assert.strictEqual(Duration.toMillis(settings.leaseDuration), 90_000)
      assert.strictEqual(Duration.toDays(settings.cleanupAge), 7)
      assert.strictEqual(settings.processes, 3)
      assert.strictEqual(settings.threads, undefined)
      assert.strictEqual(settings.logLevel, LogLevel.Debug)
      assert.strictEqual(settings.logFormat, "json")
    }),
  )

  it.effect("follows the XDG folders, but not relative ones", () =>
    Effect.gen(function* () {
      const moved = yield* load({ XDG_DATA_HOME: "/data", XDG_CACHE_HOME: "/cache" })
      assert.strictEqual(moved.database, "/data/embedbox/embedbox.sqlite")
      assert.strictEqual(moved.cacheDir, "/cache/embedbox")
      const relative = yield* load({ XDG_DATA_HOME: "data", XDG_CACHE_HOME: "" })
      assert.strictEqual(relative.database, (yield* load({})).database)
      assert.strictEqual(relative.cacheDir, (yield* load({})).cacheDir)
    }),
  )

  it.effect("lets a host have defaults of its own, which the environment overrules", () =>
    Effect.gen(function* () {
      const own = { database: "host.sqlite", pollInterval: "1 second" }
      assert.strictEqual((yield* load({}, own)).database, resolve("host.sqlite"))
      assert.strictEqual(Duration.toSeconds((yield* load({}, own)).pollInterval), 1)
      assert.strictEqual((yield* load({ EMBEDBOX_DATABASE: "/env.sqlite" }, own)).database, "/env.sqlite")
    }),
  )

  const bad: ReadonlyArray<readonly [variable: string, value: string]> = [
    ["EMBEDBOX_DATABASE", "a\0b"],
    ["EMBEDBOX_MODEL", "gpt-4"],
    ["EMBEDBOX_CACHE_DIR", "\0"],
    ["EMBEDBOX_CONCURRENCY", "0"],
    ["EMBEDBOX_CONCURRENCY", "1e1"],
    ["EMBEDBOX_BATCH_SIZE", "-1"],
    ["EMBEDBOX_BATCH_SIZE", "1001"],
    ["EMBEDBOX_BATCH_SIZE", "2.5"],
    ["EMBEDBOX_BATCH_SIZE", "many\nlines"],
    ["EMBEDBOX_PROCESSES", "65"],
    ["EMBEDBOX_THREADS", "all"],
    ["EMBEDBOX_POLL_INTERVAL", "100"],
    ["EMBEDBOX_POLL_INTERVAL", "0ms"],
    ["EMBEDBOX_MAX_PROCESSING_TIME", "-5 minutes"],
    ["EMBEDBOX_LEASE_DURATION", "soon"],
    ["EMBEDBOX_DRAIN_TIMEOUT", "11 minutes"],
    ["EMBEDBOX_CLEANUP_INTERVAL", "1 fortnight"],
    ["EMBEDBOX_CLEANUP_AGE", "1h 30m"],
    ["EMBEDBOX_BUSY_BUDGET", "Infinity"],
    ["EMBEDBOX_LOG_FORMAT", "xml"],
    ["EMBEDBOX_LOG_LEVEL", "loud"],
  ]
  it.effect.each(bad)("%s=%j is one clear line", ([variable, value]) =>
    Effect.gen(function* () {
      const { message, problems } = yield* Effect.flip(load({ [variable]: value }))
      assert.strictEqual(problems.length, 1)
      assert.notInclude(message, "\n")
      assert.isTrue(message.startsWith(`${variable} is ${JSON.stringify(value)}: it must be `), message)
      assert.match(message, /\(default: .+\)$/)
    }),
  )

  it.effect("tells of every bad value at once, and of long ones in short", () =>
    Effect.gen(function* () {
      const { problems } = yield* Effect.flip(
        load({ EMBEDBOX_BATCH_SIZE: "x".repeat(5_000), EMBEDBOX_MODEL: "y", EMBEDBOX_CACHE_DIR: "\0" }),
      )
      assert.deepStrictEqual(problems.map((line) => line.split(" ")[0]).toSorted(), [
        "EMBEDBOX_BATCH_SIZE",
        "EMBEDBOX_CACHE_DIR",
        "EMBEDBOX_MODEL",
      ])
      assert.isTrue(problems.every((line) => line.length < 300))
    }),
  )

  it("is told in the README as it is", () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
    assert.include(readme, Config.table())
  })
})
