/**
 * Whether what is boxed should lie in the job's row or beside it: `npm run bench:payload`. Bare better-sqlite3, the
 * product's pragmas, 1.5 KB payloads, both layouts in turns; the statements are those of the queue, reduced to what
 * differs. This is the measurement behind the tables of `src/Storage/migrations/0001_initial.ts`.
 */
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { argument, median, report, round, say, temporaryFolder } from "./support.js"

const jobs = argument("jobs", 2_000)
const rounds = argument("rounds", 3)
const payload = JSON.stringify({ content: "x".repeat(1_480) })

const columns = `
  generation INTEGER PRIMARY KEY, job_id TEXT NOT NULL UNIQUE, entity_id TEXT NOT NULL, status TEXT NOT NULL,
  priority INTEGER NOT NULL, scheduled_for INTEGER NOT NULL, attempt_token TEXT, lease_until INTEGER,
  updated_at INTEGER NOT NULL`

const index = `CREATE INDEX ready ON queue (priority DESC, scheduled_for, generation) WHERE status = 'pending'`

interface Layout {
  readonly tables: string
  readonly enqueue: (db: Database.Database) => (i: number) => void
  readonly content: string
  readonly complete: (db: Database.Database) => (generation: number) => void
}

const insertJob = `INSERT INTO queue (generation, job_id, entity_id, status, priority, scheduled_for, updated_at`

const layouts: Readonly<Record<"together" | "beside", Layout>> = {
  together: {
    tables: `CREATE TABLE queue (${columns}, content TEXT); ${index}`,
    enqueue: (db) => {
      const insert = db.prepare(`${insertJob}, content) VALUES (?, ?, ?, 'pending', 0, 0, 0, ?)`)
      return (i) => void insert.run(i, `job-${i}`, `note-${i}`, payload)
    },
    content: "content",
    complete: (db) => {
      const end = db.prepare(
        `UPDATE queue SET status = 'completed', attempt_token = NULL, content = NULL, updated_at = 1 WHERE generation = ?`,
      )
      return (generation) => void end.run(generation)
    },
  },
  beside: {
    tables: `CREATE TABLE queue (${columns}); ${index};
      CREATE TABLE boxes (generation INTEGER PRIMARY KEY REFERENCES queue (generation), content TEXT NOT NULL)`,
    enqueue: (db) => {
      const insert = db.prepare(`${insertJob}) VALUES (?, ?, ?, 'pending', 0, 0, 0)`)
      const box = db.prepare("INSERT INTO boxes (generation, content) VALUES (?, ?)")
      return db.transaction((i: number) => {
        insert.run(i, `job-${i}`, `note-${i}`)
        box.run(i, payload)
      })
    },
    content: "(SELECT content FROM boxes WHERE boxes.generation = queue.generation)",
    complete: (db) => {
      const end = db.prepare(
        `UPDATE queue SET status = 'completed', attempt_token = NULL, updated_at = 1 WHERE generation = ?`,
      )
      const drop = db.prepare("DELETE FROM boxes WHERE generation = ?")
      return (generation) => {
        end.run(generation)
        drop.run(generation)
      }
    },
  },
}

const open = (file: string, layout: Layout) => {
  const db = new Database(file)
  for (const pragma of [
    "journal_mode = WAL",
    "synchronous = FULL",
    "temp_store = MEMORY",
    "cache_size = -65536",
  ]) {
    db.pragma(pragma)
  }
  db.exec(layout.tables)
  return db
}

/** Jobs per second of each step, on a fresh file. */
const run = (file: string, layout: Layout) => {
  const db = open(file, layout)
  const rate = (work: () => void) => {
    const start = performance.now()
    work()
    return (jobs / (performance.now() - start)) * 1000
  }
  const enqueue = layout.enqueue(db)
  const claim = db.prepare<[number], { readonly generation: number }>(
    `UPDATE queue SET status = 'processing', attempt_token = hex(randomblob(16)), lease_until = 1, updated_at = 1
     WHERE generation IN (
       SELECT generation FROM queue WHERE status = 'pending' ORDER BY priority DESC, scheduled_for, generation LIMIT ?
     ) RETURNING generation, ${layout.content} AS content`,
  )
  const complete = layout.complete(db)
  const work = (batch: number) => {
    for (let claimed = claim.all(batch); claimed.length > 0; claimed = claim.all(batch)) {
      db.transaction(() => claimed.forEach((job) => complete(job.generation)))()
    }
  }
  const figures = {
    enqueue: rate(() => {
      for (let i = 1; i <= jobs; i++) enqueue(i)
    }),
    oneByOne: rate(() => work(1)),
    batches: 0,
  }
  for (let i = jobs + 1; i <= 2 * jobs; i++) enqueue(i)
  figures.batches = rate(() => work(32))
  db.close()
  return figures
}

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const runs = { together: [] as Array<ReturnType<typeof run>>, beside: [] as Array<ReturnType<typeof run>> }
  for (let i = 0; i < rounds; i++) {
    for (const name of ["together", "beside"] as const) {
      runs[name].push(run(Path.join(folder, `${name}-${i}.sqlite`), layouts[name]))
    }
  }
  const of = (name: "together" | "beside", step: keyof ReturnType<typeof run>) =>
    Math.round(median(runs[name].map((figures) => figures[step])))
  const steps = ["enqueue", "oneByOne", "batches"] as const
  const figures = Object.fromEntries(
    steps.map((step) => [
      step,
      {
        together: of("together", step),
        beside: of("beside", step),
        besideToTogether: round(of("beside", step) / of("together", step)),
      },
    ]),
  )
  say(`jobs per second, payload of ${payload.length} bytes, synchronous=FULL, medians of ${rounds}`)
  for (const [step, figure] of Object.entries(figures)) {
    say(
      `  ${step.padEnd(9)} in the row ${figure.together}, beside it ${figure.beside} (${figure.besideToTogether} times)`,
    )
  }
  report(figures)
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
