/**
 * Threads with a connection each for statements that only read and take long, since better-sqlite3 stops the event loop
 * for as long as a statement takes: ranking the words of a hundred thousand texts, fifty milliseconds. They see what is
 * committed, as any other process does. One is started when it is needed (a second one when the first is busy) and ends
 * when it was not asked for a while, because most programs never need any.
 */
import { createRequire } from "node:module"
import { availableParallelism } from "node:os"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import { SqlError } from "@effect/sql/SqlError"
import * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as RcRef from "effect/RcRef"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Answer, type Question } from "./ReadingThreads/Protocol.js"

export interface ReadingThreads {
  /** How many statements can run at the same time. */
  readonly width: number
  /** Runs one statement there. Interrupted, it lets the statement go on for nobody. */
  readonly rows: (
    sql: string,
    params: ReadonlyArray<unknown>,
  ) => Effect.Effect<ReadonlyArray<unknown>, SqlError>
}

/** How long the thread is kept without a question. */
const idleTime: Duration.DurationInput = "1 minute"

/** The entry beside this module: TypeScript when this is TypeScript, as under tsx and vitest. */
const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js"
const defaultEntry = new URL(`./ReadingThreads/Entry${extension}`, import.meta.url)

/** A thread does not take over its parent's loaders: for TypeScript it registers tsx, which is found from here. */
const load = (entry: URL, workerData: string): Worker => {
  if (!entry.pathname.endsWith(".ts")) return new Worker(entry, { workerData })
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm/api")).href
  const script = `import(${JSON.stringify(tsx)}).then(({ register }) => (register(), import(${JSON.stringify(entry.href)})))`
  return new Worker(script, { eval: true, workerData })
}

const failure = (message: string, cause?: unknown) => new SqlError({ cause, message })

const failed = (code: string, reason: string) =>
  failure("Failed to execute statement", Object.assign(new Error(reason), { code }))

type Rows = ReadingThreads["rows"]

type Resume = (answer: Either.Either<ReadonlyArray<unknown>, SqlError>) => void

const start = (filename: string, entry: URL) =>
  Either.try({
    try: () => load(entry, filename),
    catch: (cause) => failure("Failed to start a thread", cause),
  })

/** A thread that is started when it is asked, and again after it has died. */
const open = (filename: string, entry: URL): Effect.Effect<Rows, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = new Map<number, Resume>()
    let thread: Worker | undefined
    let asked = 0

    /** Only somebody who waits may keep the process alive. */
    const settle = (id: number) => {
      waiting.delete(id)
      if (waiting.size === 0) thread?.unref()
    }

    const started = (): Either.Either<Worker, SqlError> => {
      if (thread !== undefined) return Either.right(thread)
      return Either.map(start(filename, entry), (fresh) => {
        thread = fresh
        let reason: unknown
        fresh.on("message", (message: unknown) => {
          const answer = Schema.decodeUnknownOption(Answer)(message)
          if (answer._tag === "None") return
          const told = answer.value
          const resume = waiting.get(told.id)
          settle(told.id)
          resume?.("rows" in told ? Either.right(told.rows) : Either.left(failed(told.code, told.message)))
        })
        fresh.on("error", (cause) => (reason = cause))
        fresh.on("exit", () => {
          if (thread === fresh) thread = undefined
          const left = [...waiting.values()]
          waiting.clear()
          for (const resume of left) resume(Either.left(failure("The reading thread ended", reason)))
        })
        return fresh
      })
    }

    yield* Effect.addFinalizer(() => Effect.promise(async () => thread?.terminate()))

    return (sql, params) =>
      Effect.async((resume) => {
        const one = started()
        if (Either.isLeft(one)) return resume(Effect.fail(one.left))
        const id = ++asked
        waiting.set(id, resume)
        one.right.ref()
        one.right.postMessage({ id, sql, params } satisfies Question)
        return Effect.sync(() => settle(id))
      })
  })

/** More than that and the caller's own thread, the models and the vectors would have nothing left. */
const mostThreads = 4

/** The first of those with the least in hand. */
const idlest = <A extends { readonly inHand: number }>(all: readonly [A, ...ReadonlyArray<A>]): A =>
  all.reduce((best, one) => (one.inHand < best.inHand ? one : best))

/** Reading threads for this file, which must exist when they are first asked. One for each core by default, at most four. */
export const make = (
  filename: string,
  options: {
    readonly entry?: URL
    readonly idleTime?: Duration.DurationInput
    readonly width?: number
  } = {},
): Effect.Effect<ReadingThreads, never, Scope.Scope> =>
  Effect.gen(function* () {
    const width = options.width ?? Math.min(mostThreads, availableParallelism())
    const thread = Effect.map(
      RcRef.make({
        acquire: open(filename, options.entry ?? defaultEntry),
        idleTimeToLive: options.idleTime ?? idleTime,
      }),
      (ref) => ({ ref, inHand: 0 }),
    )
    const threads = yield* Effect.all(Arr.replicate(thread, width))
    return {
      width,
      rows: (sql, params) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            const one = idlest(threads)
            one.inHand++
            return one
          }),
          ({ ref }) => Effect.scoped(Effect.flatMap(RcRef.get(ref), (rows) => rows(sql, params))),
          (one) => Effect.sync(() => one.inHand--),
        ),
    }
  })
