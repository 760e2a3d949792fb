/** What is looked at once a second: the memory of two processes, the tables of the queue, and the files. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import { Storage } from "../../../src/Storage.js"

const Row = Schema.Struct({
  pending: Schema.Int,
  processing: Schema.Int,
  failed: Schema.Int,
  completed: Schema.Int,
  boxes: Schema.Int,
  /** When the oldest receipt was written. */
  oldest: Schema.NullOr(Schema.Int),
  now: Schema.Int,
})

/** Memory of a process, in MB: all that is resident, and the part of it that is its own (no file behind it). */
export interface Memory {
  readonly resident: number
  readonly anonymous: number
}

export interface Sample {
  /** Since the run began. */
  readonly seconds: number
  readonly creator: Memory
  readonly worker: Memory
  /** Rows of `embedding_queue` by status; those of `embedding_boxes`. */
  readonly pending: number
  readonly processing: number
  readonly failed: number
  readonly completed: number
  readonly boxes: number
  /** Age of the oldest receipt, in seconds. */
  readonly oldestReceipt: number
  readonly walMb: number
  readonly fileMb: number
}

/** The memory of a process could not be read: this needs Linux, and the process. */
export class NoMemoryFigures extends Schema.TaggedError<NoMemoryFigures>()("NoMemoryFigures", {
  cause: Schema.Defect,
}) {
  override get message() {
    return `the soak reads the memory of processes from /proc, as Linux has it: ${String(this.cause)}`
  }
}

const megabytes = (bytes: number) => bytes / 1024 / 1024

const memoryOf = (pid: number) =>
  Effect.try({
    try: (): Memory => {
      const status = Fs.readFileSync(`/proc/${pid}/status`, "utf8")
      const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024
      return { resident: of("VmRSS"), anonymous: of("RssAnon") }
    },
    catch: (cause) => new NoMemoryFigures({ cause }),
  })

const sizeOf = (file: string) =>
  Effect.sync(() => megabytes(Fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0))

const decode = Schema.decodeUnknown(Schema.NonEmptyArray(Row))

/** One look; one statement, so that all counts are of one moment. */
export const take = (given: { readonly database: string; readonly worker: number; readonly began: number }) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const [row] = yield* storage.read(
      Effect.flatMap(
        storage.sql`SELECT
          (SELECT count(*) FROM embedding_queue WHERE lane IS NOT NULL) AS pending,
          (SELECT count(*) FROM embedding_queue WHERE status = 'processing') AS processing,
          (SELECT count(*) FROM embedding_queue WHERE status = 'failed') AS failed,
          (SELECT count(*) FROM embedding_queue WHERE status = 'completed') AS completed,
          (SELECT count(*) FROM embedding_boxes) AS boxes,
          (SELECT min(completed_at) FROM embedding_queue WHERE status = 'completed') AS oldest,
          CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now`,
        decode,
      ),
    )
    const { now, oldest, ...counts } = row
    const sample: Sample = {
      ...counts,
      oldestReceipt: oldest === null ? 0 : (now - oldest) / 1000,
      seconds: (performance.now() - given.began) / 1000,
      creator: yield* memoryOf(process.pid),
      worker: yield* memoryOf(given.worker),
      walMb: yield* sizeOf(`${given.database}-wal`),
      fileMb: yield* sizeOf(given.database),
    }
    return sample
  })
