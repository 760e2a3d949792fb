/**
 * The same for the tests of a host that does not use Effect: a shell of promises over a database in memory and the fake
 * embedder, whose clock stands still until the test moves it. Nothing has to be awaited that real time would bring, and
 * nothing happens that the test did not ask for.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import { EmbeddingError, type Fault } from "../Domain/Errors.js"
import * as Fake from "../Embedder/Fake.js"
import * as Shell from "../Shell.js"
import * as Config from "../Shell/Config.js"
import * as Logging from "../Shell/Logging.js"
import * as Promises from "../Shell/Promise.js"
import * as Edge from "../Shell/Promise/Edge.js"
import type { AnyEntityType } from "../Shell/Promise/EntityTypes.js"
import type * as Interfaces from "../Shell/Promise/Interfaces.js"
import { flawsOf } from "../Shell/Promise/Settings.js"
import * as Arguments from "./Arguments.js"
import * as Testing from "./TestShell.js"

/** What a test may want otherwise. */
export interface TestShellOptions {
  /** Default `:memory:`. A file outlives its shell: for tests of what happens at a restart. */
  readonly database?: string | undefined
  /** Length of the fake's vectors. Default 64. */
  readonly dimensions?: number | undefined
  /** Texts longer than this many UTF-16 units are cut into chunks. Default 1000. */
  readonly windowLength?: number | undefined
  /** How many entities may wait. Default: any number. */
  readonly maxWaiting?: number | undefined
  /** The types of entities there are, as `createShell` takes them: a write of any other is refused. Default: any type. */
  readonly entityTypes?: ReadonlyArray<AnyEntityType> | undefined
}

const known = ["database", "dimensions", "windowLength", "maxWaiting", "entityTypes"] satisfies ReadonlyArray<
  keyof TestShellOptions
>

/** What goes wrong, and by whose fault. `crash`: the process that computes dies. */
export type Failing = Fault | "crash"

/** How a failure is told. */
export interface FailureOptions {
  readonly reason?: string | undefined
  /** When a provider wants to be asked again, in milliseconds. */
  readonly retryAfterMs?: number | undefined
}

/** Has the fake embedder misbehave. All of it holds from its next call on. */
export interface Misbehaving {
  /** The next calls fail; once if not told otherwise. */
  readonly failNext: (
    failing: Failing,
    options?: FailureOptions & { readonly times?: number },
  ) => Promise<void>
  /** Calls with such a text fail until `reset`. */
  readonly failWhen: (
    matches: (text: string) => boolean,
    failing: Failing,
    options?: FailureOptions,
  ) => Promise<void>
  /** Calls with such a text never end, until `reset`; those that hang go on hanging. */
  readonly hangWhen: (matches: (text: string) => boolean) => Promise<void>
  /** From now on every call waits. */
  readonly hold: () => Promise<void>
  /** Lets all calls that wait go on. */
  readonly release: () => Promise<void>
  /** Well-behaved again. */
  readonly reset: () => Promise<void>
  /** The texts that were embedded, in order. */
  readonly embedded: () => Promise<ReadonlyArray<string>>
}

/** A shell for tests. */
export interface TestShell extends Interfaces.Shell {
  /**
   * Starts the worker and lets time pass until no job waits or is worked on, retries and outages included. Rejects when
   * that has not come to pass after `atMostMs` of the shell's time (default an hour).
   */
  readonly drain: (atMostMs?: number) => Promise<void>
  /** Lets so many milliseconds pass, and what is due in them happen. */
  readonly advance: (milliseconds: number) => Promise<void>
  /** The fake embedder. */
  readonly embedder: Misbehaving
  /**
   * Takes up to `n` jobs in hand as a worker that is killed does: they are taken back when their lease of 30 seconds has
   * lapsed, with a crash counted. Answers their ids.
   */
  readonly abandon: (n?: number) => Promise<ReadonlyArray<string>>
}

const errorOf = (failing: Failing, { reason, retryAfterMs }: FailureOptions = {}) =>
  new EmbeddingError({
    fault: failing === "crash" ? "host" : failing,
    reason: reason ?? `${failing} on demand`,
    ...(failing === "crash" ? { crashed: true } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMillis: retryAfterMs }),
  })

