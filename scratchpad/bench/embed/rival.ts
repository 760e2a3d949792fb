/** A contender as the bench sees it: processes that are loaded once and raced as often as wanted. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { fork } from "node:child_process"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import type { Answer, Kind, Work } from "./contender.js"

/** Compiled as this file is, or by tsx as this file is. */
const isSource = import.meta.url.endsWith(".ts")
const entry = new URL(isSource ? "contender.ts" : "contender.js", import.meta.url)
const execArgv = isSource
  ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href]
  : []

/** The processes of a contender; they end with the scope. */
export const open = (options: {
  readonly kind: Kind
  readonly model: string
  readonly processes: number
  readonly threads: number
}) =>
  Effect.gen(function* () {
    const { kind, model, processes, threads } = options
    const children = yield* Effect.forEach(Array.from({ length: processes }), () =>
      Effect.acquireRelease(
        Effect.async<ReturnType<typeof fork>>((resume) => {
          const child = fork(entry, [kind, model, String(threads)], {
            serialization: "advanced",
            execArgv,
            stdio: ["ignore", process.stderr.fd, process.stderr.fd, "ipc"],
          })
          child.once("message", () => resume(Effect.succeed(child)))
          child.once("exit", (code) => resume(Effect.dieMessage(`${kind} ended with ${code}`)))
        }),
        (child) => Effect.sync(() => void child.kill("SIGKILL")),
      ),
    )
    const ask = <A>(child: (typeof children)[number], message: object) =>
      Effect.async<A>((resume) => {
        child.once("message", (answer: A) => resume(Effect.succeed(answer)))
        child.send(message)
      })

    /**
     * Shares the work out, waits until all are ready, and answers how long they took together, and how long the
     * processor worked for them, in milliseconds.
     */
    const race = (shares: (process: number) => Work) =>
      Effect.gen(function* () {
        yield* Effect.forEach(children, (child, at) => ask<string>(child, { work: shares(at) }), {
          concurrency: "unbounded",
        })
        const start = performance.now()
        const answers = yield* Effect.forEach(children, (child) => ask<Answer>(child, {}), {
          concurrency: "unbounded",
        })
        return {
          ms: performance.now() - start,
          processor: answers.reduce((sum, { processor }) => sum + processor, 0),
        }
      })
    /** Has one process do its work alone. */
    const single = (process: number, work: Work) =>
      Effect.gen(function* () {
        const child = yield* Arr.get(children, process)
        yield* ask<string>(child, { work })
        return yield* ask<Answer>(child, {})
      })

    return { race, single, processes }
  })
