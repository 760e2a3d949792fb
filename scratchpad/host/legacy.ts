// @effect-diagnostics globalDate:off
/**
 * What the host had before Embedbox: a table of its own, and a `createEntity` that embeds on the caller's thread before it
 * answers. It is kept as the yardstick of `responsiveness.ts`, and as what a database looks like that is taken over.
 */
import Database from "better-sqlite3"

/** Makes vectors of texts, in order. */
export interface Model {
  readonly dimensions: number
  readonly embed: (texts: ReadonlyArray<string>) => Promise<ReadonlyArray<ReadonlyArray<number>>>
}

/** What is stored. */
export interface Entity {
  readonly id: string
  readonly content: string
  /** Milliseconds since the epoch. */
  readonly created: number
}

/** The old service. */
export interface LegacyEntities {
  /** Embeds, stores, and answers what was stored. */
  readonly createEntity: (input: { readonly content: string }) => Promise<Entity>
  readonly getEntity: (id: string) => Promise<Entity | undefined>
  readonly countEntities: () => Promise<number>
  /** The nearest, best first. */
  readonly search: (question: string, limit: number) => Promise<ReadonlyArray<Entity>>
  readonly close: () => void
}

interface Row extends Entity {
  readonly vector: Buffer
}

const toBuffer = (vector: ReadonlyArray<number>) => Buffer.from(Float32Array.from(vector).buffer)

const cosine = (a: ReadonlyArray<number>, { buffer, byteLength, byteOffset }: Buffer) => {
  const b = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength))
  const sum = (of: (at: number) => number) => a.reduce((total, _, at) => total + of(at), 0)
  const length = Math.sqrt(sum((at) => (a[at] ?? 0) ** 2) * sum((at) => (b[at] ?? 0) ** 2))
  return length === 0 ? 0 : sum((at) => (a[at] ?? 0) * (b[at] ?? 0)) / length
}

/** Opens the old database. */
export const openEntities = (file: string, model: Model): LegacyEntities => {
  const database = new Database(file)
  database.exec(`CREATE TABLE IF NOT EXISTS notes (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, created INTEGER NOT NULL, vector BLOB NOT NULL)`)
  const insert = database.prepare("INSERT INTO notes (id, body, created, vector) VALUES (?, ?, ?, ?)")
  const one = database.prepare<[string], Entity>(
    "SELECT id, body AS content, created FROM notes WHERE id = ?",
  )
  const all = database.prepare<[], Row>("SELECT id, body AS content, created, vector FROM notes")
  const count = database.prepare<[], number>("SELECT count(*) FROM notes").pluck()

  const vectorOf = async (text: string) => (await model.embed([text]))[0] ?? []

  return {
    createEntity: async ({ content }) => {
      const entity = { id: `note-${1 + (count.get() ?? 0)}`, content, created: Date.now() }
      insert.run(entity.id, content, entity.created, toBuffer(await vectorOf(content)))
      return entity
    },
    getEntity: async (id) => one.get(id),
    countEntities: async () => count.get() ?? 0,
    search: async (question, limit) => {
      const asked = await vectorOf(question)
      return all
        .all()
        .map(({ vector, ...entity }) => ({ entity, score: cosine(asked, vector) }))
        .toSorted((a, b) => b.score - a.score)
        .slice(0, limit)
        .map(({ entity }) => entity)
    },
    close: () => database.close(),
  }
}
