/**
 * What the queue costs beside bare better-sqlite3 that writes the same rows with the same durability, in turns in one
 * run: `npm run bench:queue [-- --notes 2000 --rounds 5 --json]`. Notes of 1.5 KB, `synchronous=FULL`, full-text
 * included on both sides; compiled, as it runs for its users: tsx names every function as it is made, which costs much
 * where many are. On ours everything is switched on: validation, hashes, the look at what is there, tokens,
 * the waiting count, events. Bare flushes its claims as it does everything; ours does not, since nothing is lost with a
 * claim. The embedder answers at once, so that what is measured is the queue. What a flush of
 * this disk costs is measured too: the gain of writing together grows with it, and `--flush 1000` has every flush take a
 * thousand microseconds longer, for both.
 */
import Database from "better-sqlite3"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import { wholePiece } from "../../src/Domain/Chunk.js"
import type { EntityInput } from "../../src/Domain/Entity.js"
import { Fingerprint } from "../../src/Domain/Fingerprint.js"
import * as Vector from "../../src/Domain/Vector.js"
import { searchable } from "../../src/Domain/Words.js"
import { Embedder } from "../../src/Embedder.js"
import * as EmbeddingWorker from "../../src/EmbeddingWorker.js"
import * as EntityRegistry from "../../src/EntityRegistry.js"
import * as EntityService from "../../src/EntityService.js"
import * as Shell from "../../src/Shell.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import * as Bare from "./queue/bare.js"
import * as Flush from "./queue/Flush.js"
import {
  argument,
  median,
  notes,
  percentile,
  report,
  round,
  say,
  temporaryFolder,
  timed,
  withLoopDelay,
} from "./support.js"

const count = argument("notes", 2_000)
const rounds = argument("rounds", 5)
const callers = argument("callers", 64)
const batch = 32

const dimensions = 384
const vector = new Float32Array(dimensions).fill(1 / Math.sqrt(dimensions))

/** Real words, 1.5 KB as they are boxed. */
const texts = notes(10_000).map((text) => text.repeat(Math.ceil(1_300 / text.length)).slice(0, 1_300))

const make = (name: string, from: number, many: number): ReadonlyArray<Bare.Note> =>
  Arr.makeBy(many, (i) => {
    const content = texts[(from + i) % texts.length] ?? ""
    return { id: `${name}-${from + i}`, content, words: searchable(content) }
  })

const inputOf = ({ content, id }: Bare.Note): EntityInput => ({ id, content })

// ---- ours --------------------------------------------------------------------------------------------------

/** Called for each text that reaches the embedder. */
type Reached = (text: string) => void

const instant = (reached: Reached) =>
  Layer.succeed(
    Embedder,
    Embedder.of({
      fingerprint: Fingerprint.make("bench"),
      dimensions,
      generateEmbedding: () => Effect.succeed(vector),
      generateEmbeddings: (all) => Effect.sync(() => all.map((text) => (reached(text), vector))),
      embedQuery: () => Effect.succeed(vector),
      split: (passages) => Effect.succeed(passages.map((passage) => [wholePiece(passage)])),
    }),
  )

const system = (filename: string, reached: Reached = () => {}) =>
  Shell.services({
    leaseDuration: Duration.seconds(30),
    maxWaiting: Number.POSITIVE_INFINITY,
    indexMemory: 512,
  }).pipe(
    Layer.provideMerge(
      Layer.mergeAll(Sqlite.layer({ filename }), instant(reached), EntityRegistry.layerOpen),
    ),
  )

const created = (outcomes: ReadonlyArray<Either.Either<unknown, { readonly message: string }>>) =>
  Effect.forEach(outcomes, Either.match({ onLeft: Effect.die, onRight: () => Effect.void }), {
    discard: true,
  })

/** Asks the worker: a count of all jobs, every two milliseconds, would be a part of what is measured. */
const stored = (worker: typeof EmbeddingWorker.EmbeddingWorker.Service, many: number) =>
  Effect.gen(function* () {
    while (true) {
      const status = yield* worker.status
      if (status.failed > 0) return yield* Effect.dieMessage(`${status.failed} notes failed`)
      if (status.stored >= many) return
      yield* Effect.sleep("2 millis")
    }
  })

