/**
 * Real daemons and real clients on one real file, killed with SIGKILL at random moments, also while they start. A
 * round is one kill; the next process takes its place at once. In between and in the end the invariants are asked of
 * the living file, and in the end, when one well-behaved daemon has done what was left, what is there is compared with
 * what clients were told. The seed decides who does what and when to kill; the machine's own timing it cannot.
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Storage } from "../../src/Storage.js"
import * as Doctor from "../../src/Doctor.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import * as Fake from "../../src/Embedder/Fake.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { checkInvariants, type Violation } from "../invariants.js"
import { system } from "../support.js"
import * as Children from "./Children.js"
import * as Log from "./Log.js"
import * as Random from "../support/Random.js"

export interface Options {
  /** Kills. */
  readonly rounds: number
  readonly seed: number
  readonly daemons?: number | undefined
  readonly clients?: number | undefined
  /** Keep the folder also when all is well. */
  readonly keep?: boolean | undefined
  /** Told of each round. */
  readonly onRound?: ((round: number, what: string) => void) | undefined
}

export interface Report {
  readonly seed: number
  readonly rounds: number
  readonly operations: number
  readonly acknowledged: number
  readonly refused: number
  /** Their answer never came, or was that of a database in trouble: they may have happened. */
  readonly uncertain: number
  readonly troubles: ReadonlyArray<string>
  readonly liveChecks: number
  /** Jobs that were in a daemon's hand when it was killed: without any, nothing was put to the test. */
  readonly takenBack: number
  /** Those of them that ended as failed because it happened to them too often. */
  readonly failedBoxes: number
  readonly entities: number
  readonly seconds: number
  /** What must not be. Nothing here: all is well. */
  readonly problems: ReadonlyArray<string>
  /** Where the database, the clients' log and the output of all processes lie; gone when all is well. */
  readonly folder: string
}

const told = ({ ids, invariant, message }: Violation) => `${invariant}: ${message}: ${ids.join(", ")}`

const check = (database: string) =>
  checkInvariants({ vectorOf: Fake.vectorOf }).pipe(
    Effect.provide(Sqlite.layer({ filename: database })),
    Effect.map(({ violations }) => violations.map(told)),
  )

/** What the product itself says of the file. */
const examine = Effect.flatMap(Doctor.Doctor, (doctor) => doctor.examine).pipe(
  Effect.map(({ checks }) =>
    checks.flatMap(({ invariant, violations }) =>
      violations.map(
        ({ message, ...subject }) => `the doctor: ${invariant}: ${message} ${JSON.stringify(subject)}`,
      ),
    ),
  ),
  Effect.provide(Doctor.layer),
)

/** Milliseconds of work before the kill, at most: a start costs about as much as a second of work. */
const longestLife = 2_500

/** Every so many rounds the living file is checked. */
const checkEvery = 5

/** Does what is left, twice: what was failed by too many kills is put in line again. Answers how many those were. */
const drain = (database: string, output: string, problem: (what: string) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const daemon = yield* Children.daemon(database, output)
    if (!(yield* daemon.ready)) yield* problem(`the last daemon did not start: ${daemon.said()}`)
    const queue = yield* EmbeddingQueue
    const untilDone = queue.getStats.pipe(
      Effect.repeat({
        schedule: Schedule.spaced("50 millis"),
        while: ({ pending, processing }) => pending + processing > 0 && !daemon.hasEnded(),
      }),
      Effect.timeoutTo({
        duration: "2 minutes",
        onSuccess: () => undefined,
        onTimeout: () => "the last daemon did not finish within two minutes",
      }),
      Effect.flatMap((late) => (late === undefined ? Effect.void : problem(late))),
    )
    yield* untilDone
    const failed = yield* queue.failedBoxes()
    const odd = failed.filter(({ job }) => job.crashCount <= job.maxRetries)
    yield* Effect.forEach(odd, ({ job }) => problem(`${job.entityId} failed of itself: ${job.lastError}`))
    yield* queue.retryFailed()
    yield* untilDone
    const { failed: stillFailed } = yield* queue.getStats
    if (stillFailed > 0) yield* problem(`${stillFailed} boxes failed also with a well-behaved daemon`)
    const end = yield* daemon.kill("SIGTERM")
    if (end !== "0") yield* problem(`the last daemon ended with ${end}: ${daemon.said()}`)
    return failed.length
  })

/** What is read in the end, by id, and whether it is stored once with all that belongs to it. */
const finals = (problem: (what: string) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    const [counts] = yield* sql<{ readonly [table: string]: number }>`
      SELECT (SELECT count(*) FROM entities) AS entities, (SELECT count(*) FROM entity_vectors) AS vectors,
        (SELECT count(*) FROM entity_texts) AS texts,
        (SELECT count(*) FROM entity_fulltext_docsize) AS fulltext,
        (SELECT count(*) FROM embedding_boxes) AS boxes`
    // Every text fits the window: an entity stored twice would have two vectors.
    const { boxes, entities = 0, ...rest } = counts ?? {}
    if (boxes !== 0 || Object.values(rest).some((count) => count !== entities)) {
      yield* problem(`not everything is stored once: ${JSON.stringify(counts)}`)
    }
    const integrity = yield* sql`PRAGMA integrity_check`
    if (JSON.stringify(integrity) !== '[{"integrity_check":"ok"}]') {
      yield* problem(`SQLite says: ${JSON.stringify(integrity)}`)
    }
    const rows = yield* sql<{ readonly id: string; readonly mark: string; readonly content: string }>`
      SELECT entity_id AS id, json_extract(metadata, '$.mark') AS mark, content FROM entities`
    return new Map(rows.map(({ id, ...final }) => [id, final]))
  })

