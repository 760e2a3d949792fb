import Database from "better-sqlite3"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Doctor from "../src/Doctor.js"
import * as EmbeddingQueue from "../src/EmbeddingQueue.js"
import * as EmbeddingWorker from "../src/EmbeddingWorker.js"
import * as EntityRepository from "../src/EntityRepository.js"
import { EntityService } from "../src/EntityService.js"
import { Storage } from "../src/Storage.js"
import * as Sqlite from "../src/Storage/Sqlite.js"
import { createFailed, embedAll, idsByWords, rowCounts, withSystem } from "./EntityService/fixtures.js"
import { quiet, system, temporaryDatabase } from "./support.js"

const long = `# Long\n\n${"many words make several windows ".repeat(12)}`

/** Every kind of row: stored, stored and changed, failed, waiting, in hand, superseded, deleted. */
const seed = Effect.gen(function* () {
  const service = yield* EntityService
  const queue = yield* EmbeddingQueue.EmbeddingQueue
  yield* service.createEntity({ id: "stored", content: long, metadata: { tags: ["a"] } })
  yield* service.createEntity({ id: "changed", content: "an old text" })
  yield* service.createEntity({ id: "gone", content: "soon deleted" })
  yield* embedAll
  yield* createFailed("failed")
  yield* service.deleteEntity("gone")
  yield* service.upsertEntity({ id: "changed", content: "a new text" })
  yield* service.createEntity({ id: "waiting", content: "first of waiting" })
  yield* service.upsertEntity({ id: "waiting", content: "second of waiting" })
  yield* service.createEntityAsync({ id: "held", content: "in hand" }, { priority: 9 })
  assert.strictEqual((yield* queue.dequeueBatch(1))[0]?.content.id, "held")
})

const execute = (statements: ReadonlyArray<string>) =>
  Effect.flatMap(Storage, ({ sql }) =>
    Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true }),
  )

const found = ({ checks }: Doctor.Diagnosis) =>
  checks.flatMap(({ invariant, violations }) =>
    violations.map(({ entityId, jobId, message }) => ({
      invariant,
      message,
      entityId,
      hasJob: jobId !== null,
    })),
  )

const doctored = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  withSystem(Effect.zipRight(seed, Effect.provide(effect, Doctor.layer)))

interface Case {
  readonly invariant: Doctor.Diagnosis["checks"][number]["invariant"]
  readonly says: RegExp
  readonly id: string | null
  readonly job?: boolean
  readonly mended?: boolean
  readonly breaks: ReadonlyArray<string>
}

const pending = (id: string) => `entity_id = '${id}' AND status = 'pending'`
const boxOf = (id: string) => `generation = (SELECT generation FROM embedding_queue WHERE ${pending(id)})`
const docOf = (id: string) => `(SELECT doc FROM entity_texts WHERE entity_id = '${id}')`

