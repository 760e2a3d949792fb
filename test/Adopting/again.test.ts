import { copyFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Adopting, type Mapping } from "../../src/Adopting.js"
import { EntityService } from "../../src/EntityService.js"
import { startWorker } from "../EntityService/fixtures.js"
import { passTimeUntil, quiet } from "../support.js"
import { adopt, byNumber, entities, host, numbered, withAdopter } from "./fixtures.js"

/** A table of five notes with authors, all of them brought; then the first is changed here and the second deleted. */
const lived = Effect.gen(function* () {
  const service = yield* EntityService
  const made = yield* host(
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, author TEXT)",
    `INSERT INTO notes VALUES (1, 'one', 'Ada'), (2, 'two', 'Bob'), (3, 'three', 'Cid'), (4, 'four', 'Dan'), (5, '', 'Eve')`,
  )
  yield* adopt(made.file, byNumber)
  yield* service.updateEntity("1", { content: "written here", metadata: { mine: true } })
  yield* service.deleteEntity("2")
  return made
})

const shown = Effect.map(entities, (all) =>
  all.map(({ content, id, metadata }) => `${id} ${content} ${JSON.stringify(metadata)}`),
)

/** What became of each row, or would. */
const told = (outcomes: Iterable<Outcome>) =>
  [...outcomes].map((one) =>
    one._tag === "Saved"
      ? `${one.key} ${one.change}`
      : `${one.key} ${one._tag} ${one._tag === "Kept" ? one.because : one._tag === "Skipped" ? one.reason.slice(0, 40) : ""}`.trim(),
  )
type Outcome =
  | Effect.Effect.Success<ReturnType<typeof adopt>>[number]
  | { readonly _tag: "Sound"; readonly key: string }

const surveyed = (file: string, mapping: Mapping) =>
  Effect.flatMap(Adopting, (adopting) => Stream.runCollect(adopting.survey(file, mapping))).pipe(
    Effect.map((all) => told(all)),
  )

const empty = "id=5 Skipped content: must not be empty: there would"

describe("what was brought in before", () => {
  it.scoped("stays as it is here when its file is moved", () =>
    Effect.gen(function* () {
      const { file, folder } = yield* lived
      const before = yield* shown
      const moved = join(folder, "moved.sqlite")
      renameSync(file, moved)
      const expected = ["id=1 Kept changed", "id=2 Kept deleted", "id=3 Sound", "id=4 Sound", empty]
      assert.deepStrictEqual(yield* surveyed(moved, byNumber), expected)
      assert.deepStrictEqual(
        told(yield* adopt(moved, byNumber)),
        expected.map((one) => one.replace("Sound", "unchanged")),
      )
      assert.deepStrictEqual(yield* shown, before)
      assert.deepStrictEqual(yield* (yield* Adopting).counts(moved, byNumber), {
        created: 0,
        updated: 0,
        unchanged: 2,
        kept: 2,
        skipped: 1,
      })
    }).pipe(Effect.provide(withAdopter())),
  )

  it.scoped("is known by whatever letters and order its names are typed in", () =>
    Effect.gen(function* () {
      const { file } = yield* lived
      const before = yield* shown
      const typed = { table: "NOTES", id: "ID", content: "Body" }
      assert.deepStrictEqual(told(yield* adopt(file, typed)), [empty])
      assert.deepStrictEqual(yield* shown, before)
      yield* adopt(file, { ...byNumber, metadata: ["author", "id"] })
      assert.deepStrictEqual(told(yield* adopt(file, { ...typed, metadata: ["ID", "Author"] })), [empty])
    }).pipe(Effect.provide(withAdopter())),
  )

  it.scoped("gets what another mapping adds, but where it was changed or deleted here", () =>
    Effect.gen(function* () {
      const { file } = yield* lived
      const mapping = { ...byNumber, metadata: ["author"] }
      const expected = ["id=1 Kept changed", "id=2 Kept deleted", "id=3 Sound", "id=4 Sound", empty]
      assert.deepStrictEqual(yield* surveyed(file, mapping), expected)
      assert.deepStrictEqual(
        told(yield* adopt(file, mapping)),
        expected.map((one) => one.replace("Sound", "updated")),
      )
      assert.deepStrictEqual(yield* shown, [
        '1 written here {"mine":true}',
        '3 three {"author":"Cid"}',
        '4 four {"author":"Dan"}',
      ])
      assert.deepStrictEqual(told(yield* adopt(file, mapping, { again: true })).slice(0, 4), [
        "id=1 updated",
        "id=2 created",
        "id=3 unchanged",
        "id=4 unchanged",
      ])
    }).pipe(Effect.provide(withAdopter())),
  )

  it.scoped("is not replaced by another table's, nor is what nobody brought", () =>
    Effect.gen(function* () {
      const { change, file, folder } = yield* host(...numbered(3))
      yield* (yield* EntityService).createEntity({ id: "2", content: "mine" })
      const taken = "id=2 Skipped id: a note that was not taken over is he"
      assert.deepStrictEqual(told(yield* adopt(file, byNumber)), ["id=1 created", taken, "id=3 created"])
      const other = join(folder, "other.sqlite")
      copyFileSync(file, other)
      yield* change("UPDATE notes SET body = 'another' WHERE id = 3")
      copyFileSync(file, other)
      const outcomes = yield* adopt(other, byNumber)
      assert.deepStrictEqual(told(outcomes), [
        "id=1 unchanged",
        taken,
        "id=3 Skipped id: what another table held is here unde",
      ])
      assert.match(outcomes[2]?._tag === "Skipped" ? outcomes[2].reason : "", /only where that is asked for/)
      assert.deepStrictEqual(yield* shown, ["1 Note 1 {}", "2 mine {}", "3 Note 3 {}"])
      yield* adopt(other, byNumber, { again: true })
      assert.deepStrictEqual(yield* shown, ["1 Note 1 {}", "2 Note 2 {}", "3 another {}"])
      // They are this table's now.
      assert.deepStrictEqual(yield* adopt(other, byNumber), [])
    }).pipe(Effect.provide(withAdopter())),
  )
})

