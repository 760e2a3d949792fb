/**
 * What a programmer would write with better-sqlite3 alone: the same tables, triggers and indexes, the same rows, the
 * same durability, prepared statements, and nothing else. No validation, no hashes, no look at what is there, no
 * tokens that are checked, no events. It is the yardstick of `bench:queue`, and writes the rows of the bare pipeline in
 * `bench:embed`.
 */
import Database from "better-sqlite3"
import { v4, v7 } from "uuid"

/** As much of an entity as has to be written. */
export interface Note {
  readonly id: string
  readonly content: string
  /** The same as it goes into full-text. */
  readonly words: string
}

const pragmas = [
  "journal_mode = WAL",
  "synchronous = FULL",
  "foreign_keys = ON",
  "temp_store = MEMORY",
  "cache_size = -65536",
]

const hash = "0".repeat(64)

/** A box in hand. */
export interface Claim {
  readonly generation: number
  readonly job: string
  readonly content: string
}

/** Opens a file that has Embedbox's tables. */
export const open = (file: string, now: () => number) => {
  const db = new Database(file)
  for (const pragma of pragmas) db.pragma(pragma)

  const nextGeneration = db
    .prepare<
      [],
      number
    >("UPDATE embedding_queue_state SET generation = generation + 1 WHERE id = 1 RETURNING generation")
    .pluck()
  const insertJob = db.prepare(
    `INSERT INTO embedding_queue (
      generation, job_id, entity_type, entity_id, status, lane, line, priority, scheduled_for, max_retries,
      created_at, updated_at
    ) VALUES (?, ?, 'base', ?, 'pending', 'ready', ?, 0, ?, 3, ?, ?)`,
  )
  const insertBox = db.prepare("INSERT INTO embedding_boxes (generation, content) VALUES (?, ?)")
  const insertText = db
    .prepare<
      [string, number],
      number
    >("INSERT INTO entity_texts (entity_type, entity_id, generation) VALUES ('base', ?, ?) RETURNING doc")
    .pluck()
  const insertWords = db.prepare("INSERT INTO entity_fulltext (rowid, title, content) VALUES (?, ?, ?)")

  /** Queue and box; the words come last, since FTS5 gathers them best when nothing comes in between. */
  const box = ({ content, id }: Note) => {
    const time = now()
    const generation = nextGeneration.get() ?? 0
    insertJob.run(generation, v7(), id, generation, time, time, time)
    const entity = {
      entityType: "base",
      id,
      content,
      metadata: {},
      contentHash: hash,
      created: time,
      updated: time,
    }
    insertBox.run(generation, JSON.stringify(entity))
    return insertText.get(id, generation) ?? 0
  }

  const create = db.transaction((notes: ReadonlyArray<Note>) => {
    const docs = notes.map(box)
    notes.forEach(({ id, words }, at) => void insertWords.run(docs[at], id, words))
  })

  const claimSome = db.prepare<[string, number, number], Claim>(
    `UPDATE embedding_queue SET status = 'processing', lane = NULL, attempt_token = ?, lease_until = ?, claimed_at = 0
     WHERE generation IN (
       SELECT generation FROM embedding_queue WHERE lane = 'ready'
       ORDER BY priority DESC, scheduled_for, line LIMIT ?
     ) RETURNING generation, job_id AS job,
       (SELECT content FROM embedding_boxes AS box WHERE box.generation = embedding_queue.generation) AS content`,
  )
  const insertEntity = db.prepare(
    `INSERT INTO entities (
      entity_type, entity_id, generation, job_id, created, updated, content_hash, input_hash, metadata, content
    ) VALUES ('base', ?, ?, ?, ?, ?, ?, ?, '{}', ?)`,
  )
  const insertVector = db.prepare(
    `INSERT INTO entity_vectors (entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading, path, start, text)
     VALUES ('base', ?, 0, 'bench', ?, ?, '', '[]', 0, ?)`,
  )
  const end = db.prepare(
    `UPDATE embedding_queue SET status = 'completed', outcome = 'stored', attempt_token = NULL, lease_until = NULL,
       updated_at = ?, completed_at = ? WHERE generation = ?`,
  )
  const dropBox = db.prepare("DELETE FROM embedding_boxes WHERE generation = ?")

  const store = db.transaction((claims: ReadonlyArray<Claim>, vectorAt: (place: number) => Uint8Array) => {
    const time = now()
    for (const [place, { content, generation, job }] of claims.entries()) {
      const entity: { readonly id: string; readonly content: string } = JSON.parse(content)
      insertEntity.run(entity.id, generation, job, time, time, hash, hash, entity.content)
      insertVector.run(entity.id, hash, vectorAt(place), entity.content)
      end.run(time, time, generation)
      dropBox.run(generation)
    }
  })

  return {
    /** All in one transaction. */
    create: (notes: ReadonlyArray<Note>) => void create(notes),
    /** So many that wait, or as many as do. */
    claim: (batch: number): ReadonlyArray<Claim> => claimSome.all(v4(), now() + 30_000, batch),
    /** All in one transaction. */
    store: (claims: ReadonlyArray<Claim>, vectorAt: (place: number) => Uint8Array) =>
      void store(claims, vectorAt),
    close: () => void db.close(),
  }
}
