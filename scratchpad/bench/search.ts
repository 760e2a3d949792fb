/**
 * Nearest neighbours: the product's index beside what else there is, over the same seeded vectors in one run: a look at
 * every vector in JavaScript, sqlite-vec, and usearch (approximate). Of each the time of a query, how long the event loop
 * stood still meanwhile, memory, the time to the first answer, and how many of the true first ten it found.
 *
 * Then whole searches of as many notes, by words, by meaning and by both: see `search/Whole`.
 *
 *     npm run bench:search [-- --most 100000 --queries 50 --json]
 */
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import { load as loadSqliteVec } from "sqlite-vec"
import { Index, MetricKind, ScalarKind } from "usearch"
import type { StorageError } from "../../src/Domain/Errors.js"
import { Fingerprint } from "../../src/Domain/Fingerprint.js"
import { dot, toBytes } from "../../src/Domain/Vector.js"
import * as EntityRepository from "../../src/EntityRepository.js"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import * as VectorIndex from "../../src/VectorIndex.js"
import * as Whole from "./search/Whole.js"
import {
  argument,
  makeRandom,
  median,
  percentile,
  report,
  round,
  say,
  temporaryFolder,
  timed,
  withLoopDelay,
} from "./support.js"

const dimensions = 384
const most = argument("most", 100_000)
const queryCount = argument("queries", 50)
const sizes = [1_000, 10_000, 100_000].filter((size) => size <= most)
const fingerprint = Fingerprint.make("bench")

const normal = (random: () => number) =>
  Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random())

const unit = (values: Float32Array) => {
  const length = Math.sqrt(dot(values, values))
  return values.map((value) => value / length)
}

/** Vectors as text has them: many near some hundred centres, no two the same. */
const makeVectors = (count: number, seed: number) => {
  const random = makeRandom(seed)
  const centres = Array.from({ length: 200 }, () =>
    unit(Float32Array.from({ length: dimensions }, () => normal(random))),
  )
  return Array.from({ length: count }, () => {
    const centre = centres[Math.floor(random() * centres.length)] ?? new Float32Array(dimensions)
    return unit(centre.map((value) => value + (0.7 * normal(random)) / Math.sqrt(dimensions)))
  })
}

type Found = ReadonlyArray<number>

/** The true first ten, by a look at every vector. */
const bruteForce = (vectors: ReadonlyArray<Float32Array>, query: Float32Array): Found => {
  const scores = Float64Array.from(vectors, (vector) => dot(query, vector))
  return Array.from(scores.keys())
    .toSorted((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0))
    .slice(0, 10)
}

interface Candidate {
  readonly name: string
  readonly firstMs: number
  readonly megabytes: number
  readonly ask: (query: Float32Array) => Effect.Effect<Found, StorageError>
}

/** What is reachable now: npm starts this with the collector within reach. */
const megabytes = () => {
  globalThis.gc?.()
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
  return { rss: rss / 2 ** 20, own: (heapUsed + external + arrayBuffers) / 2 ** 20 }
}

const fill = (vectors: ReadonlyArray<Float32Array>) =>
  Effect.gen(function* () {
    const { sql, write } = yield* Storage
    const insert = (from: number) =>
      Effect.forEach(
        vectors.slice(from, from + 1_000),
        (vector, at) =>
          Effect.zipRight(
            sql`INSERT INTO entities (entity_type, entity_id, generation, job_id, created, updated, content_hash,
                input_hash, metadata, content)
              VALUES ('base', ${String(from + at)}, ${from + at}, 'job', 0, 0, '', '', '{}', 'text')`,
            sql`INSERT INTO entity_vectors
                (entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading, path, start, text)
              VALUES ('base', ${String(from + at)}, 0, ${fingerprint}, 'h', ${toBytes(vector)}, '', '[]', 0,
                ${"some text of a chunk ".repeat(40)})`,
          ),
        { discard: true },
      )
    for (let from = 0; from < vectors.length; from += 1_000) yield* write(insert(from))
  })

const ours = (folder: string, vectors: ReadonlyArray<Float32Array>, query: Float32Array) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      VectorIndex.layer.pipe(
        Layer.provideMerge(EntityRepository.layer),
        Layer.provideMerge(Sqlite.layer({ filename: Path.join(folder, `${vectors.length}.sqlite`) })),
      ),
    )
    yield* Effect.provide(fill(vectors), context)
    const index = yield* Effect.provide(VectorIndex.VectorIndex, context)
    const ask = (query: Float32Array) =>
      Effect.map(index.nearest(query, { fingerprint, limit: 10, filter: {} }), (found) =>
        found.map(({ entityId }) => Number(entityId)),
      )
    const before = megabytes()
    const first = yield* withLoopDelay(timed(ask(query)))
    say(`    Embedbox's first query: ${round(first.value[0])} ms, event loop at most ${round(first.max)} ms`)
    return { name: "Embedbox", firstMs: first.value[0], megabytes: megabytes().own - before.own, ask }
  })

const scan = (vectors: ReadonlyArray<Float32Array>): Candidate => ({
  name: "JavaScript",
  firstMs: 0,
  megabytes: (vectors.length * dimensions * 4) / 2 ** 20,
  ask: (query) => Effect.sync(() => bruteForce(vectors, query)),
})

