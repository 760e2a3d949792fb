import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { StorageError } from "../src/Domain/Errors.js"
import { EmbeddingQueue } from "../src/EmbeddingQueue.js"
import { EntityRepository } from "../src/EntityRepository.js"
import { EntityService } from "../src/EntityService.js"
import * as Shell from "../src/Shell.js"
import * as Config from "../src/Shell/Config.js"
import * as Migrations from "../src/Storage/Migrations.js"
import * as Sqlite from "../src/Storage/Sqlite.js"
import { temporaryFolder } from "./support.js"
import { run, start } from "./support/Processes.js"

/** A shell without worker on the same file, as a host beside the daemon has it. */
const host = (database: string) =>
  Layer.unwrapEffect(Effect.map(Config.load({ database, model: "fake" }), Shell.layerWithoutWorkerWith)).pipe(
    // It warns of the fake model, rightly.
    Layer.provide(Logger.minimumLogLevel(LogLevel.None)),
  )

const standing = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  return { ...(yield* queue.getStats), stored: yield* repository.count }
})

const fresh = Effect.map(temporaryFolder, (folder) => ({ folder, database: join(folder, "notes.sqlite") }))

describe("the daemon", { timeout: 180_000 }, () => {
  it.scopedLive("says on what it works, embeds what others save, and ends with 0 on SIGINT", () =>
    Effect.gen(function* () {
      const { database } = yield* fresh
      const daemon = yield* start("main.ts", [], {
        env: { EMBEDBOX_DATABASE: database, EMBEDBOX_BATCHSIZE: "1" },
      })
      yield* daemon.says("embedbox is ready")
      const ended = yield* Effect.gen(function* () {
        const service = yield* EntityService
        const { jobId } = yield* service.createEntity({ id: "a", content: "# A" })
        return yield* service.awaitJob(jobId, { pollEvery: "20 millis" })
      }).pipe(Effect.provide(host(database)))
      assert.strictEqual(ended.outcome, "stored")
      yield* daemon.signal("SIGINT")
      const { code, stderr, stdout } = yield* daemon.ended
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(stdout, "")
      const ready = stderr.split("\n").find((line) => line.includes("embedbox is ready")) ?? ""
      assert.include(ready, `database=${database}`)
      assert.include(ready, "model=fake")
      assert.include(stderr, "level=WARN")
      assert.include(stderr, "did you mean EMBEDBOX_BATCH_SIZE?")
      assert.match(stderr, /message=stopped\s*$/)
    }),
  )

  it.scopedLive("drains on SIGTERM in the middle of its work, and goes on when started again", () =>
    Effect.gen(function* () {
      const { database } = yield* fresh
      const env = { EMBEDBOX_DATABASE: database, EMBEDBOX_LOG_FORMAT: "json" }
      const total = 300
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        yield* Effect.forEach(
          Array.from({ length: total }, (_, at) => `note ${at}`),
          (id) => service.createEntity({ id, content: `# ${id}` }),
          { discard: true },
        )
      }).pipe(Effect.provide(host(database)))

      const first = yield* start("main.ts", [], { env })
      yield* first.says("embedbox is ready")
      yield* first.signal("SIGTERM")
      const { code, stderr } = yield* first.ended
      assert.strictEqual(code, 0, stderr)
      for (const line of stderr.trim().split("\n")) assert.isObject(JSON.parse(line))

      const between = yield* Effect.provide(standing, host(database))
      assert.strictEqual(between.processing, 0)
      assert.strictEqual(between.failed, 0)
      assert.strictEqual(between.pending + between.completed, total)
      assert.strictEqual(between.stored, between.completed)

      const second = yield* start("main.ts", [], { env })
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        const last = yield* service.getEntity(`note ${total - 1}`)
        yield* service.awaitJob(last.embedding.jobId, { pollEvery: "20 millis" })
      }).pipe(Effect.provide(host(database)))
      yield* second.signal("SIGTERM")
      assert.strictEqual((yield* second.ended).code, 0)
      const after = yield* Effect.provide(standing, host(database))
      assert.deepStrictEqual(after, { pending: 0, processing: 0, failed: 0, completed: total, stored: total })
    }),
  )

  it.scopedLive("refuses a bad setting in one clear line", () =>
    Effect.gen(function* () {
      const { database } = yield* fresh
      const { code, stderr, stdout } = yield* run("main.ts", [], {
        env: { EMBEDBOX_DATABASE: database, EMBEDBOX_BATCH_SIZE: "0", EMBEDBOX_THREADS: "" },
      })
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.strictEqual(
        stderr,
        'embedbox: EMBEDBOX_BATCH_SIZE is "0": it must be a whole number from 1 to 1000 (default: 32)\n',
      )
    }),
  )

  it.scopedLive("refuses arguments instead of starting", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run("main.ts", ["--help"], {})
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /^embedbox: the daemon takes no arguments: [^\n]*\n$/)
    }),
  )

  const unusable: ReadonlyArray<{
    readonly what: string
    readonly says: RegExp
    readonly prepare: (file: string) => Effect.Effect<unknown, StorageError>
  }> = [
    {
      what: "a folder in its place",
      says: /folder|directory/,
      prepare: (file) => Effect.promise(() => mkdir(file)),
    },
    {
      what: "a file that is no database",
      says: /not a database|corrupt|damaged/i,
      prepare: (file) => Effect.promise(() => writeFile(file, "notes ".repeat(2_000))),
    },
    {
      what: "one that a newer version wrote",
      says: /update this program/,
      prepare: (filename) => {
        const migrations = { ...Migrations.known, "9999_future": Effect.void }
        return Effect.scoped(Layer.build(Sqlite.layer({ filename, migrations })))
      },
    },
  ]
  for (const { prepare, says, what } of unusable) {
    it.scopedLive(`refuses a database that cannot be opened, in one clear line: ${what}`, () =>
      Effect.gen(function* () {
        const { database } = yield* fresh
        yield* prepare(database)
        const { code, stderr } = yield* run("main.ts", [], {
          env: { EMBEDBOX_DATABASE: database, EMBEDBOX_MODEL: undefined },
        })
        assert.strictEqual(code, 1)
        assert.match(stderr, says)
        assert.match(stderr, /^embedbox: [^\n]+\n$/)
        assert.include(stderr, database)
      }),
    )
  }
})
