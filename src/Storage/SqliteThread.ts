/**
 * A thread with a connection of its own to a file, for statements that take long or flush the disk: better-sqlite3 stops
 * the event loop of whoever runs them. It is started by the first question and again after it has died; it sees what is
 * committed, as any other process does.
 */
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Answer, type Connecting, type Question } from "./SqliteThread/Protocol.js"

/** Runs one statement there. Interrupted, it lets the statement go on for nobody. */
export type Rows = (
  sql: string,
  params: ReadonlyArray<unknown>,
) => Effect.Effect<ReadonlyArray<unknown>, SqlError>

/** The entry beside this module: TypeScript when this is TypeScript, as under tsx and vitest. */
const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js"
const defaultEntry = new URL(`./SqliteThread/Entry${extension}`, import.meta.url)

/** A thread does not take over its parent's loaders: for TypeScript it registers tsx, which is found from here. */
const load = (entry: URL, workerData: Connecting): Worker => {
  if (!entry.pathname.endsWith(".ts")) return new Worker(entry, { workerData })
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm/api")).href
  const script = `import(${JSON.stringify(tsx)}).then(({ register }) => (register(), import(${JSON.stringify(entry.href)})))`
  return new Worker(script, { eval: true, workerData })
}

const failure = (message: string, cause?: unknown) => new SqlError({ cause, message })

const failed = (code: string, reason: string) =>
  failure("Failed to execute statement", Object.assign(new Error(reason), { code }))

type Resume = (answer: Either.Either<ReadonlyArray<unknown>, SqlError>) => void

const start = (connecting: Connecting, entry: URL) =>
  Either.try({
    try: () => load(entry, connecting),
    catch: (cause) => failure("Failed to start a thread", cause),
  })

/** The file must exist when the thread is first asked. The scope ends it. Another entry is for tests. */
export const open = (
  connecting: Connecting,
  entry: URL = defaultEntry,
): Effect.Effect<Rows, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = new Map<number, Resume>()
    let thread: Worker | undefined
    let asked = 0

    /**
     * Only somebody who waits may keep the process alive. An answer that nobody waits for any more must change nothing: it
     * may arrive while the thread is being ended, and who ends it waits.
     */
    const settle = (id: number) => {
      if (waiting.delete(id) && waiting.size === 0) thread?.unref()
    }

    const started = (): Either.Either<Worker, SqlError> => {
      if (thread !== undefined) return Either.right(thread)
      return Either.map(start(connecting, entry), (fresh) => {
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
          for (const resume of left) resume(Either.left(failure("The thread of a connection ended", reason)))
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
