/** Real daemons on one real file: nothing stored twice, nothing lost, also when one of them is killed. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { type ChildProcess, spawn } from "node:child_process"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { program } from "../support/programs.js"
import { system, temporaryDatabase } from "../support.js"

const exitOf = (child: ChildProcess) =>
  Effect.async<number | string | null>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      return resume(Effect.succeed(child.exitCode ?? child.signalCode))
    }
    child.once("exit", (code, signal) => resume(Effect.succeed(code ?? signal)))
  })

/** A daemon that has said that it is ready; it is gone when the scope is. */
const daemon = (database: string) =>
  Effect.acquireRelease(
    Effect.async<ChildProcess>((resume) => {
      const child = spawn(process.execPath, program("main.ts"), {
        env: {
          ...process.env,
          EMBEDBOX_DATABASE: database,
          EMBEDBOX_MODEL: "fake",
          EMBEDBOX_BATCH_SIZE: "4",
          EMBEDBOX_LOG_FORMAT: "logfmt",
        },
        stdio: ["ignore", "ignore", "pipe"],
      })
      let log = ""
      child.stderr.on("data", (data: Buffer) => {
        log += data.toString()
        if (log.includes("embedbox is ready")) resume(Effect.succeed(child))
      })
      child.once("exit", () => resume(Effect.dieMessage(`the daemon ended early: ${log}`)))
    }),
    (child) =>
      Effect.zipRight(
        Effect.sync(() => child.kill("SIGKILL")),
        exitOf(child),
      ),
  )

const untilEmpty = Effect.flatMap(EmbeddingQueue, (queue) => queue.getStats).pipe(
  Effect.repeat({
    schedule: Schedule.spaced("20 millis"),
    while: (stats) => stats.pending + stats.processing > 0,
  }),
)

/** What must hold of the tables once everything is quiet. */
const checkStored = (count: number) =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    const stored = yield* sql`
      SELECT count(*) AS entities, count(DISTINCT entity_id) AS ids,
        (SELECT count(*) FROM entity_vectors) AS vectors,
        (SELECT count(*) FROM entity_texts) AS texts,
        (SELECT count(*) FROM embedding_boxes) AS boxes,
        (SELECT count(*) FROM embedding_queue WHERE outcome = 'stored') AS jobs
      FROM entities`
    expect(stored).toEqual([
      { entities: count, ids: count, vectors: count, texts: count, boxes: 0, jobs: count },
    ])
  })

const create = (from: number, until: number) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    yield* Effect.forEach(
      Array.from({ length: until - from }, (_, i) => from + i),
      (i) => service.createEntity({ id: `note-${i}`, content: `text number ${i}` }),
    )
  })

it.scopedLive("two daemons and a writer share one file: each entity is stored exactly once", () =>
  Effect.gen(function* () {
    const database = yield* temporaryDatabase
    const context = yield* Layer.build(system({ filename: database }))
    yield* Effect.provide(
      Effect.gen(function* () {
        const { sql } = yield* Storage
        const [one, two] = yield* Effect.all([daemon(database), daemon(database)], { concurrency: 2 })
        yield* create(0, 300)
        yield* untilEmpty
        yield* checkStored(300)
        const workers = yield* sql`SELECT count(DISTINCT claimed_by) AS workers, sum(crash_count) AS crashes,
          sum(retry_count) AS retries FROM embedding_queue`
        expect(workers).toEqual([{ workers: 2, crashes: 0, retries: 0 }])
        one.kill("SIGTERM")
        two.kill("SIGINT")
        expect(yield* exitOf(one)).toBe(0)
        expect(yield* exitOf(two)).toBe(0)
      }),
      context,
    )
  }),
)

it.scopedLive("a daemon that is killed with jobs in hand loses none of them", () =>
  Effect.gen(function* () {
    const database = yield* temporaryDatabase
    const context = yield* Layer.build(system({ filename: database }))
    yield* Effect.provide(
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        yield* create(0, 200)
        const victim = yield* daemon(database)
        yield* Effect.repeat(queue.getStats, {
          schedule: Schedule.spaced("5 millis"),
          until: (stats) => stats.processing > 0 || stats.completed > 20,
        })
        victim.kill("SIGKILL")
        expect(yield* exitOf(victim)).toBe("SIGKILL")
        yield* daemon(database)
        yield* untilEmpty
        yield* checkStored(200)
      }),
      context,
    )
  }),
)