const worker = (settings: Partial<EmbeddingWorker.Settings> = {}) =>
  EmbeddingWorker.make({ batchSize: batch, concurrency: 1, pollInterval: "5 millis", ...settings })

// ---- in turns ----------------------------------------------------------------------------------------------

/** How many of them a second, given how long all of them took. */
const rate = (many: number, [ms]: readonly [number, unknown]) => (many / ms) * 1000

const bareSync = (work: () => void) => timed(Effect.sync(work))

/** One round on fresh files: each step bare and ours, one after the other. */
const oneRound = (folder: string, nr: number) =>
  Effect.gen(function* () {
    const file = Path.join(folder, `bare-${nr}.sqlite`)
    yield* Effect.scoped(Layer.build(Sqlite.layer({ filename: file })))
    const bare = yield* Effect.acquireRelease(
      Effect.sync(() => Bare.open(file, () => Math.round(performance.timeOrigin))),
      (db) => Effect.sync(db.close),
    )
    const service = yield* EntityService.EntityService
    const create = (input: EntityInput) => Effect.orDie(service.createEntity(input))

    const singles = make("one", 0, count)
    const together = make("many", count, 4 * count)
    const bulk = make("bulk", 5 * count, 4 * count)

    const bareSingles = yield* bareSync(() => singles.forEach((note) => bare.create([note])))
    const ourSingles = yield* timed(Effect.forEach(singles.map(inputOf), create, { discard: true }))
    const ourTogether = yield* timed(
      Effect.forEach(together.map(inputOf), create, { discard: true, concurrency: callers }),
    )
    const bareTogether = yield* bareSync(() => Arr.chunksOf(together, callers).forEach(bare.create))
    const bareBulk = yield* bareSync(() => Arr.chunksOf(bulk, 100).forEach(bare.create))
    const ourBulk = yield* timed(Effect.flatMap(service.createEntities(bulk.map(inputOf)), created))
    const bytes = Vector.toBytes(vector)
    const bareDrain = yield* bareSync(() => {
      for (let claims = bare.claim(batch); claims.length > 0; claims = bare.claim(batch)) {
        bare.store(claims, () => bytes)
      }
    })
    const ourDrain = yield* timed(Effect.scoped(Effect.flatMap(worker(), (one) => stored(one, 9 * count))))

    return {
      bare: {
        oneByOne: rate(count, bareSingles),
        together: rate(together.length, bareTogether),
        bulk: rate(bulk.length, bareBulk),
        drain: rate(9 * count, bareDrain),
      },
      ours: {
        oneByOne: rate(count, ourSingles),
        together: rate(together.length, ourTogether),
        bulk: rate(bulk.length, ourBulk),
        drain: rate(9 * count, ourDrain),
      },
    }
  }).pipe(Effect.scoped, Effect.provide(system(Path.join(folder, `ours-${nr}.sqlite`))))

type Round = Effect.Effect.Success<ReturnType<typeof oneRound>>

// ---- latency -----------------------------------------------------------------------------------------------

/** From the call of createEntity until its text is with the embedder, the worker being idle, by the seed's polling. */
const createToStart = (folder: string) => {
  const starts = new Map<string, number>()
  const reached = new Map<string, number>()
  return Effect.gen(function* () {
    const service = yield* EntityService.EntityService
    const one = yield* worker({ batchSize: 1, pollInterval: "100 millis" })
    for (const { content, id } of make("start", 0, 300)) {
      starts.set(id, performance.now())
      yield* service.createEntity({ id, content: `${id} ${content}` })
      yield* Effect.sleep("5 millis")
    }
    yield* stored(one, starts.size)
    return [...starts].map(([id, at]) => (reached.get(id) ?? Number.NaN) - at)
  }).pipe(
    Effect.scoped,
    Effect.provide(
      system(Path.join(folder, "start.sqlite"), (text) => {
        reached.set(text.slice(0, text.indexOf(" ")), performance.now())
      }),
    ),
  )
}

/** The event loop while so many callers create without a pause and the worker stores beside them. */
const fullLoad = (folder: string) =>
  Effect.gen(function* () {
    const service = yield* EntityService.EntityService
    const one = yield* worker()
    return yield* withLoopDelay(
      Effect.zipRight(
        Effect.forEach(make("load", 0, 6 * count).map(inputOf), service.createEntity, {
          discard: true,
          concurrency: callers,
        }),
        stored(one, 6 * count),
      ),
    )
  }).pipe(Effect.scoped, Effect.provide(system(Path.join(folder, "load.sqlite"))))

