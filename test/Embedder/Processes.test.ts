import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { fork } from "node:child_process"
import { pathToFileURL } from "node:url"
import { inject } from "vitest"
import { models } from "../../src/Embedder/models.js"
import * as Processes from "../../src/Embedder/Processes.js"
import { Embedder } from "../../src/Embedder.js"
import * as FastEmbed from "../../src/Embedder/FastEmbed.js"
import { areAlive, gone, quiet, turn, passage } from "./support.js"

const entry = pathToFileURL(inject("stubChild"))

const stub = (options: Partial<Processes.Options> = {}) =>
  FastEmbed.layerProcesses("all-MiniLM-L6-v2").pipe(
    Layer.provideMerge(
      Processes.layer({ model: "all-MiniLM-L6-v2", cacheDir: "/nowhere", processes: 1, entry, ...options }),
    ),
    Layer.provide(quiet),
  )

const pid = Effect.flatMap(Processes.Processes, ({ pids }) => Effect.map(pids, ([first = -1]) => first))
const embed = (text: string) => Effect.flatMap(Embedder, ({ generateEmbedding }) => generateEmbedding(text))

/** Asks for a text that keeps the process busy, and waits until the process has it. */
const occupy = (text: string) =>
  Effect.gen(function* () {
    yield* embed("first")
    const fiber = yield* Effect.fork(embed(text))
    yield* Effect.forEach(Array.from({ length: 50 }), () => turn)
    return fiber
  })