describe("a row that was left out", () => {
  it.scoped("is told again by each run until somebody mends or removes it", () =>
    Effect.gen(function* () {
      const { change, file } = yield* host(
        "CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, body TEXT)",
        "INSERT INTO notes VALUES ('a', ''), ('b', 'well'), ('c', NULL), ('d', x'00')",
      )
      const counts = Effect.flatMap(Adopting, (adopting) => adopting.counts(file, byNumber))
      const [a, , c, d] = told(yield* adopt(file, byNumber))
      assert.deepStrictEqual(told(yield* adopt(file, byNumber)), [a, c, d])
      assert.deepStrictEqual(yield* surveyed(file, byNumber), [a, c, d])
      assert.include(yield* counts, { created: 1, skipped: 3 })
      yield* change("UPDATE notes SET body = 'mended' WHERE id = 'a'", "DELETE FROM notes WHERE id = 'c'")
      yield* change("INSERT INTO notes VALUES ('e', 'new')")
      assert.deepStrictEqual(told(yield* adopt(file, byNumber)), ["id=a created", d, "id=e created"])
      assert.include(yield* counts, { created: 3, skipped: 1 })
      assert.deepStrictEqual(told(yield* adopt(file, byNumber)), [d])
      yield* change("UPDATE notes SET body = 'mended' WHERE id = 'd'")
      const again = told(yield* adopt(file, byNumber, { again: true }))
      assert.deepStrictEqual(again, ["id=a unchanged", "id=b unchanged", "id=d created", "id=e unchanged"])
      assert.deepStrictEqual(yield* adopt(file, byNumber), [])
    }).pipe(Effect.provide(withAdopter())),
  )

  it.scoped("waits for room as all others do", () =>
    Effect.gen(function* () {
      const { change, file } = yield* host(
        ...numbered(120),
        "UPDATE notes SET body = '' WHERE id > 60",
        "INSERT INTO notes VALUES (200, 'last')",
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* startWorker
          const adopted = (expected: number) =>
            Effect.gen(function* () {
              const running = yield* Effect.fork(adopt(file, byNumber))
              yield* passTimeUntil(Effect.map(running.status, ({ _tag }) => _tag === "Done"))
              assert.strictEqual((yield* running).length, expected)
            })
          yield* adopted(121)
          yield* change(
            "UPDATE notes SET body = 'mended ' || id WHERE body = '' AND id < 115",
            "DELETE FROM notes WHERE id = 116",
          )
          yield* adopted(59)
          assert.include(yield* (yield* Adopting).counts(file, byNumber), { created: 115, skipped: 5 })
          assert.strictEqual((yield* entities).length, 115)
        }),
      ).pipe(Effect.provide(withAdopter({ queue: { maxWaiting: 7 } })), Effect.provide(quiet))
    }),
  )
})
