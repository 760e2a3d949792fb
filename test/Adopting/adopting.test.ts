import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Adopting, type Mapping } from "../../src/Adopting.js"
import { maxContentBytes } from "../../src/Domain/Entity.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { startWorker } from "../EntityService/fixtures.js"
import { passTimeUntil, quiet } from "../support.js"
import { adopt, byNumber, entities, host, jobs, leftOut, numbered, withAdopter } from "./fixtures.js"

const changes = (outcomes: Effect.Effect.Success<ReturnType<typeof adopt>>) =>
  outcomes.map((outcome) => (outcome._tag === "Saved" ? outcome.change : outcome._tag))

describe("a table of somebody else's", { timeout: 60_000 }, () => {
  it.scoped("becomes entities by the mapping, and is only read", () =>
    Effect.gen(function* () {
      const { file } = yield* host(
        `CREATE TABLE "my notes" (key TEXT PRIMARY KEY NOT NULL, Body TEXT, kind TEXT, author TEXT, stars INTEGER,
          big INTEGER, share REAL, extra TEXT, born INTEGER, seen TEXT)`,
        `INSERT INTO "my notes" VALUES
          ('a', '# A', 'task', 'Ada', 5, 9007199254740993, 0.5, '{"tags":["x"],"author":"nobody"}', 1700000000, '2024-02-03 04:05:06'),
          ('b', 'B', 'base', NULL, NULL, NULL, NULL, NULL, 1700000000123, '2024-02-03T04:05:06+01:00'),
          ('c/d', 'C', 'base', '', 0, 1, 2, '', NULL, NULL)`,
      )
      const before = readFileSync(file)
      yield* Effect.gen(function* () {
        const outcomes = yield* adopt(file, {
          table: "MY NOTES",
          id: "key",
          content: "body",
          type: "kind",
          metadata: ["author", "stars", "big", "share"],
          metadataJson: "extra",
          created: "born",
          updated: "seen",
        })
        assert.deepStrictEqual(changes(outcomes), ["created", "created", "created"])
        assert.deepStrictEqual(
          (yield* entities).map(({ content, embedding, entityType, id, metadata }) => ({
            is: `${entityType}/${id} ${content} ${embedding.state}`,
            metadata,
          })),
          [
            {
              is: "base/b B pending",
              metadata: { created: "2023-11-14T22:13:20.123Z", updated: "2024-02-03T03:05:06.000Z" },
            },
            { is: "base/c/d C pending", metadata: { author: "", stars: 0, big: 1, share: 2 } },
            {
              is: "task/a # A pending",
              metadata: {
                tags: ["x"],
                created: "2023-11-14T22:13:20.000Z",
                updated: "2024-02-03T04:05:06.000Z",
                author: "Ada",
                stars: 5,
                big: "9007199254740993",
                share: 0.5,
              },
            },
          ],
        )
      }).pipe(Effect.provide(withAdopter()))
      assert.isTrue(before.equals(readFileSync(file)))
    }),
  )

  it.scoped("tells of each row that cannot be one, by its key, and brings the others", () =>
    Effect.gen(function* () {
      const { file } = yield* host(
        "CREATE TABLE notes (id, body, meta, json, at)",
        `INSERT INTO notes (id, body) VALUES (NULL, 'x'), ('good', 'x'), ('', 'x'), (x'00', 'x'), (' a', 'x'),
          ('1', NULL), ('2', ' '), ('3', x'0102'), ('4', CAST(x'61ff62' AS TEXT)),
          ('5', CAST(zeroblob(${maxContentBytes + 1}) AS TEXT)), ('good', 'again'), (7, 'seven'), ('7', 'seven too')`,
        `INSERT INTO notes VALUES ('6', 'x', x'00', NULL, NULL), ('8', 'x', 1e999, NULL, NULL), ('9', 'x', NULL, '[1]', NULL),
          ('10', 'x', NULL, '{', NULL), ('11', 'x', NULL, NULL, 'soon'), ('12', 'the last', 'm', '{}', '2024-01-01')`,
      )
      const mapping: Mapping = { ...byNumber, metadata: ["meta"], metadataJson: "json", created: "at" }
      yield* Effect.gen(function* () {
        const adopting = yield* Adopting
        const checked = [...(yield* Stream.runCollect(adopting.survey(file, mapping)))]
        assert.deepStrictEqual(yield* entities, [])
        const outcomes = yield* adopt(file, mapping)
        assert.deepStrictEqual(leftOut(outcomes), leftOut(checked))
        assert.deepStrictEqual(leftOut(outcomes), [
          "rowid=1 id: is NULL",
          "rowid=3 id: must not be empty",
          "rowid=4 id: is a blob, not text",
          "rowid=5 id: must not begin or end with white space",
          "rowid=6 content: is NULL",
          "rowid=7 content: must not be empty: there would be nothing to find it by",
          "rowid=8 content: is a blob, not text",
          "rowid=9 content: is not valid UTF-8",
          `rowid=10 content: has ${maxContentBytes + 1} bytes, at most ${maxContentBytes} are taken`,
          "rowid=11 id: a row before it has the same one",
          "rowid=13 id: a row before it has the same one",
          "rowid=14 metadata.meta: is a blob, not text",
          "rowid=15 metadata.meta: is Infinity",
          "rowid=16 metadata: is no JSON object",
          "rowid=17 metadata: is no JSON object",
          'rowid=18 created: "soon" is no time that could be read',
        ])
        assert.deepStrictEqual(
          (yield* entities).map(({ content, id }) => `${id} ${content}`),
          ["12 the last", "7 seven", "good x"],
        )
        assert.deepStrictEqual(yield* adopting.counts(file, mapping), {
          created: 3,
          updated: 0,
          unchanged: 0,
          kept: 0,
          skipped: 16,
        })
      }).pipe(Effect.provide(withAdopter()))
    }),
  )

  it.scoped("is gone on with behind the last row, whatever its key is", () =>
    Effect.forEach(
      [
        "notes (id INTEGER PRIMARY KEY, body TEXT)",
        "notes (id INTEGER, body TEXT)",
        "notes (id TEXT, body TEXT, PRIMARY KEY (body, id)) WITHOUT ROWID",
        "notes (id REAL NOT NULL PRIMARY KEY, body TEXT)",
        "notes (id BLOB NOT NULL, body TEXT NOT NULL, PRIMARY KEY (body))",
      ],
      (table) =>
        Effect.gen(function* () {
          const { change, file } = yield* host(...numbered(333, table))
          const adopting = yield* Adopting
          const service = yield* EntityService
          // Whoever hears of the 120th row hears no more, but the page of that row is done.
          yield* Stream.runDrain(Stream.take(adopting.adopt(file, byNumber), 120))
          const { created } = yield* adopting.counts(file, byNumber)
          assert.isAtLeast(created, 120)
          assert.isBelow(created, 333)
          const [first] = yield* entities
          yield* service.updateEntity(first?.id ?? "", { content: "changed here" })
          const rest = yield* adopt(file, byNumber)
          assert.strictEqual(rest.length, 333 - created)
          assert.deepStrictEqual([...new Set(changes(rest))], ["created"])
          const all = yield* entities
          assert.strictEqual(all.length, 333)
          assert.strictEqual(all.find(({ id }) => id === first?.id)?.content, "changed here")
          assert.deepStrictEqual(yield* adopt(file, byNumber), [])
          yield* change("INSERT INTO notes VALUES (1000, 'Note 99999')")
          assert.deepStrictEqual(changes(yield* adopt(file, byNumber)), ["created"])
        }).pipe(Effect.provide(withAdopter())),
      { discard: true },
    ),
  )

  it.scoped("is brought again from the first row where that is asked for", () =>
    Effect.gen(function* () {
      const { change, file } = yield* host(...numbered(3))
      yield* Effect.gen(function* () {
        yield* adopt(file, byNumber)
        yield* change("UPDATE notes SET body = 'other' WHERE id = 2")
        assert.deepStrictEqual(yield* adopt(file, byNumber), [])
        assert.deepStrictEqual(changes(yield* adopt(file, byNumber, { again: true })), [
          "unchanged",
          "updated",
          "unchanged",
        ])
        // Mapped otherwise it is another adoption.
        assert.deepStrictEqual(changes(yield* adopt(file, { ...byNumber, type: "task" })), [
          "created",
          "created",
          "created",
        ])
      }).pipe(Effect.provide(withAdopter()))
    }),
  )

  it.scoped("waits for room in the queue, and is read while the rest is embedded", () =>
    Effect.gen(function* () {
      const { file } = yield* host(...numbered(200))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const adopting = yield* Adopting
          const running = yield* Effect.fork(adopt(file, byNumber))
          yield* passTimeUntil(Effect.map(jobs, (count) => count === 7))
          // Nobody makes room yet, and nothing is lost of what there was no room for.
          assert.isTrue((yield* Fiber.poll(running))._tag === "None")
          assert.strictEqual((yield* adopting.counts(file, byNumber)).created, 7)
          yield* startWorker
          yield* passTimeUntil(Effect.map(Fiber.poll(running), ({ _tag }) => _tag === "Some"))
          assert.strictEqual((yield* Fiber.join(running)).length, 200)
          assert.strictEqual((yield* entities).length, 200)
          assert.strictEqual(yield* jobs, 200)
        }),
      ).pipe(Effect.provide(withAdopter({ queue: { maxWaiting: 7 } })), Effect.provide(quiet))
    }),
  )

  it.scoped("has no row twice where an id is a number, and no other way round", () =>
    Effect.gen(function* () {
      const { file } = yield* host(
        "CREATE TABLE notes (id REAL, body TEXT, kind TEXT)",
        "INSERT INTO notes VALUES (1, 'one', 'a'), (1.5, 'more', 'a'), (1, 'one again', 'a'), (1, 'of another type', 'b')",
      )
      assert.deepStrictEqual(leftOut(yield* adopt(file, { ...byNumber, type: "kind" })), [
        "rowid=3 id: a row before it has the same one",
      ])
      assert.deepStrictEqual(
        (yield* entities).map(({ content, entityType, id }) => `${entityType}/${id} ${content}`),
        ["a/1.0 one", "a/1.5 more", "b/1.0 of another type"],
      )
    }).pipe(Effect.provide(withAdopter())),
  )

  it.scoped("leaves nothing of a page whose end cannot be written down", () =>
    Effect.gen(function* () {
      const { file } = yield* host(...numbered(3))
      const { sql } = yield* Storage
      yield* sql`CREATE TRIGGER refuse BEFORE INSERT ON adoptions BEGIN SELECT RAISE(ABORT, 'no'); END`
      const error = yield* Effect.flip(adopt(file, byNumber))
      assert.strictEqual(error._tag, "StorageError")
      assert.deepStrictEqual(yield* entities, [])
      yield* sql`DROP TRIGGER refuse`
      assert.strictEqual((yield* adopt(file, byNumber)).length, 3)
    }).pipe(Effect.provide(withAdopter())),
  )

  it.scoped("is waited for while its owner has it locked", () =>
    Effect.gen(function* () {
      const { file } = yield* host(...numbered(3))
      const owner = yield* Effect.acquireRelease(
        Effect.sync(() => new Database(file)),
        (db) => Effect.sync(() => db.close()),
      )
      owner.exec("BEGIN EXCLUSIVE")
      const running = yield* Effect.fork(adopt(file, byNumber))
      yield* TestClock.adjust("1 second")
      assert.isTrue((yield* Fiber.poll(running))._tag === "None")
      owner.exec("COMMIT")
      yield* passTimeUntil(Effect.map(Fiber.poll(running), ({ _tag }) => _tag === "Some"))
      assert.strictEqual((yield* Fiber.join(running)).length, 3)
    }).pipe(Effect.provide(withAdopter())),
  )

  it.scoped("is refused where it cannot be walked or found, and nothing is done", () =>
    Effect.gen(function* () {
      const { file, folder } = yield* host(
        ...numbered(2),
        "CREATE VIEW shown AS SELECT * FROM notes",
        "CREATE TABLE odd (rowid, _rowid_, oid, body)",
      )
      writeFileSync(join(folder, "text.txt"), "no database, however long it goes on ".repeat(100))
      const cases: ReadonlyArray<readonly [file: string, mapping: Partial<Mapping>, says: RegExp]> = [
        [join(folder, "none.sqlite"), {}, /none\.sqlite cannot be read: it does not exist/],
        [join(folder, "text.txt"), {}, /text\.txt cannot be read: file is not a database/],
        [folder, {}, /cannot be read: /],
        [file, { table: "none" }, /^there is no table none: notes, odd are there$/],
        [file, { table: 'x"; DROP TABLE notes; --' }, /there is no table/],
        [file, { table: "shown" }, /^shown is no plain table but a view/],
        [file, { content: "text" }, /^the table notes has no column text: it has id, body$/],
        [file, { metadata: ["a"] }, /has no column a/],
        [file, { table: "odd", id: "oid" }, /no key that could be walked/],
      ]
      for (const [place, mapping, says] of cases) {
        const error = yield* Effect.flip(adopt(place, { ...byNumber, ...mapping }))
        assert.strictEqual(error._tag, "AdoptionRefused")
        assert.match(error.message, says)
      }
      assert.deepStrictEqual(yield* entities, [])
    }).pipe(Effect.provide(withAdopter())),
  )
})