describe("Processes", () => {
  it.scoped("forks nothing before the first request", () =>
    Effect.gen(function* () {
      const { pids } = yield* Processes.Processes
      assert.deepStrictEqual(yield* pids, [])
      yield* embed("first")
      assert.strictEqual((yield* pids).length, 1)
    }).pipe(Effect.provide(stub({ processes: 2 }))),
  )

  it.scoped("leaves no process behind when its scope is closed", () =>
    Effect.gen(function* () {
      const before = yield* Effect.zipRight(embed("first"), pid).pipe(Effect.provide(stub()), Effect.scoped)
      assert.isAbove(before, 0)
      assert.isFalse(yield* areAlive([before]))
    }),
  )

  it.scopedLive("leaves no process behind that hangs", () =>
    Effect.gen(function* () {
      const before = yield* Effect.zipRight(occupy("hang"), pid).pipe(Effect.provide(stub()), Effect.scoped)
      assert.isFalse(yield* areAlive([before]))
    }),
  )

  it.scoped("closes an idle process and opens another one for the next request", () =>
    Effect.gen(function* () {
      yield* embed("first")
      const before = yield* pid
      yield* TestClock.adjust("4 minutes")
      yield* embed("second")
      assert.strictEqual(yield* pid, before)
      yield* TestClock.adjust("4 minutes")
      assert.isTrue(yield* areAlive([before]))
      yield* TestClock.adjust("1 minutes")
      yield* gone(before)
      assert.strictEqual(yield* pid, -1)
      yield* embed("third")
      assert.notStrictEqual(yield* pid, before)
    }).pipe(Effect.provide(stub())),
  )

  it.scoped("replaces a process that was killed from outside while it was idle", () =>
    Effect.gen(function* () {
      yield* embed("first")
      const before = yield* pid
      process.kill(before, "SIGKILL")
      yield* gone(before)
      yield* Effect.repeat(Effect.zipRight(turn, pid), { while: (now) => now === before })
      yield* embed("second")
      assert.notStrictEqual(yield* pid, before)
    }).pipe(Effect.provide(stub())),
  )

  it.scoped(
    "a process that dies with work in hand is a fault of the host, and the next request succeeds",
    () =>
      Effect.gen(function* () {
        const fiber = yield* occupy("never")
        process.kill(yield* pid, "SIGKILL")
        const killed = yield* Effect.flip(Fiber.join(fiber))
        assert.strictEqual(killed.fault, "host")
        assert.include(killed.reason, "died")
        yield* embed("second")

        const died = yield* Effect.flip(embed("die"))
        assert.strictEqual(died.fault, "host")
        yield* embed("third")
      }).pipe(Effect.provide(stub())),
  )

  it.scoped("a model that cannot be loaded is a typed failure, every time, and no process stays", () =>
    Effect.gen(function* () {
      for (const text of ["first", "second"]) {
        const error = yield* Effect.flip(embed(text))
        assert.strictEqual(error.fault, "provider")
        assert.strictEqual(error.reason, "there is no such model")
      }
      assert.strictEqual(yield* pid, -1)
    }).pipe(Effect.provide(stub({ cacheDir: "/unloadable" }))),
  )

  it.scoped("an interrupted request returns at once, and the process goes on", () =>
    Effect.gen(function* () {
      const fiber = yield* occupy("never")
      const before = yield* pid
      yield* Fiber.interrupt(fiber)
      yield* embed("second")
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(yield* pid, before)
    }).pipe(Effect.provide(stub())),
  )

  it.scoped("a process that does not end an interrupted text is killed after the grace period", () =>
    Effect.gen(function* () {
      const fiber = yield* occupy("hang")
      const before = yield* pid
      yield* Fiber.interrupt(fiber)
      yield* turn
      yield* TestClock.adjust("9 seconds")
      assert.isTrue(yield* areAlive([before]))
      yield* TestClock.adjust("1 seconds")
      yield* gone(before)
      yield* Effect.repeat(Effect.zipRight(turn, pid), { while: (now) => now === before })
      yield* embed("second")
    }).pipe(Effect.provide(stub())),
  )

  it.scopedLive("a question that meets nobody idle has a process opened for it, which texts never use", () =>
    Effect.gen(function* () {
      const { embedQuery } = yield* Embedder
      const { pids } = yield* Processes.Processes
      yield* embedQuery("idle")
      assert.strictEqual((yield* pids).length, 1)
      const busy = yield* occupy("never")
      // The stub lets a question in between, as the model does.
      yield* embedQuery("busy")
      yield* Effect.repeat(Effect.zipRight(turn, pids), { until: (up) => up.length === 2 })
      const [first = -1] = yield* pids
      yield* Effect.acquireUseRelease(
        Effect.sync(() => process.kill(first, "SIGSTOP")),
        () =>
          Effect.gen(function* () {
            yield* embedQuery("answered by the other")
            const text = yield* Effect.fork(embed("waits for the first"))
            yield* Effect.forEach(Array.from({ length: 50 }), () => turn)
            assert.isNull(text.unsafePoll())
            yield* Fiber.interrupt(text)
          }),
        () => Effect.sync(() => process.kill(first, "SIGCONT")),
      )
      yield* Fiber.interrupt(busy)
    }).pipe(Effect.provide(stub())),
  )

  it.scopedLive(
    "has a process ready for questions while all others have their hands full, and not before",
    () =>
      Effect.gen(function* () {
        const { pids } = yield* Processes.Processes
        const one = yield* occupy("never")
        yield* Effect.forEach(Array.from({ length: 50 }), () => turn)
        assert.strictEqual((yield* pids).length, 1)
        const other = yield* Effect.fork(embed("never"))
        yield* Effect.repeat(Effect.zipRight(turn, pids), { until: (up) => up.length === 2 })
        const third = yield* Effect.fork(embed("never"))
        yield* Effect.repeat(Effect.zipRight(turn, pids), { until: (up) => up.length === 3 })
        yield* Fiber.interruptAll([one, other, third])
      }).pipe(Effect.provide(stub({ processes: 2 }))),
  )

  it.scoped("vectors of a wrong shape or length are a fault of the item", () =>
    Effect.gen(function* () {
      for (const text of ["wrong", "zeros", "item"]) {
        assert.strictEqual((yield* Effect.flip(embed(text))).fault, "item")
      }
      const { embedQuery, split } = yield* Embedder
      assert.strictEqual((yield* Effect.flip(embedQuery("wrong"))).fault, "item")
      assert.strictEqual((yield* Effect.flip(split([passage("x".repeat(1_000))]))).fault, "item")
    }).pipe(Effect.provide(stub())),
  )

  it.live("the child ends quietly when its parent is gone before it could say a word", () =>
    Effect.gen(function* () {
      const setup = JSON.stringify({ model: "all-MiniLM-L6-v2", cacheDir: "/nowhere", threads: 1 })
      const child = fork(new URL("../../src/Embedder/Child.ts", import.meta.url), [setup], {
        serialization: "advanced",
        execArgv: ["--import", "tsx"],
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      })
      const printed: Array<unknown> = []
      child.stderr?.on("data", (chunk) => printed.push(String(chunk)))
      // Not "close": of a child that was let go of, that never comes.
      const ended = Promise.all([
        new Promise((resolve) => child.on("exit", resolve)),
        new Promise((resolve) => child.stderr?.on("end", resolve)),
      ])
      child.disconnect()
      const [code] = yield* Effect.promise(() => ended)
      assert.deepStrictEqual(printed, [])
      assert.strictEqual(code, 0)
    }),
  )

  it.live("the child ends when its parent lets go of it, and not by the terminal's signals", () =>
    Effect.gen(function* () {
      const setup = JSON.stringify({ model: "all-MiniLM-L6-v2", cacheDir: "/nowhere", threads: 1 })
      const child = fork(new URL("../../src/Embedder/Child.ts", import.meta.url), [setup], {
        serialization: "advanced",
        execArgv: ["--import", "tsx"],
        stdio: ["ignore", "pipe", "inherit", "ipc"],
      })
      const printed: Array<unknown> = []
      child.stdout?.on("data", (data) => printed.push(data))
      yield* Effect.async<void>((resume) => void child.once("message", () => resume(Effect.void)))
      child.kill("SIGINT")
      child.kill("SIGTERM")
      const code = yield* Effect.async<number | string | null>((resume) => {
        child.once("exit", (code, signal) => resume(Effect.succeed(signal ?? code)))
        child.disconnect()
      })
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(printed, [])
    }),
  )

  it("fits their number to the model and the cores", () => {
    const uint8 = models["all-MiniLM-L6-v2"]
    const float32 = models["bge-small-en-v1.5"]
    assert.deepStrictEqual(Processes.defaultSize(uint8, 2), { processes: 2, threads: 1 })
    assert.deepStrictEqual(Processes.defaultSize(uint8, 32), { processes: 4, threads: 1 })
    assert.deepStrictEqual(Processes.defaultSize(float32, 8), { processes: 1, threads: 8 })
    const gibibyte = 2 ** 30
    assert.deepStrictEqual(Processes.defaultSize(uint8, 4, 2 * gibibyte), { processes: 2, threads: 1 })
    assert.deepStrictEqual(Processes.defaultSize(uint8, 4, gibibyte / 2), { processes: 1, threads: 1 })
  })
})
