import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describe } from "vitest"
import { type Entity, EntityId, EntityType, type JsonObject, keyOf } from "../src/Domain/Entity.js"
import { Fingerprint } from "../src/Domain/Fingerprint.js"
import { contentHash, sha256 } from "../src/Domain/Hash.js"
import { JobId } from "../src/Domain/Job.js"
import { vectorOf } from "../src/Embedder/Fake.js"
import { EntityRepository, make as makeRepository } from "../src/EntityRepository.js"
import { termsOf } from "../src/Domain/Words.js"
import type { EntityFilter } from "../src/Domain/Search.js"
import { Storage } from "../src/Storage.js"
import * as Sqlite from "../src/Storage/Sqlite.js"
import { system } from "./support.js"
import { inARow } from "./support/chunks.js"

const entity = (id: string, content: string, metadata: JsonObject = {}): Entity => ({
  entityType: EntityType.make("note"),
  id: EntityId.make(id),
  content,
  metadata,
  contentHash: contentHash(content, metadata),
  created: 1,
  updated: 2,
})

const modelA = Fingerprint.make("model-a")
const modelB = Fingerprint.make("model-b")

/** What a worker stores: each text a chunk of its own. */
const embedded = (
  of: Entity,
  generation: number,
  texts: ReadonlyArray<string> = [of.content],
  fingerprint = modelA,
) => ({
  entity: of,
  generation,
  jobId: JobId.make(`job-${generation}`),
  inputHash: sha256(of.content),
  chunks: inARow(texts).map((chunk) => ({ ...chunk, fingerprint, vector: vectorOf(chunk.text) })),
})

const vectorTexts = Effect.flatMap(
  Storage,
  ({ sql }) =>
    sql<{
      readonly fingerprint: string
      readonly text: string
    }>`SELECT fingerprint, text FROM entity_vectors ORDER BY entity_id, fingerprint, chunk`,
)

/** Ids that bear any of these words. */
const idsWith = (...words: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const repository = yield* EntityRepository
    const keys = yield* repository.searchText(
      words.map((word) => ({ word, begins: false })),
      { filter: {}, limit: 100 },
    )
    return keys.map((key): string => key.entityId)
  })

const withSystem = Effect.provide(system())

describe("storing", () => {
  it.effect("replaces under a rising generation only; a late writer changes nothing at all", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      const newer = entity("a", "newer text")
      expect(yield* repository.store(embedded(newer, 5))).toBe(true)
      for (const generation of [4, 5]) {
        const late = entity("a", "older text", { title: "late" })
        expect(yield* repository.store(embedded(late, generation))).toBe(false)
        expect(yield* repository.storeUnembedded(embedded(late, generation))).toBe(false)
        yield* repository.indexText(late, generation)
      }
      expect(yield* Effect.flatten(repository.find(keyOf(newer)))).toMatchObject({
        entity: newer,
        generation: 5,
        jobId: "job-5",
        inputHash: sha256("newer text"),
      })
      expect(yield* vectorTexts).toEqual([{ fingerprint: modelA, text: "newer text" }])
      expect(yield* idsWith("newer")).toEqual(["a"])
      expect(yield* idsWith("older", "late")).toEqual([])
    }).pipe(withSystem),
  )

  it.effect("the vectors of the older text go, of every model and every chunk", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      const { sql } = yield* Storage
      yield* repository.store(embedded(entity("a", "one two three"), 1, ["one ", "two ", "three"]))
      // The same text by another model, as after a change of model.
      yield* sql`INSERT INTO entity_vectors
          (entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading, path, start, text)
        SELECT entity_type, entity_id, chunk, ${modelB}, input_hash, vector, heading, path, start, text
        FROM entity_vectors`
      expect(yield* vectorTexts).toHaveLength(6)
      yield* repository.store(embedded(entity("a", "four five"), 2, ["four ", "five"]))
      expect(yield* vectorTexts).toEqual([
        { fingerprint: modelA, text: "four " },
        { fingerprint: modelA, text: "five" },
      ])
    }).pipe(withSystem),
  )

  it.effect("without an embedding: row and full-text change, vectors stay", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      yield* repository.store(embedded(entity("a", "text", { title: "before" }), 1))
      const changed = entity("a", "text", { title: "after" })
      expect(yield* repository.storeUnembedded({ ...embedded(changed, 2), jobId: JobId.make("job-1") })).toBe(
        true,
      )
      expect(yield* Effect.flatten(repository.find(keyOf(changed)))).toMatchObject({ entity: changed })
      expect(yield* vectorTexts).toHaveLength(1)
      expect(yield* idsWith("after")).toEqual(["a"])
      expect(yield* idsWith("before")).toEqual([])
    }).pipe(withSystem),
  )

  it.effect("is undone as a whole with the transaction around it", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      const storage = yield* Storage
      yield* repository.store(embedded(entity("a", "old words"), 1))
      yield* Effect.flip(
        storage.write(Effect.zipRight(repository.store(embedded(entity("a", "new"), 2)), Effect.fail("no"))),
      )
      expect((yield* Effect.flatten(repository.find(keyOf(entity("a", ""))))).generation).toBe(1)
      expect(yield* vectorTexts).toEqual([{ fingerprint: modelA, text: "old words" }])
      expect(yield* idsWith("old", "new")).toEqual(["a"])
    }).pipe(withSystem),
  )
})