/** What one durable commit of a few bytes costs here, in microseconds. */
const flushCost = (folder: string) =>
  Effect.sync(() => {
    const db = new Database(Path.join(folder, "flush.sqlite"))
    db.pragma("journal_mode = WAL")
    db.pragma("synchronous = FULL")
    db.exec("CREATE TABLE t (a INTEGER)")
    const insert = db.prepare("INSERT INTO t VALUES (1)")
    const times = Arr.makeBy(500, () => {
      const start = performance.now()
      insert.run()
      return (performance.now() - start) * 1000
    })
    db.close()
    return Math.round(median(times))
  })

// ---- the report --------------------------------------------------------------------------------------------

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* oneRound(folder, 0) // warms up
  const done: Array<Round> = []
  for (let nr = 1; nr <= rounds; nr++) done.push(yield* oneRound(folder, nr))
  const of = (side: "bare" | "ours", step: keyof Round["bare"]) =>
    Math.round(median(done.map((one) => one[side][step])))
  const ratio = (f: (one: Round) => number) => round(median(done.map(f)))
  const start = yield* createToStart(folder)
  const loop = yield* fullLoad(folder)
  const figures = {
    flushMicros: yield* flushCost(folder),
    creates: {
      bare: of("bare", "oneByOne"),
      ours: of("ours", "oneByOne"),
      ratio: ratio(({ bare, ours }) => ours.oneByOne / bare.oneByOne),
    },
    concurrent: {
      callers,
      ours: of("ours", "together"),
      toBareOneByOne: ratio(({ bare, ours }) => ours.together / bare.oneByOne),
      bareTogether: of("bare", "together"),
      /** The most that sharing a commit could give here. */
      bareTogetherToOneByOne: ratio(({ bare }) => bare.together / bare.oneByOne),
    },
    bulk: {
      bare: of("bare", "bulk"),
      ours: of("ours", "bulk"),
      ratio: ratio(({ bare, ours }) => ours.bulk / bare.bulk),
    },
    drain: {
      bare: of("bare", "drain"),
      ours: of("ours", "drain"),
      ratio: ratio(({ bare, ours }) => ours.drain / bare.drain),
    },
    createToStart: { p50Ms: round(percentile(start, 0.5)), p99Ms: round(percentile(start, 0.99)) },
    eventLoop: { p50Ms: round(loop.p50), p99Ms: round(loop.p99), maxMs: round(loop.max) },
  }
  const { bulk, concurrent, creates, drain } = figures
  say(
    `notes a second, 1.5 KB each, synchronous=FULL (a flush: ${figures.flushMicros} us), medians of ${rounds}`,
  )
  say(`  one by one          bare ${creates.bare}, ours ${creates.ours}: ${creates.ratio} (goal: 0.7)`)
  say(
    `  ${callers} callers          ours ${concurrent.ours}: ${concurrent.toBareOneByOne} times bare one by one (goal: 5; bare itself ${callers} a commit: ${concurrent.bareTogether}, ${concurrent.bareTogetherToOneByOne} times)`,
  )
  say(`  bulk                bare ${bulk.bare}, ours ${bulk.ours}: ${bulk.ratio} (goal: 0.6)`)
  say(
    `  claim to complete   bare ${drain.bare}, ours ${drain.ours}: ${drain.ratio} (goal: 0.5; ${batch} at once)`,
  )
  say(
    `  create to start     p50 ${figures.createToStart.p50Ms} ms, p99 ${figures.createToStart.p99Ms} ms (goal: p50 below 3)`,
  )
  say(
    `  event loop, full load: p50 ${figures.eventLoop.p50Ms} ms, p99 ${figures.eventLoop.p99Ms} ms (goal: p99 below 20)`,
  )
  report(figures)
})

const flush = argument("flush", 0)
const run =
  flush > 0 && !Flush.isSlowed
    ? Effect.map(Flush.again(flush), (code) => void (process.exitCode = code))
    : Effect.scoped(program)

Effect.runPromise(run).catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
