/**
 * The entry of the thread: it answers one question after the other until it is ended. Whoever asks first waits for its
 * start, and it has a heap of its own: so it imports no Schema, which with all that it brings takes a third of a second
 * of a processor and twenty megabytes. What it is told, it is told by `SqliteThread`, of this same process, which does
 * check its answers. The connection is opened by the first question and not before, so that a file that cannot be
 * opened is the answer to a question and not the death of the thread.
 */
import { parentPort, workerData } from "node:worker_threads"
import Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { Answer, Connecting, Question } from "./Protocol.js"

/** A quarter of the main connection's cache each: they look at parts, and at what that has just read or written as well. */
const pragmas = ["busy_timeout = 10", "cache_size = -16384", "temp_store = MEMORY", "query_only = ON"]

const connecting: Connecting = workerData

let opened: Database.Database | undefined

const connection = () => {
  if (opened !== undefined) return opened
  const database = new Database(connecting.filename, { fileMustExist: true, readonly: connecting.readonly })
  for (const pragma of pragmas) database.pragma(pragma)
  opened = database
  return database
}

const rows = ({ params, sql }: Question) =>
  Either.try(() =>
    connection()
      .prepare<Array<unknown>, unknown>(sql)
      .all(...params),
  )

const answer = (question: Question): Answer =>
  Either.match(rows(question), {
    onRight: (rows) => ({ id: question.id, rows }),
    onLeft: (cause) => ({
      id: question.id,
      code: Predicate.isRecord(cause) && typeof cause["code"] === "string" ? cause["code"] : "",
      message: cause instanceof Error ? cause.message : String(cause),
    }),
  })

parentPort?.on("message", (question: Question) => parentPort?.postMessage(answer(question)))
