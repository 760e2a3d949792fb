/**
 * The operating system refuses to let a file grow: a limit on the size of files (`ulimit -f`), which binds root as well
 * and needs no file system of its own. Node ignores the signal that comes with it (SIGXFSZ), so that the write fails
 * with EFBIG and SQLite with SQLITE_IOERR_WRITE. What was acknowledged until then is there for whoever looks from
 * outside, and the process lives on.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe } from "vitest"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { EntityService } from "../../src/EntityService.js"
import { startWorker, storedIds, untilQuiet } from "../EmbeddingWorker/fixtures.js"
import { program, script } from "../support/programs.js"
import { createMany, expectUnharmed, onFile } from "./support.js"

const writer = script(fileURLToPath(new URL("writer.ts", import.meta.url)))

/** None of the caller's settings. */
const inherited = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(EMBEDBOX_|NODE_OPTIONS)/.test(name)),
)

/** The program as a process that may write no file beyond so many KiB, and what it has said so far. */
const limited = (
  kibibytes: number,
  entry: ReadonlyArray<string>,
  args: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv = {},
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(
        "bash",
        [
          "-c",
          // The soft limit, so that it can be lifted again.
          `ulimit -S -f ${kibibytes} && exec "$@"`,
          "-",
          process.execPath,
          ...entry,
          ...args,
        ],
        { env: { ...inherited, ...env }, stdio: ["ignore", "pipe", "pipe"] },
      )
      const said = { out: "", err: "" }
      child.stdout.on("data", (data) => (said.out += String(data)))
      child.stderr.on("data", (data) => (said.err += String(data)))
      return { child, said }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL")),
  )

const endOf = (child: ChildProcess) =>
  Effect.async<number | string | null>((resume) => {
    if (child.exitCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("close", (code, signal) => resume(Effect.succeed(signal ?? code)))
  })

const has = (command: string) => spawnSync(command, ["--version"]).status === 0

/** Looks, in real time, until it is so. */
const until = <E, R>(done: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(done, { until: (isDone) => isDone, schedule: Schedule.spaced("20 millis") })

describe.skipIf(!has("bash"))("a limit on the size of files", { timeout: 180_000 }, () => {
  it.scoped("a client that meets it is told so, lives on, and has lost nothing that it was promised", () =>
    onFile((file) =>
      Effect.gen(function* () {
        const service = yield* EntityService
        const { child, said } = yield* limited(1_500, writer, [file])
        expect(yield* endOf(child)).toBe(0)
        expect(said.out).toMatch(/\nread w0\ndone\n$/)
        const lines = said.out.split("\n")
        const kept = lines.flatMap((line) => (line.startsWith("kept ") ? [line.slice(5)] : []))
        const refused = lines.filter((line) => line.startsWith("refused "))
        expect(kept.length).toBeGreaterThan(20)
        expect(refused.length).toBeGreaterThanOrEqual(20)
        for (const line of refused) expect(line).toMatch(/^refused (Other|Full) .*(quota|disk is full)/)

        // From another process, without the limit: everything that was acknowledged, whole; nothing else.
        const there = yield* service.listEntities({ limit: 1_000 })
        expect(there.map(({ id }) => id).toSorted()).toEqual(kept.toSorted())
        for (const { content, id } of there)
          expect(content).toBe(`${id} ${"some words of a note ".repeat(400)}`)
        yield* startWorker({ batchSize: 8 })
        yield* untilQuiet
        expect(yield* storedIds).toEqual(kept.toSorted())
      }),
    ),
  )

  it.scopedLive.skipIf(!has("prlimit"))("a daemon that meets it goes on by itself when it is lifted", () =>
    onFile((file) =>
      Effect.gen(function* () {
        const queue = yield* EmbeddingQueue
        const { child, said } = yield* limited(1_000, program("main.ts"), [], {
          EMBEDBOX_DATABASE: file,
          EMBEDBOX_MODEL: "fake",
          EMBEDBOX_BATCH_SIZE: "4",
          EMBEDBOX_LOG_FORMAT: "logfmt",
        })
        yield* until(Effect.sync(() => said.err.includes("embedbox is ready")))
        yield* queue.pause
        // Written without the limit: the log is longer now than the daemon may write.
        const receipts = yield* createMany(60, (n) => `note ${n} ${"some words of a note ".repeat(800)}`)
        expect(statSync(`${file}-wal`).size).toBeGreaterThan(1_000 * 1_024)
        yield* queue.resume
        yield* until(Effect.sync(() => said.err.includes("could not be written")))
        expect(child.exitCode).toBeNull()
        expect(yield* queue.getStats).toMatchObject({ failed: 0, completed: 0 })
        execFileSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited"])
        yield* until(Effect.map(queue.getStats, ({ pending, processing }) => pending + processing === 0))
        yield* expectUnharmed(receipts)
        child.kill("SIGTERM")
        expect(yield* endOf(child)).toBe(0)
      }),
    ),
  )
})