describe("removing", () => {
  it.effect("leaves no vector and no full-text row behind (I7), and nothing else goes", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      const { sql } = yield* Storage
      const gone = entity("gone", "shared words, one. And two.")
      yield* repository.store(embedded(gone, 1, ["shared words, one. ", "And two."]))
      yield* repository.store(embedded(entity("stays", "shared words"), 2))
      expect(yield* repository.remove(keyOf(gone))).toBe(true)
      expect(Option.isNone(yield* repository.find(keyOf(gone)))).toBe(true)
      expect(yield* vectorTexts).toEqual([{ fingerprint: modelA, text: "shared words" }])
      expect(yield* idsWith("shared")).toEqual(["stays"])
      expect(yield* sql`SELECT count(*) AS n FROM entity_texts`).toEqual([{ n: 1 }])
      expect(yield* sql`SELECT count(*) AS n FROM entity_fulltext`).toEqual([{ n: 1 }])
      expect(yield* repository.count).toBe(1)
    }).pipe(withSystem),
  )

  it.effect("takes the words of an entity that is only boxed as well", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      const boxed = entity("a", "boxed words")
      yield* repository.indexText(boxed, 1)
      expect(yield* idsWith("boxed")).toEqual(["a"])
      expect(yield* repository.remove(keyOf(boxed))).toBe(false)
      expect(yield* idsWith("boxed")).toEqual([])
    }).pipe(withSystem),
  )
})

describe("words", () => {
  const library = Effect.gen(function* () {
    const repository = yield* EntityRepository
    yield* repository.indexText(entity("plain", "the quick brown fox"), 1)
    yield* repository.indexText(entity("other", "near column title content"), 2)
    yield* repository.indexText(entity("nul", "before\u0000after"), 3)
  })

  it.effect("are never syntax, and never an error", () =>
    Effect.gen(function* () {
      yield* library
      const hostile = [
        [`"`],
        [`""`],
        [`fox" OR "near`],
        ["fox*"],
        ["^the"],
        ["-quick"],
        ["title:fox"],
        ["{title content} : fox"],
        ["(fox"],
        ["NEAR(quick fox, 2)"],
        ["AND"],
        ["NOT", "OR"],
        ["'; DROP TABLE entities; --"],
        ["\u0000"],
        ["a\u0000b"],
        ["\ud83d"],
        [""],
        [],
        ["🎈"],
        ["\u0301"],
      ]
      for (const words of hostile) {
        const found = yield* idsWith(...words)
        // A word that were syntax would find a note that does not hold these words in a row.
        const phrases = words.map(
          (word) =>
            word
              .toLowerCase()
              .match(/[a-z]+/g)
              ?.join(" ") ?? "-",
        )
        const texts = {
          plain: "the quick brown fox",
          other: "near column title content",
          nul: "before after",
        }
        const expected = Object.entries(texts).flatMap(([id, text]) =>
          phrases.some((phrase) => ` ${text} `.includes(` ${phrase} `)) ? [id] : [],
        )
        expect([words, found]).toEqual([words, expected])
      }
      expect(yield* idsWith("fox")).toEqual(["plain"])
      expect(yield* idsWith("after")).toEqual(["nul"])
    }).pipe(withSystem),
  )

  it.effect("may be ten thousand", () =>
    Effect.gen(function* () {
      yield* library
      const many = Array.from({ length: 10_000 }, (_, i) => `word${i}`)
      expect(yield* idsWith(...many)).toEqual([])
      expect(yield* idsWith(...many, "fox")).toEqual(["plain"])
    }).pipe(withSystem),
  )

  it.effect("are found in titles first, in other forms, and without their accents", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      yield* repository.indexText(
        entity("text", "# Other\nloading images: a café for every taste, and more"),
        1,
      )
      yield* repository.indexText(entity("title", "some text", { title: "Load an image" }), 2)
      expect(yield* idsWith("images")).toEqual(["title", "text"])
      expect(yield* idsWith("CAFE")).toEqual(["text"])
    }).pipe(withSystem),
  )

  it.effect("are looked for among the types asked for, whatever these are called", () =>
    Effect.gen(function* () {
      const repository = yield* EntityRepository
      yield* library
      for (const [entityTypes, count] of [
        [["note"], 1],
        [["other", "note"], 1],
        [["other"], 0],
        [["'); --", '"', "\u0000"], 0],
        [[], 1],
      ] as const) {
        expect(
          yield* repository.searchText(termsOf("fox"), { filter: { entityTypes }, limit: 5 }),
        ).toHaveLength(count)
      }
    }).pipe(withSystem),
  )
})