const cases: ReadonlyArray<Case> = [
  {
    invariant: "file",
    says: /^a row refers to nothing: embedding_attempts$/,
    id: null,
    breaks: [`INSERT INTO embedding_attempts VALUES (1000, 1, 0, 0, 'w', 0, 'item', 'of no job')`],
  },
  {
    invariant: "I1",
    says: /^a live job has no box$/,
    id: "waiting",
    job: true,
    breaks: [`DELETE FROM embedding_boxes WHERE ${boxOf("waiting")}`],
  },
  {
    invariant: "I1",
    says: /^a box has no live job: generation \d+$/,
    id: null,
    breaks: [`DELETE FROM embedding_queue WHERE ${pending("waiting")}`],
  },
  {
    invariant: "I1",
    says: /^a box cannot be read/,
    id: "waiting",
    job: true,
    breaks: [
      `UPDATE embedding_boxes SET content = '{"broken' WHERE ${boxOf("waiting")}`,
      `DELETE FROM entity_fulltext WHERE rowid = ${docOf("waiting")}`,
    ],
  },
  {
    invariant: "I1",
    says: /^a box holds another entity/,
    id: "waiting",
    job: true,
    breaks: [
      `UPDATE embedding_boxes SET content = json_set(content, '$.id', 'other') WHERE ${boxOf("waiting")}`,
    ],
  },
  {
    invariant: "I1",
    says: /^a box's content hash/,
    id: "waiting",
    job: true,
    breaks: [
      `UPDATE embedding_boxes SET content = json_set(content, '$.content', 'x') WHERE ${boxOf("waiting")}`,
    ],
  },
  {
    invariant: "I2",
    says: /^a vector's input hash is not that of its text: chunk 1$/,
    id: "stored",
    job: true,
    breaks: [`UPDATE entity_vectors SET text = text || '!' WHERE entity_id = 'stored' AND chunk = 1`],
  },
  {
    invariant: "I2",
    says: /^its input hash/,
    id: "stored",
    job: true,
    breaks: [`UPDATE entities SET input_hash = 'x' WHERE entity_id = 'stored'`],
  },
  {
    invariant: "I2",
    says: /^its content hash/,
    id: "stored",
    job: true,
    breaks: [`UPDATE entities SET metadata = '{}' WHERE entity_id = 'stored'`],
  },
  {
    invariant: "I2",
    says: /^its metadata cannot be read/,
    id: "stored",
    job: true,
    breaks: [`UPDATE entities SET metadata = '[' WHERE entity_id = 'stored'`],
  },
  {
    invariant: "I2",
    says: /^it is stored without a vector/,
    id: "stored",
    job: true,
    breaks: [`DELETE FROM entity_vectors WHERE entity_id = 'stored'`],
  },
  {
    invariant: "I2",
    says: /^a vector is not finite and of length one: chunk 0$/,
    id: "changed",
    breaks: [`UPDATE entity_vectors SET vector = x'0000c07f' WHERE entity_id = 'changed'`],
  },
  {
    invariant: "I2",
    says: /^a vector is not whole numbers/,
    id: "changed",
    breaks: [`UPDATE entity_vectors SET vector = x'000000' WHERE entity_id = 'changed'`],
  },
  {
    invariant: "I3",
    says: /several live boxes of one status: pending$/,
    id: "waiting",
    mended: false,
    breaks: [
      "DROP INDEX embedding_queue_live",
      `UPDATE embedding_queue SET entity_id = 'waiting' WHERE ${pending("changed")}`,
    ],
  },
  {
    invariant: "I4",
    says: /^the stored version is not older/,
    id: "changed",
    job: true,
    breaks: [
      `UPDATE entities SET generation = 1 + (SELECT generation FROM embedding_queue WHERE ${pending("changed")})
        WHERE entity_id = 'changed'`,
    ],
  },
  {
    invariant: "I4",
    says: /^a generation is higher than the counter/,
    id: "held",
    job: true,
    breaks: ["UPDATE embedding_queue_state SET generation = 0"],
  },
  {
    invariant: "I4",
    says: /^an older box is live/,
    id: "waiting",
    job: true,
    breaks: ["UPDATE embedding_queue SET entity_id = 'waiting' WHERE status = 'failed'"],
  },
  {
    invariant: "I5",
    says: /^a job in hand has no token/,
    id: "held",
    job: true,
    breaks: ["UPDATE embedding_queue SET claimed_by = NULL WHERE status = 'processing'"],
  },
  {
    invariant: "I5",
    says: /^a job that is in nobody's hand/,
    id: "waiting",
    job: true,
    breaks: [`UPDATE embedding_queue SET lease_until = 5 WHERE ${pending("waiting")}`],
  },
  {
    invariant: "I5",
    says: /^the end of a job/,
    id: "failed",
    job: true,
    breaks: ["UPDATE embedding_queue SET completed_at = NULL WHERE status = 'failed'"],
  },
  {
    invariant: "I5",
    says: /^the count of waiting boxes is wrong: 9 counted, 2 waiting$/,
    id: null,
    mended: true,
    breaks: ["UPDATE embedding_queue_state SET waiting = 9"],
  },
  {
    invariant: "I6",
    says: /^more attempts were spent than a job has: 4 of 3$/,
    id: "waiting",
    job: true,
    breaks: [`UPDATE embedding_queue SET retry_count = max_retries + 1 WHERE ${pending("waiting")}`],
  },
  {
    invariant: "I7",
    says: /^a vector has no entity: chunk 0$/,
    id: "ghost",
    mended: true,
    breaks: [
      `INSERT INTO entity_vectors
          (entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading, path, start, text)
        SELECT entity_type, 'ghost', chunk, fingerprint, input_hash, vector, heading, path, start, text
        FROM entity_vectors WHERE entity_id = 'stored'`,
    ],
  },
  {
    invariant: "I7",
    says: /^a full-text row has neither/,
    id: "ghost",
    mended: true,
    breaks: [
      "INSERT INTO entity_texts (doc, entity_type, entity_id, generation) VALUES (900, 'base', 'ghost', 1)",
      "INSERT INTO entity_fulltext (rowid, title, content) VALUES (900, 'ghost', 'ghost')",
    ],
  },
  {
    invariant: "I7",
    says: /^full-text does not have the newest version: none$/,
    id: "changed",
    mended: true,
    breaks: [
      `DELETE FROM entity_fulltext WHERE rowid IN (SELECT doc FROM entity_texts)`,
      `DELETE FROM entity_texts`,
    ],
  },
  {
    invariant: "I7",
    says: /^full-text does not have the newest version: generation 1$/,
    id: "changed",
    mended: true,
    breaks: [`UPDATE entity_texts SET generation = 1 WHERE entity_id = 'changed'`],
  },
  {
    invariant: "I7",
    says: /^a full-text row has no words$/,
    id: "stored",
    mended: true,
    breaks: [`DELETE FROM entity_fulltext WHERE rowid = ${docOf("stored")}`],
  },
  {
    invariant: "I7",
    says: /^words stand in the full-text index that belong to nothing: row 999$/,
    id: null,
    mended: true,
    breaks: ["INSERT INTO entity_fulltext (rowid, title, content) VALUES (999, 'loose', 'words')"],
  },
]

