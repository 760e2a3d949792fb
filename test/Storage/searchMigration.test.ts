/** What was stored before search knew chunks, Chinese and generations of vectors is still there, and found. */
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { contentHash, sha256 } from "../../src/Domain/Hash.js"
import { toBytes } from "../../src/Domain/Vector.js"
import { vectorOf } from "../../src/Embedder/Fake.js"
import { EntityRepository } from "../../src/EntityRepository.js"
import { EntityService } from "../../src/EntityService.js"
import * as Migrations from "../../src/Storage/Migrations.js"
import { Storage } from "../../src/Storage.js"
import { checkInvariants } from "../invariants.js"
import { system } from "../support.js"
import { open, tempFile } from "./support.js"

const before = Object.fromEntries(
  Object.entries(Migrations.known).filter(([name]) => Number.parseInt(name, 10) < 4),
)

interface Note {
  readonly id: string
  readonly windows: ReadonlyArray<string>
  readonly title?: string
}

const notes: ReadonlyArray<Note> = [
  { id: "plain", windows: ["one 🎈 ", "two three"] },
  { id: "titled", windows: ["# Heading\ntext"], title: "A title" },
  { id: "ja", windows: ["私は日本語を話します"] },
]

/** Rows as the version before wrote them. */
const fill = (file: string) =>
  Effect.sync(() => {
    const database = new Database(file)
    const run = (sql: string, ...values: ReadonlyArray<unknown>) => database.prepare(sql).run(...values)
    for (const [at, { id, title, windows }] of notes.entries()) {
      const content = windows.join("")
      const metadata = title === undefined ? {} : { title }
      run(
        `INSERT INTO entities VALUES ('base', ?, ?, ?, 0, 0, ?, ?, ?, ?)`,
        id,
        at + 1,
        `job-${at}`,
        contentHash(content, metadata),
        sha256(content),
        JSON.stringify(metadata),
        content,
      )
      for (const [chunk, text] of windows.entries()) {
        run(
          `INSERT INTO entity_vectors VALUES ('base', ?, ?, 'former|model|windows-1', ?, ?, '', ?)`,
          id,
          chunk,
          sha256(text),
          toBytes(vectorOf(text)),
          text,
        )
      }
    }
    const box = { entityType: "base", id: "boxed", content: "等待中的文字", metadata: {} }
    run(`INSERT INTO embedding_queue (generation, job_id, entity_type, entity_id, status, lane, line, priority,
        scheduled_for, max_retries, created_at, updated_at)
      VALUES (9, 'job-9', 'base', 'boxed', 'pending', 'ready', 9, 0, 0, 3, 0, 0)`)
    const whole = { ...box, contentHash: contentHash(box.content, {}), created: 0, updated: 0 }
    run(`INSERT INTO embedding_boxes VALUES (9, ?)`, JSON.stringify(whole))
    run(`UPDATE embedding_queue_state SET generation = 9`)
    for (const [id, generation, text] of [
      ...notes.map(({ id, windows }, at) => [id, at + 1, windows.join("")]),
      ["boxed", 9, box.content],
    ]) {
      run(
        `INSERT INTO entity_texts (entity_type, entity_id, generation) VALUES ('base', ?, ?)`,
        id,
        generation,
      )
      run(
        `INSERT INTO entity_fulltext (rowid, title, content) SELECT doc, '', ? FROM entity_texts WHERE entity_id = ?`,
        text,
        id,
      )
    }
    database.close()
  })

it.scoped("a file of the version before is brought forward whole", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(open(file, { migrations: before }))
    yield* fill(file)
    yield* Effect.gen(function* () {
      const { sql } = yield* Storage
      expect((yield* checkInvariants()).violations).toEqual([])
      expect(yield* sql`SELECT entity_id AS id, chunk, start FROM entity_vectors ORDER BY id, chunk`).toEqual(
        [
          { id: "ja", chunk: 0, start: 0 },
          { id: "plain", chunk: 0, start: 0 },
          { id: "plain", chunk: 1, start: "one 🎈 ".length },
          { id: "titled", chunk: 0, start: 0 },
        ],
      )
      expect((yield* (yield* EntityRepository).generations).active).toBe("former|model|windows-1")
      const service = yield* EntityService
      const found = (question: string) =>
        Effect.map(service.search(question, { mode: "lexical" }), ({ results }) =>
          results.map(({ entityId }): string => entityId),
        )
      expect(yield* found("日本語")).toEqual(["ja"])
      expect(yield* found("文字")).toEqual(["boxed"])
      expect(yield* found("title")).toEqual(["titled"])
      expect(yield* found("three")).toEqual(["plain"])
    }).pipe(Effect.provide(system({ filename: file })))
  }),
)