const layerOf = (options: TestShellOptions, settings: Config.Settings) => {
  const embedder = Fake.layerWith({
    ...(options.dimensions === undefined ? {} : { dimensions: options.dimensions }),
    ...(options.windowLength === undefined ? {} : { windowLength: options.windowLength }),
  })
  return Promises.layerOf(
    Layer.merge(
      Shell.layerWithoutWorkerFrom({
        settings,
        embedder,
        registry: Promises.registryOf(options.entityTypes),
      }),
      embedder,
    ),
    settings,
  ).pipe(Layer.provideMerge(Layer.merge(Logging.layer(settings), TestContext.TestContext)))
}

const settingsOf = (options: TestShellOptions): Effect.Effect<Config.Settings, Config.InvalidSettings> => {
  const unknown = flawsOf(options, known)
  const problems =
    unknown.length > 0
      ? unknown
      : Either.match(Arguments.ofShell(options), {
          onLeft: ({ field, reason }) => [`${field} ${reason}`],
          onRight: () => [],
        })
  if (problems.length > 0) return new Config.InvalidSettings({ problems })
  const { database, maxWaiting } = options
  return Testing.settingsOf({
    database,
    settings: {
      maxWaiting:
        maxWaiting === undefined || maxWaiting === Number.POSITIVE_INFINITY ? undefined : String(maxWaiting),
    },
  })
}

/**
 * Opens a shell for one test.
 *
 * @example
 * import { createTestShell } from "embedbox/testing"
 *
 * await using shell = await createTestShell()
 * await shell.embedder.failNext("provider", { times: 2 })
 * const { jobId } = await shell.createEntity({ content: "flour, water, salt" })
 * await shell.drain() // the outage is over, and nobody has slept
 * console.log((await shell.getAsyncJobStatus(jobId))?.status) // completed
 */
export const createTestShell = async (options: TestShellOptions = {}): Promise<TestShell> => {
  const settings = await Edge.run(settingsOf(options))
  const { context, edge, shell } = await Promises.open(layerOf(options, settings))
  const fake = Context.get(context, Fake.FakeControl)
  const test: TestShell = {
    ...shell,
    drain: async (atMostMs) => {
      Edge.get(Arguments.ofDrain({ atMostMs }))
      await shell.start()
      await edge(() => Testing.drain(atMostMs))
    },
    advance: (milliseconds) =>
      edge(() =>
        Effect.flatMap(Arguments.ofAdvance({ milliseconds }), (said) => Testing.advance(said.milliseconds)),
      ),
    embedder: {
      failNext: (failing, options) =>
        edge(() =>
          Effect.flatMap(Arguments.ofFailNext({ failing, options }), (said) =>
            fake.failNext(errorOf(said.failing, said.options), said.options?.times),
          ),
        ),
      failWhen: (matches, failing, options) =>
        edge(() =>
          Effect.flatMap(Arguments.ofFailWhen({ matches, failing, options }), (said) =>
            fake.failWhen(said.matches, errorOf(said.failing, said.options)),
          ),
        ),
      hangWhen: (matches) =>
        edge(() => Effect.flatMap(Arguments.ofHangWhen({ matches }), (said) => fake.hangWhen(said.matches))),
      hold: () => edge(() => fake.hold),
      release: () => edge(() => fake.release),
      reset: () => edge(() => fake.reset),
      embedded: () => edge(() => Effect.map(fake.counters, ({ embedded }) => embedded)),
    },
    abandon: (n) =>
      edge(() =>
        Effect.map(
          Effect.flatMap(Arguments.ofAbandon({ n }), (said) => Testing.abandon(said.n)),
          (jobs) => jobs.map(({ jobId }) => jobId),
        ),
      ),
    // What hangs is waited for in the shell's own time, which nobody else would let pass.
    stop: async () => {
      const stopped = shell.stop()
      await edge(() => Effect.zipRight(Testing.settle, TestClock.adjust(settings.drainTimeout)))
      await stopped
    },
    [Symbol.asyncDispose]: () => test.stop(),
  }
  return test
}
