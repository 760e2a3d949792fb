/**
 * The processes that hold the model: opened when there is work, given bounded messages, closed when idle, replaced when
 * they die. Texts wait here, in the parent, and each child has one message of them at a time. Questions never wait here.
 * A child with texts in hand answers one between two runs, but a run cannot be stopped, and somebody waits for the
 * answer; so when a question meets nobody idle, one process more is opened, for questions only and with the priority of
 * the host, while the others step back. It has its idle time like all: who does not ask while he imports pays nothing.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import { availableParallelism, totalmem } from "node:os"
import { resolve } from "node:path"
import { EmbeddingError } from "../Domain/Errors.js"
import type { Passage, Piece } from "../Domain/Chunk.js"
import { type Model, type ModelName, models } from "./models.js"
import * as Process from "./Processes/Process.js"
import * as Protocol from "./Protocol.js"

/** The pool of processes that hold one model. */
export class Processes extends Context.Tag("embedbox/Embedder/Processes")<
  Processes,
  {
    /** How many messages of texts can be in hand at the same time. */
    readonly size: number
    /** Waits until a process is up and has loaded the model: the one that the next texts would go to. */
    readonly prepare: Effect.Effect<void, EmbeddingError>
    /** The vectors of at most `Protocol.maxTexts` texts, in one block. */
    readonly embed: (texts: ReadonlyArray<string>) => Effect.Effect<Float32Array, EmbeddingError>
    /** The same of those that fit the model's window, and the places of these in the list. */
    readonly embedFitting: (
      texts: ReadonlyArray<string>,
    ) => Effect.Effect<
      { readonly places: ReadonlyArray<number>; readonly block: Float32Array },
      EmbeddingError
    >
    /** The vector of a question, ahead of texts. */
    readonly embedQuery: (text: string) => Effect.Effect<Float32Array, EmbeddingError>
    /** The places of the pieces of each passage. */
    readonly split: (
      passages: ReadonlyArray<Passage>,
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Piece>>, EmbeddingError>
    /** The ids of the processes that are up. */
    readonly pids: Effect.Effect<ReadonlyArray<number>>
  }
>() {}

/** What the pool is made of. */
export interface Options {
  readonly model: ModelName
  /** Where models are kept. */
  readonly cacheDir: string
  /** Child processes. When absent, as many as suit the model and the cores. */
  readonly processes?: number | undefined
  /** Threads in each of them. When absent, as many as suit the model and the cores. */
  readonly threads?: number | undefined
  /** A process without work is closed after this time. 5 minutes when absent. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
  /** What a process may still take to end the text that was interrupted. 10 seconds when absent. */
  readonly gracePeriod?: Duration.DurationInput | undefined
  /** The program of the processes, for tests. */
  readonly entry?: URL | undefined
}

/** More processes than these would fight over the processor's caches. */
const maxProcesses = 4

/** Memory of a process that holds a model, in bytes: the runtime, Node and one run, as `npm run bench:embed` prints it. */
const processMemory = (model: Model): number => (model.arithmetic === "uint8" ? 250 : 450) * 2 ** 20

/**
 * As measured: uint8 gains nothing from threads and all from processes, 32 bits use all cores best from one process,
 * which also keeps the larger model in memory only once. No more than a quarter of the memory, in bytes, is spent.
 */
export const defaultSize = (
  model: Model,
  cores: number,
  memory: number = Number.POSITIVE_INFINITY,
): { readonly processes: number; readonly threads: number } => {
  if (model.arithmetic !== "uint8") return { processes: 1, threads: Math.max(1, cores) }
  const fitting = Math.floor(memory / 4 / processMemory(model))
  return { processes: Math.max(1, Math.min(cores, maxProcesses, fitting)), threads: 1 }
}

/** The place of one process. `serial` changes with every process that takes it, so that a dead one is never asked. */
interface Slot {
  serial: number
  process: Process.Process | undefined
  bulk: number
  queries: number
}

/** What this process may use: the machine's memory, or the container's where that is less. */
const memoryLimit = (): number => {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

const make = (options: Options) =>
  Effect.gen(function* () {
    const model = models[options.model]
    const size = yield* Effect.sync(() => defaultSize(model, availableParallelism(), memoryLimit()))
    const count = options.processes ?? size.processes
    const gracePeriod = options.gracePeriod ?? Duration.seconds(10)
    const argument = yield* Effect.orDie(
      Schema.encode(Protocol.SetupArgument)({
        model: model.name,
        cacheDir: resolve(options.cacheDir),
        threads: options.threads ?? size.threads,
      }),
    )
    const scope = yield* Effect.scope
    const permits = yield* Effect.makeSemaphore(count)
    // The first process makes the model's folder; the others wait for it instead of making it as well.
    const first = yield* Effect.makeSemaphore(1)
    let prepared = false

    let serials = 0
    const makeSlot = (): Slot => ({ serial: serials++, process: undefined, bulk: 0, queries: 0 })
    const textSlots = Array.from({ length: count }, makeSlot)
    const questionSlot = makeSlot()
    const slots = [...textSlots, questionSlot]
    const slotOf = (serial: number) => slots.find((slot) => slot.serial === serial)

    /** Nobody is given this process any more. It is closed when the last who has it lets go. */
    const forget = (serial: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        const slot = slotOf(serial)
        if (slot === undefined) return Effect.void
        slot.serial = serials++
        slot.process = undefined
        // Not in the fiber of the process itself: letting go closes its scope.
        return Effect.asVoid(Effect.forkIn(RcMap.invalidate(processes, serial), scope))
      })

    /** No text has been sent yet: what kills a process here is the model, or somebody outside. */
    const whileLoading = (error: EmbeddingError) =>
      error.crashed === true
        ? new EmbeddingError({
            fault: "provider",
            reason: `the model ${model.name} cannot be loaded: ${error.reason}`,
            cause: error,
          })
        : error

    const load = (process: Process.Process) =>
      Effect.gen(function* () {
        const started = yield* Clock.currentTimeMillis
        yield* Effect.logInfo("loading model")
        const { folder } = yield* process
          .ask((worker) => worker.executeEffect(new Protocol.Load()))
          .pipe(Effect.mapError(whileLoading))
        prepared = true
        const millis = (yield* Clock.currentTimeMillis) - started
        yield* Effect.logInfo(`model ready in ${millis} ms`).pipe(Effect.annotateLogs({ folder }))
      }).pipe(
        Effect.annotateLogs({ model: model.name, pid: process.pid }),
        // Who is sent away while the model loads has no bad news.
        Effect.tapError((error) => Effect.unless(Effect.logError(error.reason), process.isDismissed)),
      )

    const open = (serial: number) =>
      Effect.gen(function* () {
        const process = yield* Process.open({
          entry: options.entry ?? Process.defaultEntry,
          argument,
          background: serial !== questionSlot.serial,
        })
        yield* prepared ? load(process) : first.withPermits(1)(load(process))
        const slot = slotOf(serial)
        if (slot !== undefined) slot.process = process
        // A fiber of this scope, begun last and so ended first: being closed is not a death.
        yield* process.ended.pipe(
          Effect.flatMap((how) =>
            Effect.logWarning(`an embedding process died (${how}) and will be replaced`),
          ),
          Effect.annotateLogs({ pid: process.pid }),
          Effect.zipRight(forget(serial)),
          Effect.forkScoped,
        )
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            const slot = slotOf(serial)
            if (slot !== undefined) slot.process = undefined
          }),
        )
        return process
      }).pipe(Effect.tapErrorCause(() => forget(serial)))

    const processes: RcMap.RcMap<number, Process.Process, EmbeddingError> = yield* RcMap.make({
      lookup: open,
      idleTimeToLive: options.idleTimeToLive ?? Duration.minutes(5),
    })

    /** An interrupted text is computed to its end. Who does not come to it in time is ended. */
    const settle = (process: Process.Process) =>
      process
        .ask((worker) => worker.executeEffect(new Protocol.Settle()))
        .pipe(
          Effect.timeoutFail({ duration: gracePeriod, onTimeout: () => "late" }),
          Effect.catchIf(
            (error) => error === "late",
            () =>
              Effect.logWarning("an embedding process does not end its interrupted work and is killed").pipe(
                Effect.annotateLogs({ pid: process.pid }),
                Effect.zipRight(process.kill),
              ),
          ),
          Effect.ignore,
          // Begun while an interruption is dealt with, where nothing can be interrupted, not even by a timeout.
          Effect.interruptible,
          Effect.forkIn(scope),
        )

    /** The slot with least to do; one that is up before one that would have to be opened. */
    const choose = (work: (slot: Slot) => number): Slot | undefined =>
      textSlots.toSorted(
        (a, b) => work(a) - work(b) || Number(b.process !== undefined) - Number(a.process !== undefined),
      )[0]

    const isUp = (slot: Slot) => slot.process !== undefined

    /** An idle process; else the one that is for questions; else, until that is up, the one with least to do. */
    const chooseForQuestion = (): { readonly slot: Slot | undefined; readonly wanting: boolean } => {
      const up = textSlots.filter(isUp)
      const idle = up.find(({ bulk, queries }) => bulk + queries === 0)
      if (idle !== undefined) return { slot: idle, wanting: false }
      if (isUp(questionSlot)) return { slot: questionSlot, wanting: false }
      const busy = up.toSorted((a, b) => a.bulk + a.queries - b.bulk - b.queries)[0]
      return { slot: busy ?? textSlots[0], wanting: busy !== undefined }
    }

    const on = <A>(
      chooseSlot: () => Slot | undefined,
      kind: "bulk" | "queries",
      ask: (process: Process.Process) => Effect.Effect<A, EmbeddingError>,
    ): Effect.Effect<A, EmbeddingError> =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const slot = chooseSlot()
          if (slot !== undefined) slot[kind]++
          return slot
        }),
        (slot) =>
          Effect.scoped(
            Effect.flatMap(RcMap.get(processes, slot?.serial ?? 0), (process) =>
              Effect.onInterrupt(ask(process), () => settle(process)),
            ),
          ),
        (slot) =>
          Effect.sync(() => {
            if (slot !== undefined) slot[kind]--
          }),
      )

    let opening = false
    /** Opened aside: whoever asked is answered by a busy process before this one is up. */
    const openForQuestions = Effect.suspend(() => {
      if (opening) return Effect.void
      opening = true
      return on(
        () => questionSlot,
        "queries",
        () => Effect.void,
      ).pipe(
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => (opening = false))),
        Effect.interruptible,
        Effect.forkIn(scope),
      )
    })

    /** All have their hands full: whoever asks now should not have to wait for a process to come up. */
    const readyForQuestions = Effect.suspend(() =>
      count > 1 && !isUp(questionSlot) && textSlots.every((slot) => isUp(slot) && slot.bulk > 0)
        ? openForQuestions
        : Effect.void,
    )

    const bulk = <A>(ask: (process: Process.Process) => Effect.Effect<A, EmbeddingError>) =>
      permits.withPermits(1)(
        on(
          () => choose((slot) => slot.bulk),
          "bulk",
          (process) => Effect.zipRight(readyForQuestions, ask(process)),
        ),
      )

    const query = <A>(ask: (process: Process.Process) => Effect.Effect<A, EmbeddingError>) =>
      Effect.suspend(() => {
        const { slot, wanting } = chooseForQuestion()
        return Effect.zipRight(
          wanting ? openForQuestions : Effect.void,
          on(() => slot, "queries", ask),
        )
      })

    /** To cut text needs the tokenizer and not the model: whoever is up does it beside what he computes. */
    const aside = <A>(ask: (process: Process.Process) => Effect.Effect<A, EmbeddingError>) =>
      on(
        () => textSlots.filter(isUp).toSorted((a, b) => a.queries - b.queries)[0] ?? textSlots[0],
        "queries",
        ask,
      )

    return Processes.of({
      size: count,
      prepare: on(
        () => choose((slot) => slot.bulk),
        "bulk",
        () => Effect.void,
      ),
      embed: (texts) =>
        bulk((process) => process.ask((worker) => worker.executeEffect(new Protocol.EmbedTexts({ texts })))),
      embedFitting: (texts) =>
        bulk((process) =>
          process.ask((worker) => worker.executeEffect(new Protocol.EmbedFitting({ texts }))),
        ),
      embedQuery: (text) =>
        query((process) => process.ask((worker) => worker.executeEffect(new Protocol.EmbedQuery({ text })))),
      split: (passages) =>
        aside((process) => process.ask((worker) => worker.executeEffect(new Protocol.Split({ passages })))),
      pids: Effect.sync(() => slots.flatMap(({ process }) => (process === undefined ? [] : [process.pid]))),
    })
  })

/** A pool for one model. Starts nothing before the first request; closing the scope leaves no process behind. */
export const layer = (options: Options): Layer.Layer<Processes> => Layer.scoped(Processes, make(options))