/** What may never become less. */
const sources = Effect.map(rowCounts, (counts) => [counts?.["boxes"], counts?.["entities"], counts?.["jobs"]])

describe("Doctor", () => {
  it.effect("finds a database with every kind of row in order, and says what it looked at", () =>
    doctored(
      Effect.gen(function* () {
        const doctor = yield* Doctor.Doctor
        const diagnosis = yield* doctor.examine
        assert.deepStrictEqual(found(diagnosis), [])
        assert.strictEqual(Doctor.violationCount(diagnosis), 0)
        const counts = yield* rowCounts
        const rowsOf = (name: string) => diagnosis.checks.find((check) => check.name === name)?.rows
        assert.strictEqual(rowsOf("every box has its live job"), counts?.["boxes"])
        assert.strictEqual(rowsOf("every box holds the entity of its job"), counts?.["boxes"])
        assert.strictEqual(rowsOf("hashes, texts and vectors are those of their entity"), 2)
        assert.strictEqual(rowsOf("every vector is finite and of length one"), counts?.["vectors"])
        assert.strictEqual(rowsOf("a job's end is told as its status wants it"), counts?.["jobs"])
        assert.isAbove(Number(counts?.["vectors"]), 3)
        const invariants = new Set(diagnosis.checks.map(({ invariant }) => invariant))
        assert.deepStrictEqual([...invariants].toSorted(), ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "file"])
        const { diagnosis: after, ...done } = yield* doctor.repair
        assert.deepStrictEqual(done, {
          claimsTakenBack: 0,
          vectorsRemoved: 0,
          textsRemoved: 0,
          textsWritten: 0,
          countsCorrected: 0,
        })
        assert.deepStrictEqual(found(after), [])
      }),
    ),
  )

  for (const { breaks, id, invariant, job = false, mended, says } of cases) {
    it.effect(`${invariant}: ${says.source}`, () =>
      doctored(
        Effect.gen(function* () {
          const doctor = yield* Doctor.Doctor
          yield* execute(["PRAGMA foreign_keys = OFF", "PRAGMA ignore_check_constraints = ON", ...breaks])
          const before = yield* sources
          const violations = found(yield* doctor.examine)
          assert.isDefined(
            violations.find(
              (violation) =>
                violation.invariant === invariant &&
                says.test(violation.message) &&
                violation.entityId === id &&
                violation.hasJob === job,
            ),
            JSON.stringify(violations),
          )
          if (invariant === "I3") return // its index is gone, and the queue names it
          const { diagnosis } = yield* doctor.repair
          if (mended === true) {
            assert.deepStrictEqual(found(diagnosis), [])
            assert.include(yield* idsByWords("several windows"), "stored")
            assert.deepStrictEqual(yield* idsByWords("second"), ["waiting"])
            assert.deepStrictEqual(yield* idsByWords("new"), ["changed"])
            assert.deepStrictEqual(yield* idsByWords("ghost loose"), [])
          } else assert.isTrue(found(diagnosis).some(({ message }) => says.test(message)))
          assert.deepStrictEqual(yield* sources, before)
        }),
      ),
    )
  }

  it.effect("gives back what a dead worker held", () =>
    doctored(
      Effect.gen(function* () {
        const doctor = yield* Doctor.Doctor
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(found(yield* doctor.examine), [])
        assert.strictEqual((yield* doctor.repair).claimsTakenBack, 1)
      }),
    ),
  )

  it.effect("goes through pages of many rows and of many bytes, and names no more than it must", () =>
    withSystem(
      Effect.gen(function* () {
        const service = yield* EntityService
        const doctor = yield* Doctor.Doctor
        for (let at = 0; at < 250; at++)
          yield* service.createEntitySync({ id: `s${at}`, content: `text ${at}` })
        for (let at = 0; at < 4; at++) {
          yield* service.createEntity({ id: `b${at}`, content: `${at}`.repeat(700_000) })
        }
        const diagnosis = yield* doctor.examine
        assert.deepStrictEqual(found(diagnosis), [])
        const rowsOf = (name: string) => diagnosis.checks.find((check) => check.name === name)?.rows
        assert.strictEqual(rowsOf("hashes, texts and vectors are those of their entity"), 250)
        assert.strictEqual(rowsOf("every vector is finite and of length one"), 250)
        assert.strictEqual(rowsOf("every box holds the entity of its job"), 4)
        yield* execute(["UPDATE entities SET content_hash = 'x'", "DELETE FROM entity_texts"])
        const broken = yield* doctor.examine
        assert.strictEqual(
          broken.checks.find(({ invariant, found }) => invariant === "I2" && found > 0)?.found,
          250,
        )
        for (const { violations } of broken.checks) assert.isAtMost(violations.length, Doctor.mostNamed)
        const repaired = yield* doctor.repair
        assert.strictEqual(repaired.textsWritten, 254)
        assert.strictEqual(repaired.textsRemoved, 254)
      }).pipe(Effect.provide(Doctor.layer)),
    ),
  )

  it.scoped("finds a damaged full-text index through SQLite's own check", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      yield* Effect.flatMap(EntityService, (service) =>
        service.createEntity({ id: "a", content: "words" }),
      ).pipe(Effect.provide(system({ filename })))
      yield* Effect.acquireUseRelease(
        Effect.sync(() => new Database(filename)),
        (database) =>
          Effect.sync(() =>
            database.unsafeMode(true).exec("UPDATE entity_fulltext_data SET block = x'0011' WHERE id > 10"),
          ),
        (database) => Effect.sync(() => database.close()),
      )
      const diagnosis = yield* Effect.flatMap(Doctor.Doctor, (doctor) => doctor.examine).pipe(
        Effect.provide(Layer.provide(Doctor.layer, system({ filename }))),
      )
      const [violation] = found(diagnosis)
      assert.strictEqual(violation?.invariant, "file")
      assert.match(violation?.message ?? "", /^SQLite says: fts5/)
    }).pipe(Effect.provide(quiet)),
  )

  it.scoped("does not call an index corrupt that another process has rewritten since the last look", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      const own = Doctor.layer.pipe(
        Layer.provide(Layer.merge(EmbeddingQueue.layer, EntityRepository.layer)),
        Layer.provide(Sqlite.layer({ filename })),
      )
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        const doctor = Context.get(yield* Layer.build(own), Doctor.Doctor)
        // Now and then one of so many small writes has SQLite merge what the doctor has just seen of the index.
        for (let at = 0; at < 20; at++) {
          yield* service.createEntity({ id: `e${at}`, content: `words of ${at}` })
          assert.deepStrictEqual(found(yield* doctor.examine), [], `after write ${at}`)
        }
      }).pipe(Effect.scoped, Effect.provide(system({ filename })))
    }),
  )

  it.scopedLive("raises no false alarm beside a busy worker, nor loses it anything by a repair", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryDatabase
      const own = Doctor.layer.pipe(
        Layer.provide(Layer.merge(EmbeddingQueue.layer, EntityRepository.layer)),
        Layer.provide(Sqlite.layer({ filename })),
      )
      yield* Effect.gen(function* () {
        const service = yield* EntityService
        const queue = yield* EmbeddingQueue.EmbeddingQueue
        yield* Layer.build(EmbeddingWorker.layerWith({ batchSize: 4, pollInterval: "5 millis" }))
        const doctor = Context.get(yield* Layer.build(own), Doctor.Doctor)
        const writing = yield* Effect.gen(function* () {
          for (let at = 0; at < 600; at++) {
            yield* service.upsertEntity({ id: `e${at % 40}`, content: `version ${at}` })
            if (at % 7 === 0) yield* service.deleteEntity(`e${at % 40}`)
          }
        }).pipe(Effect.fork)
        let rounds = 0
        while ((yield* Fiber.poll(writing))._tag === "None") {
          rounds++
          const diagnosis = rounds % 4 === 0 ? (yield* doctor.repair).diagnosis : yield* doctor.examine
          assert.deepStrictEqual(found(diagnosis), [])
        }
        yield* Fiber.join(writing)
        assert.isAbove(rounds, 3)
        while ((yield* queue.getStats).pending + (yield* queue.getStats).processing > 0) {
          yield* Effect.sleep("10 millis")
        }
        assert.deepStrictEqual(found(yield* doctor.examine), [])
      }).pipe(Effect.scoped, Effect.provide(system({ filename })))
    }).pipe(Effect.provide(quiet)),
  )
})
