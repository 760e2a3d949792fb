/**
 * The processes that hold the model die, hang and do not come up, from queue to store. The children are real and take
 * real time; deadlines, backoff and the breaker go by the test's clock, which stands still while a child works, so that
 * a slow machine changes nothing. `Embedder/fixtures/StubChild.ts` stands at the place of the model.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as TestServices from "effect/TestServices"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { describe, inject } from "vitest"
import * as Doctor from "../../src/Doctor.js"
import * as FastEmbed from "../../src/Embedder/FastEmbed.js"
import * as Processes from "../../src/Embedder/Processes.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { startWorker, storedIds } from "../EmbeddingWorker/fixtures.js"
import { areAlive, gone } from "../Embedder/support.js"
import { plainBackoff, quiet, services, settle, temporaryFolder } from "../support.js"
import { createMany, expectUnharmed, findings, jobsOf } from "./support.js"

const entry = pathToFileURL(inject("stubChild"))

/** The folder of the children: what they have done, and what they are told. */
interface Children {
  readonly forks: Effect.Effect<ReadonlyArray<number>>
  /** The children that came up and were told to load the model. */
  readonly loads: Effect.Effect<ReadonlyArray<string>>
  /** The texts that children began with, in order. */
  readonly texts: Effect.Effect<ReadonlyArray<string>>
  readonly tell: (file: "load" | "gate", content: string) => Effect.Effect<void>
}

const childrenIn = (folder: string): Children => {
  const journal = (kind: string) =>
    Effect.sync(() => {
      const file = Path.join(folder, "journal")
      const lines = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8").split("\n") : []
      return lines.flatMap((line) => (line.startsWith(`${kind} `) ? [line.slice(kind.length + 1)] : []))
    })
  return {
    forks: Effect.map(journal("fork"), (pids) => pids.map(Number)),
    loads: journal("load"),
    texts: journal("text"),
    tell: (file, content) => Effect.sync(() => Fs.writeFileSync(Path.join(folder, file), content)),
  }
}

/** The system over real children; the doctor finds nothing in the end, and no child is left. */
const withChildren = <A, E, R>(
  test: (children: Children) => Effect.Effect<A, E, R>,
  options: Partial<Processes.Options> = {},
) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const children = childrenIn(folder)
    const processes = Processes.layer({
      model: "all-MiniLM-L6-v2",
      cacheDir: folder,
      processes: 1,
      entry,
      ...options,
    })
    const whole = Layer.provideMerge(Doctor.layer, services({ queue: { backoff: plainBackoff } })).pipe(
      Layer.provideMerge(
        Layer.merge(
          Sqlite.layer({ filename: Path.join(folder, "embedbox.sqlite") }),
          Layer.provideMerge(FastEmbed.layerProcesses("all-MiniLM-L6-v2"), processes),
        ),
      ),
    )
    yield* Effect.gen(function* () {
      yield* Effect.scoped(test(children))
      expect(yield* findings).toEqual([])
    }).pipe(Effect.provide(whole), Effect.provide(quiet))
    expect(yield* areAlive(yield* children.forks)).toBe(false)
  })

const breath = TestServices.provideLive(Effect.sleep("5 millis"))

/** Waits, in real time, for what real children bring about; the test's clock goes `step` with every look. */
const until = <E, R>(done: Effect.Effect<boolean, E, R>, step?: "10 millis") =>
  Effect.gen(function* () {
    while (true) {
      yield* settle
      if (yield* done) return
      yield* breath
      if (step !== undefined) yield* TestClock.adjust(step)
    }
  })

const stats = Effect.flatMap(EmbeddingQueue, ({ getStats }) => getStats)
const untilDone = until(
  Effect.map(stats, ({ pending, processing }) => pending + processing === 0),
  "10 millis",
)

describe("a child that aborts on a text", { timeout: 180_000 }, () => {
  it.scoped("takes nobody along: the text ends as failed alone, its neighbours are stored", () =>
    withChildren(
      (children) =>
        Effect.gen(function* () {
          const queue = yield* EmbeddingQueue
          const receipts = yield* createMany(10, (n) => (n === 4 ? "abort" : `text ${n}`))
          yield* startWorker({ batchSize: 5, concurrency: 2 })
          yield* untilDone
          expect(yield* storedIds).toEqual(["n0", "n1", "n2", "n3", "n5", "n6", "n7", "n8", "n9"])
          const [box, ...rest] = yield* queue.failedBoxes()
          expect(rest).toEqual([])
          expect(box?.job).toMatchObject({ entityId: "n4", crashCount: 4, retryCount: 0 })
          expect(box?.job.lastError).toContain("SIGABRT")
          for (const job of yield* jobsOf(receipts)) expect(job.retryCount).toBe(0)
          // Four times the poison, and no more: a crash is not repeated with others in hand.
          expect((yield* children.texts).filter((text) => text === "abort")).toHaveLength(4)
          expect((yield* children.forks).length).toBeLessThanOrEqual(6)
        }),
      { processes: 2 },
    ),
  )
})

describe("a child that is killed from outside in the middle of its work", { timeout: 180_000 }, () => {
  it.scoped("costs its texts nothing", () =>
    withChildren((children) =>
      Effect.gen(function* () {
        const { pids } = yield* Processes.Processes
        const receipts = yield* createMany(6, (n) => `gated ${n}`)
        yield* startWorker({ batchSize: 6 })
        yield* until(Effect.map(children.texts, (texts) => texts.length > 0))
        const [victim = 0] = yield* pids
        process.kill(victim, "SIGKILL")
        yield* gone(victim)
        yield* children.tell("gate", "")
        yield* untilDone
        for (const job of yield* jobsOf(receipts)) {
          expect(job).toMatchObject({ outcome: "stored", retryCount: 0 })
        }
        expect(yield* storedIds).toHaveLength(6)
        expect(yield* children.forks).toHaveLength(2)
      }),
    ),
  )

  it.scoped("costs its texts nothing while it still starts", () =>
    withChildren((children) =>
      Effect.gen(function* () {
        const receipts = yield* createMany(3)
        yield* startWorker({ batchSize: 3 })
        yield* until(Effect.map(children.forks, (forks) => forks.length === 1))
        for (const pid of yield* children.forks) process.kill(pid, "SIGKILL")
        yield* untilDone
        for (const job of yield* jobsOf(receipts)) {
          expect(job).toMatchObject({ outcome: "stored", retryCount: 0 })
        }
      }),
    ),
  )
})

