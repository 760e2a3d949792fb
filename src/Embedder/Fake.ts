/**
 * An embedder for tests, ours and those of hosts: instant, without a process or a file, and the same on every machine.
 * Its vectors are sums of one pseudo-random direction per word, so texts that share words are near each other and search
 * can be tested in earnest. What makes it worth having is the other half: through `FakeControl` it fails, hangs and
 * answers with wrong shapes on demand, as real providers do when nobody is looking.
 *
 * @example
 * import { FakeEmbedder, Faults } from "embedbox/testing"
 * import * as Effect from "effect/Effect"
 *
 * export const poisoned = Effect.gen(function* () {
 *   const fake = yield* FakeEmbedder.FakeControl
 *   yield* fake.failWhen((text) => text.includes("poison"), Faults.item())
 *   return yield* fake.counters
 * }).pipe(Effect.provide(FakeEmbedder.layer))
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { EmbeddingError } from "../Domain/Errors.js"
import { fromVectorSpace } from "../Domain/Fingerprint.js"
import { Embedder } from "../Embedder.js"
import { chunker } from "./models.js"
import { mean, normalise } from "./Vectors.js"
import * as Pieces from "./Pieces.js"
import * as Windows from "./Windows.js"

/** Which answer comes instead of the right one. */
export type Misbehaviour =
  | "wrong dimensions"
  | "not finite"
  | "infinite"
  | "all zeros"
  | "too few"
  | "too many"

/** What was asked of the fake so far. */
export interface Counters {
  /** Calls of `generateEmbedding`, `generateEmbeddings` and `embedQuery`, those that failed or hung included. */
  readonly calls: number
  /** Of these, calls of `embedQuery`. */
  readonly queries: number
  /** The texts that were embedded, in order: the newest of them, see `Options.remembered`. */
  readonly embedded: ReadonlyArray<string>
}

/** Tells the fake how to behave. All of it holds from the next call on. */
export class FakeControl extends Context.Tag("embedbox/Embedder/FakeControl")<
  FakeControl,
  {
    /** The next calls fail, whatever their texts; once if not told otherwise. */
    readonly failNext: (error: EmbeddingError, times?: number) => Effect.Effect<void>

    /** Calls with such a text fail until `reset`. */
    readonly failWhen: (matches: (text: string) => boolean, error: EmbeddingError) => Effect.Effect<void>

    /** Calls with such a text never end, except by interruption, until `reset`; those that hang go on hanging. */
    readonly hangWhen: (matches: (text: string) => boolean) => Effect.Effect<void>

    /** The next answers are wrong; once if not told otherwise. */
    readonly misbehaveNext: (kind: Misbehaviour, times?: number) => Effect.Effect<void>

    /** From now on every call waits. */
    readonly hold: Effect.Effect<void>

    /** Lets all calls that wait go on, and those to come pass. */
    readonly release: Effect.Effect<void>

    /** Well-behaved again. The counters stay. */
    readonly reset: Effect.Effect<void>

    readonly counters: Effect.Effect<Counters>
  }
>() {}

/** How the fake is made. */
export interface Options {
  readonly dimensions?: number
  /** Texts longer than this many UTF-16 units are cut by `split`. */
  readonly windowLength?: number
  /** Another seed, other directions. */
  readonly seed?: number
  /** Of how many texts the counters tell. A daemon with the fake embeds for days: it must not keep them all. */
  readonly remembered?: number
}

/** What holds for the options that are not given. */
export const defaultOptions: Required<Options> = {
  dimensions: 64,
  windowLength: 1_000,
  seed: 1,
  remembered: 1_000,
}

interface Behaviour {
  readonly failures: { readonly error: EmbeddingError; readonly times: number }
  readonly failing: ReadonlyArray<{
    readonly matches: (text: string) => boolean
    readonly error: EmbeddingError
  }>
  readonly hanging: ReadonlyArray<(text: string) => boolean>
  readonly misbehaviour: { readonly kind: Misbehaviour; readonly times: number }
}

const word = /[\p{L}\p{N}]+/gu

/** FNV-1a over UTF-16 units: enough to tell words apart. */
const hash = (text: string, seed: number): number => {
  let state = (0x811c9dc5 ^ seed) >>> 0
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return state
}

/** The fake's vector of a text: deterministic, of unit length, near those of texts that share its words. */
export const vectorOf = (text: string, options: Options = {}): Float32Array => {
  const { dimensions, seed } = { ...defaultOptions, ...options }
  const sum = new Float32Array(dimensions)
  const words = text.toLowerCase().match(word) ?? [text]
  for (const word of words) {
    let state = hash(word, seed) || 1
    for (let index = 0; index < dimensions; index++) {
      // xorshift32
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      sum[index] = (sum[index] ?? 0) + ((state & 1) === 0 ? 1 : -1)
    }
  }
  // Words may cancel out to nothing, which has no direction.
  if (sum.every((value) => value === 0)) sum[0] = 1
  return normalise(sum)
}

/** Every UTF-16 unit counts as a token. */
const units: Windows.Encode<never, never> = (text) =>
  Effect.succeed(Array.from({ length: text.length }, (_, i) => i))