const sqliteVec = (vectors: ReadonlyArray<Float32Array>) =>
  Effect.acquireRelease(
    Effect.sync(() => new Database(":memory:")),
    (database) => Effect.sync(() => database.close()),
  ).pipe(
    Effect.map((database): Candidate => {
      loadSqliteVec(database)
      database.exec(
        `CREATE VIRTUAL TABLE vectors USING vec0 (vector float[${dimensions}] distance_metric=cosine)`,
      )
      const insert = database.prepare("INSERT INTO vectors (rowid, vector) VALUES (?, ?)")
      database.transaction(() => {
        for (const [at, vector] of vectors.entries()) insert.run(BigInt(at), toBytes(vector))
      })()
      const nearest = database
        .prepare<
          [Uint8Array],
          number
        >("SELECT rowid FROM vectors WHERE vector MATCH ? AND k = 10 ORDER BY distance")
        .pluck()
      return {
        name: "sqlite-vec",
        firstMs: 0,
        megabytes: (vectors.length * dimensions * 4) / 2 ** 20,
        ask: (query) => Effect.sync(() => nearest.all(toBytes(query))),
      }
    }),
  )

const usearch = (vectors: ReadonlyArray<Float32Array>) =>
  Effect.sync((): Candidate => {
    const index = new Index({
      dimensions,
      metric: MetricKind.Cos,
      quantization: ScalarKind.I8,
      connectivity: 16,
      expansion_add: 128,
      expansion_search: 64,
      multi: false,
    })
    const before = megabytes()
    const start = performance.now()
    for (const [at, vector] of vectors.entries()) index.add(BigInt(at), vector)
    return {
      name: "usearch",
      firstMs: performance.now() - start,
      megabytes: megabytes().rss - before.rss,
      ask: (query) => Effect.sync(() => Array.from(index.search(query, 10, 1).keys, Number)),
    }
  })

const measure = (candidate: Candidate, queries: ReadonlyArray<Float32Array>, truth: ReadonlyArray<Found>) =>
  Effect.gen(function* () {
    const asked = candidate.name === "JavaScript" ? queries.slice(0, 10) : queries
    const { max, p99, value } = yield* withLoopDelay(
      Effect.forEach(asked, (query) =>
        // The loop turns between two queries, as it does between two requests.
        Effect.zipLeft(timed(candidate.ask(query)), Effect.sleep("2 millis")),
      ),
    )
    const times = value.map(([ms]) => ms)
    const hits = value.map(([, found], at) => found.filter((one) => truth[at]?.includes(one)).length)
    return {
      name: candidate.name,
      p50Ms: round(median(times)),
      p99Ms: round(percentile(times, 0.99)),
      loopP99Ms: round(p99),
      loopMaxMs: round(max),
      recallAt10: round(hits.reduce((sum, one) => sum + one, 0) / (10 * hits.length)),
      megabytes: Math.round(candidate.megabytes),
      firstMs: Math.round(candidate.firstMs),
    }
  })

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const figures: Array<{
    readonly chunks: number
    readonly candidates: ReadonlyArray<object>
    readonly whole: ReadonlyArray<object>
  }> = []
  for (const size of sizes) {
    const vectors = makeVectors(size, 7)
    const queries = makeVectors(queryCount, 7).map((query, at) => {
      const random = makeRandom(at + 1)
      return unit(query.map((value) => value + (0.5 * normal(random)) / Math.sqrt(dimensions)))
    })
    const truth = queries.map((query) => bruteForce(vectors, query))
    say(`${size} chunks of ${dimensions} dimensions, ${queryCount} queries for the first ten`)
    const measured = yield* Effect.scoped(
      Effect.gen(function* () {
        const candidates = [
          yield* ours(folder, vectors, queries[0] ?? new Float32Array(dimensions)),
          scan(vectors),
          yield* sqliteVec(vectors),
          yield* usearch(vectors),
        ]
        return yield* Effect.forEach(candidates, (candidate) => measure(candidate, queries, truth))
      }),
    )
    for (const one of measured) {
      say(
        `  ${one.name.padEnd(11)} p50 ${one.p50Ms} ms, p99 ${one.p99Ms} ms; loop p99 ${one.loopP99Ms} ms, max ${one.loopMaxMs} ms; ` +
          `recall ${one.recallAt10}; ${one.megabytes} MB; ready after ${one.firstMs} ms`,
      )
    }
    const whole = yield* Whole.measure(folder, {
      count: size,
      dimensions,
      questions: queryCount,
      random: makeRandom(7),
    })
    for (const one of whole) {
      say(
        `  ${one.mode.padEnd(11)} p50 ${one.p50Ms} ms, p99 ${one.p99Ms} ms; loop p99 ${one.loopP99Ms} ms, ` +
          `max ${one.loopMaxMs} ms; first ${one.firstMs} ms`,
      )
    }
    figures.push({ chunks: size, candidates: measured, whole })
  }
  report({ dimensions, queries: queryCount, sizes: figures })
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