describe("a child that ignores the deadline", { timeout: 180_000 }, () => {
  it.scoped("is killed and replaced; its text pays, and who waits behind it does not", () =>
    withChildren((children) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        const { pids } = yield* Processes.Processes
        const [hang] = yield* Effect.all([
          service.createEntityAsync({ id: "hang", content: "hang" }, { priority: 9, maxRetries: 1 }),
        ])
        yield* startWorker({ maxProcessingTime: "20 seconds" })
        const isBegun = (count: number) =>
          until(
            Effect.map(children.texts, (texts) => texts.filter((text) => text === "hang").length === count),
          )
        yield* isBegun(1)
        // One that could not bear a single crash.
        const innocent = yield* service.createEntityAsync({ id: "n", content: "text" }, { maxRetries: 0 })
        for (const attempt of [1, 2]) {
          const [pid = 0] = yield* pids
          yield* TestClock.adjust("20 seconds")
          yield* until(
            Effect.map(jobsOf([hang]), ([job]) => job?.retryCount === 1 && job.status !== "processing"),
          )
          yield* settle
          expect(yield* areAlive([pid])).toBe(true)
          yield* TestClock.adjust("10 seconds")
          yield* gone(pid)
          if (attempt === 1) {
            yield* until(
              Effect.map(children.texts, (texts) => texts.filter((text) => text === "hang").length === 2),
              "10 millis",
            )
          }
        }
        yield* untilDone
        yield* expectUnharmed([innocent])
        const [job] = yield* jobsOf([hang])
        expect(job).toMatchObject({ status: "failed", retryCount: 1, crashCount: 0, lastFault: "item" })
        expect(job?.lastError).toContain("took longer than")
      }),
    ),
  )
})

describe("a model that takes longer to load than a text may take", { timeout: 180_000 }, () => {
  it.scoped("has nobody pay: it goes on loading, and is asked for again", () =>
    withChildren((children) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        yield* children.tell("load", "gated")
        // One that could not bear a single fault.
        const receipt = yield* service.createEntityAsync({ id: "n", content: "text" }, { maxRetries: 0 })
        const { worker } = yield* startWorker({ maxProcessingTime: "20 seconds" })
        // Coming up has a time limit of its own, and the clock must not go on before.
        yield* until(Effect.map(children.loads, (loads) => loads.length === 1))
        for (let failures = 1; failures <= 3; failures++) {
          yield* TestClock.adjust("20 seconds")
          yield* until(
            Effect.map(
              worker.status,
              ({ provider }) => provider.state === "open" && provider.failures === failures,
            ),
          )
          yield* until(Effect.map(stats, ({ processing }) => processing === 0))
          yield* TestClock.adjust("2 seconds")
          yield* until(Effect.map(stats, ({ processing }) => processing === 1))
        }
        expect((yield* worker.status).provider).toMatchObject({
          reason: "the model was not ready within 20s",
        })
        yield* children.tell("gate", "")
        yield* untilDone
        yield* expectUnharmed([receipt])
        // The same process all the time: nothing was begun anew.
        expect(yield* children.forks).toHaveLength(1)
      }),
    ),
  )
})

for (const how of ["fail", "abort"] as const) {
  describe(`a model that cannot be loaded (${how})`, { timeout: 180_000 }, () => {
    it.scoped("opens the breaker: no endless respawn, nobody pays, and all are stored once it can", () =>
      withChildren((children) =>
        Effect.gen(function* () {
          yield* children.tell("load", how)
          const receipts = yield* createMany(5)
          const { worker } = yield* startWorker({ batchSize: 2, concurrency: 2 })
          const isOpen = Effect.map(worker.status, ({ provider }) => provider.state === "open")
          yield* until(isOpen)
          expect((yield* worker.status).provider).toMatchObject({
            failures: 1,
            reason: expect.stringMatching(how === "fail" ? /no such model/ : /cannot be loaded.*SIGABRT/),
          })
          yield* until(Effect.map(stats, ({ processing }) => processing === 0))
          // Batches in flight share a process or open their own; then none, as long as the breaker is open.
          const before = (yield* children.forks).length
          expect(before).toBeLessThanOrEqual(2)
          for (let look = 0; look < 40; look++) yield* Effect.zipRight(settle, breath)
          expect(yield* children.forks).toHaveLength(before)
          // Then one for each probe, every two seconds.
          for (let probe = 1; probe <= 3; probe++) {
            yield* TestClock.adjust("2 seconds")
            yield* until(
              Effect.map(
                worker.status,
                ({ provider }) => provider.state === "open" && provider.failures === probe + 1,
              ),
            )
            expect(yield* children.forks).toHaveLength(before + probe)
          }
          yield* until(Effect.map(stats, ({ processing }) => processing === 0))
          expect(yield* stats).toMatchObject({ pending: 5, failed: 0 })
          yield* children.tell("load", "")
          yield* untilDone
          yield* expectUnharmed(receipts)
          expect((yield* worker.status).provider).toEqual({ state: "closed" })
        }),
      ),
    )
  })
}