/** What the daemons say of jobs that they found in dead hands. */
const takenBack = (folder: string) =>
  Fs.readdirSync(folder)
    .filter((name) => name.endsWith(".out"))
    .flatMap((name) => [
      ...Fs.readFileSync(Path.join(folder, name), "utf8").matchAll(/taken back from dead workers: (\d+)/g),
    ])
    .reduce((sum, found) => sum + Number(found[1]), 0)

export const run = (options: Options): Effect.Effect<Report, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { rounds, seed } = options
    const began = Log.now()
    const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), `embedbox-crash-${seed}-`))
    const at = (name: string) => Path.join(folder, name)
    const database = at("embedbox.sqlite")
    const problems = yield* Ref.make<ReadonlyArray<string>>([])
    const problem = (what: string) => Ref.update(problems, (before) => [...before, what])
    const round = yield* Ref.make(0)
    const liveChecks = yield* Ref.make(0)
    const deaths = new Map<string, number>()

    const start = (kind: "daemon" | "client", name: string, seed: number) =>
      kind === "daemon"
        ? Children.daemon(database, at(`${name.split(".")[0]}.out`))
        : Children.client({
            database,
            name,
            seed,
            log: at("operations.jsonl"),
            output: at(`${name.split(".")[0]}.out`),
          })

    /** One after the other takes this place, each until it is killed. */
    const place = (kind: "daemon" | "client", index: number) =>
      Effect.gen(function* () {
        const random = Random.make(Random.derive(seed, kind === "daemon" ? 1 : 2, index))
        for (let life = 0; (yield* Ref.get(round)) < rounds; life++) {
          const name = `${kind}${index}.${life}`
          yield* Effect.scoped(
            Effect.gen(function* () {
              const child = yield* start(kind, name, random.below(2 ** 31))
              const early = random.next() < 0.15
              if (early) yield* Effect.sleep(random.below(800))
              else if (!(yield* child.ready)) return yield* problem(`${name} did not start: ${child.said()}`)
              if (!early) yield* Effect.raceFirst(Effect.sleep(30 + random.below(longestLife)), child.ended)
              if (child.hasEnded()) return yield* problem(`${name} ended by itself: ${child.said()}`)
              yield* child.kill("SIGKILL")
              deaths.set(name, Log.now())
              const count = yield* Ref.updateAndGet(round, (before) => before + 1)
              options.onRound?.(count, `${name} killed${early ? " while it started" : ""}`)
              if (count % checkEvery === 0) {
                const found = yield* check(database)
                yield* Ref.update(liveChecks, (before) => before + 1)
                yield* Effect.forEach(found, (what) => problem(`after round ${count}: ${what}`))
              }
            }),
          )
          if ((yield* Ref.get(problems)).length > 0) return
        }
      }).pipe(Effect.catchAllCause((cause) => problem(`the harness itself failed: ${cause.toString()}`)))

    const places = (kind: "daemon" | "client", count: number) =>
      Array.from({ length: count }, (_, index) => place(kind, index))
    yield* Effect.all(
      [...places("daemon", options.daemons ?? 2), ...places("client", options.clients ?? 2)],
      {
        concurrency: "unbounded",
        discard: true,
      },
    )

    const end = Effect.gen(function* () {
      const failedBoxes = yield* Effect.scoped(drain(database, at("last.out"), problem))
      const found = [...(yield* check(database)), ...(yield* examine)]
      yield* Effect.forEach(found, (what) => problem(`in the end: ${what}`))
      return { failedBoxes, stored: yield* finals(problem) }
    }).pipe(
      Effect.provide(system({ filename: database })),
      Effect.catchAllCause((cause) =>
        Effect.as(problem(`the end could not be checked: ${cause.toString()}`), {
          failedBoxes: 0,
          stored: new Map<string, Log.Final>(),
        }),
      ),
    )
    const { failedBoxes, stored } = yield* end

    const file = at("operations.jsonl")
    const lines = Log.linesOf(Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : "")
    const operations = Log.operationsOf(lines, deaths)
    const byKey = new Map(Object.entries(Arr.groupBy(operations, ({ key }) => key)))
    const flaws = [...new Set([...byKey.keys(), ...stored.keys()])].flatMap(
      (key) => Log.flawOf(key, byKey.get(key) ?? [], stored.get(key)) ?? [],
    )
    const wrong = lines.flatMap((line) => (line.line === "wrong" ? [`${line.mark}: ${line.detail}`] : []))
    yield* Effect.forEach([...flaws, ...wrong], problem)

    const count = (known: Log.Operation["known"]) => operations.filter((one) => one.known === known).length
    const found = yield* Ref.get(problems)
    const back = takenBack(folder)
    if (found.length === 0 && options.keep !== true) Fs.rmSync(folder, { recursive: true, force: true })
    return {
      seed,
      rounds: yield* Ref.get(round),
      operations: operations.length,
      acknowledged: count("done"),
      refused: count("refused"),
      uncertain: count("in flight") + count("failed"),
      troubles: [
        ...new Set(operations.flatMap(({ detail, known }) => (known === "failed" ? [detail ?? ""] : []))),
      ],
      liveChecks: yield* Ref.get(liveChecks),
      takenBack: back,
      failedBoxes,
      entities: stored.size,
      seconds: Math.round(Duration.toSeconds(Duration.micros(BigInt(Log.now() - began))) * 10) / 10,
      problems: found,
      folder,
    }
  })