const slices = (text: string, ends: ReadonlyArray<number>): ReadonlyArray<string> =>
  ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end))

const newest = (texts: ReadonlyArray<string>, count: number) => texts.slice(Math.max(0, texts.length - count))

const make = (options: Required<Options>) =>
  Effect.gen(function* () {
    const { dimensions, remembered, windowLength } = options
    const behaviour = yield* Ref.make<Partial<Behaviour>>({})
    const counters = yield* Ref.make<Counters>({ calls: 0, queries: 0, embedded: [] })
    const latch = yield* Effect.makeLatch(true)

    /** What goes wrong with a call before it has an answer. */
    const obstruct = (texts: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        yield* latch.await
        const { failing = [], failures, hanging = [] } = yield* Ref.get(behaviour)
        if (texts.some((text) => hanging.some((matches) => matches(text)))) return yield* Effect.never
        if (failures !== undefined && failures.times > 0) {
          yield* Ref.update(behaviour, (current) => ({
            ...current,
            failures: { ...failures, times: failures.times - 1 },
          }))
          return yield* failures.error
        }
        const failure = failing.find(({ matches }) => texts.some(matches))
        if (failure !== undefined) return yield* failure.error
      })

    /** The answer, unless it is to be a wrong one. */
    const distort = (vectors: ReadonlyArray<Float32Array>) =>
      Effect.gen(function* () {
        const { misbehaviour } = yield* Ref.get(behaviour)
        if (misbehaviour === undefined || misbehaviour.times === 0) return vectors
        yield* Ref.update(behaviour, (current) => ({
          ...current,
          misbehaviour: { ...misbehaviour, times: misbehaviour.times - 1 },
        }))
        switch (misbehaviour.kind) {
          case "wrong dimensions":
            return vectors.map((vector) => vector.slice(0, -1))
          case "not finite":
            return vectors.map((vector) => vector.with(0, Number.NaN))
          case "infinite":
            return vectors.map((vector) => vector.with(0, Number.POSITIVE_INFINITY))
          case "all zeros":
            return vectors.map((vector) => new Float32Array(vector.length))
          case "too few":
            return vectors.slice(0, -1)
          case "too many":
            return [...vectors, ...vectors.slice(-1)]
        }
      })

    const embed = (texts: ReadonlyArray<string>, queries: number) =>
      Effect.gen(function* () {
        yield* Ref.update(counters, (current) => ({
          ...current,
          calls: current.calls + 1,
          queries: current.queries + queries,
        }))
        yield* obstruct(texts)
        yield* Ref.update(counters, (current) => ({
          ...current,
          embedded: newest([...current.embedded, ...texts], remembered),
        }))
        return yield* distort(texts.map((text) => vectorOf(text, options)))
      })

    const cut = (text: string) =>
      Effect.map(Windows.ends(text, windowLength, units), (ends) => slices(text, ends))

    const embedder = Embedder.of({
      fingerprint: fromVectorSpace({
        provider: "fake",
        model: "fake",
        revision: `seed-${options.seed}`,
        dimensions,
        pooling: "none",
        normalised: true,
        chunker: `${chunker}-${windowLength}`,
      }),
      dimensions,
      generateEmbedding: (text) =>
        // With "too few" there is none: an empty vector then, which is a wrong shape as well.
        Effect.map(embed([text], 0), ([vector = new Float32Array()]) => vector),
      generateEmbeddings: (texts) => (texts.length === 0 ? Effect.succeed([]) : embed(texts, 0)),
      embedQuery: (text) =>
        Effect.map(
          Effect.flatMap(cut(text), (windows) => embed(windows, 1)),
          mean,
        ),
      split: (passages) => Effect.forEach(passages, (passage) => Pieces.pieces(passage, windowLength, units)),
    })

    const control = FakeControl.of({
      failNext: (error, times = 1) =>
        Ref.update(behaviour, (current) => ({ ...current, failures: { error, times } })),
      failWhen: (matches, error) =>
        Ref.update(behaviour, (current) => ({
          ...current,
          failing: [...(current.failing ?? []), { matches, error }],
        })),
      hangWhen: (matches) =>
        Ref.update(behaviour, (current) => ({ ...current, hanging: [...(current.hanging ?? []), matches] })),
      misbehaveNext: (kind, times = 1) =>
        Ref.update(behaviour, (current) => ({ ...current, misbehaviour: { kind, times } })),
      hold: Effect.asVoid(latch.close),
      release: Effect.asVoid(latch.open),
      reset: Effect.zipRight(Ref.set(behaviour, {}), Effect.asVoid(latch.open)),
      counters: Ref.get(counters),
    })

    return Context.make(Embedder, embedder).pipe(Context.add(FakeControl, control))
  })

/** The fake and its control, with some options of one's own. */
export const layerWith = (options: Options): Layer.Layer<Embedder | FakeControl> =>
  Layer.effectContext(make({ ...defaultOptions, ...options }))

/** The fake and its control. */
export const layer: Layer.Layer<Embedder | FakeControl> = layerWith({})