describe("what is stored", () => {
  const text = FastCheck.oneof(
    FastCheck.fullUnicodeString({ minLength: 1 }),
    FastCheck.array(
      FastCheck.constantFrom("\u0000", "\ufeff", "\ufffe", "\u2028", "é", "e\u0301", "🎈", "'", '"', "\r\n"),
      { minLength: 1 },
    ).map((parts) => parts.join("")),
  ).map((value) => value.toWellFormed())

  it.effect.prop(
    "comes back as it was, to the last code unit",
    { content: text, value: text, key: text },
    ({ content, key, value }) =>
      Effect.gen(function* () {
        const repository = yield* EntityRepository
        const given = entity("a", content, { [key]: [value, { [key]: value }], n: -1.5e-7, no: null })
        yield* repository.store(embedded(given, 1))
        const { entity: found } = yield* Effect.flatten(repository.find(keyOf(given)))
        expect(found).toEqual(given)
        expect(found.content === content).toBe(true)
        expect(
          yield* Effect.flatten(
            repository.chunkText({
              ...keyOf(given),
              chunk: 0,
              fingerprint: modelA,
              inputHash: sha256(content),
            }),
          ),
        ).toEqual({ text: content, path: [] })
      }).pipe(withSystem),
    { fastCheck: { numRuns: 40 } },
  )

  it.effect(
    "a row that is not ours to read is a typed error, not a crash; a damaged vector has no dimensions",
    () =>
      Effect.gen(function* () {
        const repository = yield* EntityRepository
        const { sql } = yield* Storage
        yield* repository.store(embedded(entity("a", "text"), 1))
        yield* sql`UPDATE entities SET metadata = '{"half'`
        const error = yield* Effect.flip(repository.find(keyOf(entity("a", ""))))
        expect(error).toMatchObject({ _tag: "StorageError", trouble: "InvalidRow" })
        yield* sql`UPDATE entity_vectors SET vector = x'0102030405'`
        const page = { fingerprint: modelA, row: 0, limit: 10 }
        // Of many vectors one that is damaged must not hide the others.
        expect(yield* repository.vectorsAfter(page)).toMatchObject([{ row: 1, vector: { length: 0 } }])
      }).pipe(withSystem),
  )
})

it.scoped("among many texts, words are looked for aside: the event loop is not theirs", () =>
  Effect.gen(function* () {
    const store = yield* Layer.build(Sqlite.layer({ filename: ":memory:" }))
    const storage = Context.get(store, Storage)
    let aside = 0
    const counted = Storage.of({
      ...storage,
      readAside: (statement) => Effect.suspend(() => (aside++, storage.readAside(statement))),
    })
    const repository = yield* Effect.provideService(makeRepository, Storage, counted)
    const asked = (texts: number, filter: EntityFilter) =>
      Effect.gen(function* () {
        yield* storage.sql`DELETE FROM entity_texts`
        yield* storage.sql`WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${texts})
          INSERT INTO entity_texts (doc, entity_type, entity_id, generation) SELECT n, 'base', n, n FROM counter`
        aside = 0
        yield* repository.searchText(termsOf("fox"), { filter, limit: 5 })
        return aside > 0
      })
    expect(yield* asked(100, {})).toBe(false)
    expect(yield* asked(4_001, {})).toBe(true)
    // To look into each of them takes longer.
    expect(yield* asked(1_000, {})).toBe(false)
    expect(yield* asked(1_000, { metadata: { a: 1 } })).toBe(true)
  }),
)

it.scoped("among many texts, words are looked for in parts at once, and found as in one go", () =>
  Effect.gen(function* () {
    const storage = Context.get(yield* Layer.build(Sqlite.layer({ filename: ":memory:" })), Storage)
    const repositoryOf = (width: number) =>
      Effect.provideService(makeRepository, Storage, Storage.of({ ...storage, asideWidth: width }))
    const filler = yield* repositoryOf(1)
    const texts = Array.from({ length: 4_200 }, (_, n) => {
      const content = ["fox", "hen", "dog", "cat"].filter((_, at) => n % (3 + 4 * at) < 2).join(" den ")
      return { entity: entity(`n${n}`, `${content} field`, { odd: n % 2 }), generation: n + 1 }
    })
    yield* filler.indexTexts(texts)
    // Numbers have gaps where texts were deleted, and the parts are not of one size.
    yield* Effect.forEach(texts.slice(300, 420), ({ entity }) => filler.remove(keyOf(entity)))
    const searched = (width: number, filter: EntityFilter) =>
      Effect.flatMap(repositoryOf(width), ({ searchText }) =>
        searchText(termsOf("fox dog cat hen"), { filter, limit: 50 }),
      )
    for (const filter of [{}, { entityTypes: ["note"] }, { created: { from: 1 } }]) {
      const whole = yield* searched(1, filter)
      for (const width of [2, 3, 7]) expect(yield* searched(width, filter)).toEqual(whole)
    }
    expect(yield* searched(3, {})).toHaveLength(50)
  }),
)
