/**
 * A step: statements, and what is made of their rows, with nothing between them that waits. It is an Effect like any
 * other and can be yielded in `Effect.gen`; then each statement is run by itself, over whatever client there is. But our
 * own connection, given a step as a whole transaction, performs it in one go, since nothing in it needs a fiber: that
 * costs what its statements cost, and not several times that for the steps of an interpreter between them (measured by
 * `scratchpad/bench/queue.ts`). As with Option and Either, what is yielded in `Step.fn` are other steps, so one rule
 * serves both ways of running. A step has no failures of its own but those of the database: what it refuses, it answers.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import { SingleShotGen, YieldWrap, yieldWrapGet } from "effect/Utils"
import type { StorageError } from "../Domain/Errors.js"

/** Why a step cannot go on: a statement failed, or a row is not what it should be. */
export type StepError = SqlError | ParseError | StorageError

/** What performs a step in one go: a connection that is nobody else's meanwhile. */
export interface Runner {
  readonly execute: (
    sql: string,
    params: ReadonlyArray<unknown>,
  ) => Either.Either<ReadonlyArray<unknown>, SqlError>
  /** In milliseconds since the epoch; the same for the whole of it. */
  readonly now: number
  /** Keeps `effect` for after the commit. */
  readonly afterCommit: (effect: Effect.Effect<void>) => void
}

/** See above. Made by `make`, `gen` and the functions below. */
export interface Step<A, E extends StepError = StepError> extends Effect.Effect<A, E> {
  readonly perform: (runner: Runner) => Either.Either<A, E>
  [Symbol.iterator](): Effect.EffectGenerator<Step<A, E>>
}

/** For steps that are classes of their own; `commit` is the step as an Effect. */
export abstract class Base<A, E extends StepError> extends Effectable.Class<A, E> implements Step<A, E> {
  abstract perform(runner: Runner): Either.Either<A, E>

  override [Symbol.iterator](): Effect.EffectGenerator<Step<A, E>> {
    return new SingleShotGen<YieldWrap<Step<A, E>>, A>(new YieldWrap(this))
  }
}

class Made<A, E extends StepError> extends Base<A, E> {
  constructor(
    readonly commit: () => Effect.Effect<A, E>,
    readonly perform: (runner: Runner) => Either.Either<A, E>,
  ) {
    super()
  }
}

class Mapped<A, B, E extends StepError, E2 extends StepError> extends Base<B, E | E2> {
  constructor(
    private readonly step: Step<A, E>,
    private readonly f: (answer: A) => Either.Either<B, E2>,
  ) {
    super()
  }

  commit() {
    return Effect.flatMap(this.step, this.f)
  }

  perform(runner: Runner): Either.Either<B, E | E2> {
    const answer = this.step.perform(runner)
    return Either.isLeft(answer) ? Either.left(answer.left) : this.f(answer.right)
  }
}

/** A step by its two ways of running, which must do the same. */
export const make = <A, E extends StepError>(
  effect: () => Effect.Effect<A, E>,
  perform: (runner: Runner) => Either.Either<A, E>,
): Step<A, E> => new Made(effect, perform)

/** Steps on their way. */
type Steps<A> = Generator<YieldWrap<Step<unknown, StepError>>, A, unknown>

const performAll = <A>(steps: Steps<A>, runner: Runner): Either.Either<A, StepError> => {
  let at = steps.next()
  while (at.done !== true) {
    const answer = yieldWrapGet(at.value).perform(runner)
    if (Either.isLeft(answer)) return Either.left(answer.left)
    at = steps.next(answer.right)
  }
  return Either.right(at.value)
}

/**
 * Steps in a row that depend on arguments, as `Effect.fn` has effects. To be made once and called often: a `function*` that
 * is made for each call has V8 make a hidden class for each, which takes longer than a statement and keeps all that the
 * function holds until the next full collection.
 */
export const fn =
  <Args extends ReadonlyArray<unknown>, A>(body: (...args: Args) => Steps<A>) =>
  (...args: Args): Step<A, StepError> =>
    make(
      () => Effect.gen(() => body(...args)),
      (runner) => performAll(body(...args), runner),
    )

/** The same for those that depend on nothing. */
export const gen = <A>(body: () => Steps<A>): Step<A, StepError> => fn(body)()

/** What is known without asking the database, or is wrong without it. */
export const fromEither = <A, E extends StepError>(either: Either.Either<A, E>): Step<A, E> =>
  make(
    () => either,
    () => either,
  )

/** The end of a step, and of the transaction around it. */
export const fail = <E extends StepError>(error: E): Step<never, E> => fromEither(Either.left(error))

export const map = <A, B, E extends StepError>(step: Step<A, E>, f: (answer: A) => B): Step<B, E> =>
  new Mapped(step, (answer) => Either.right(f(answer)))

/** `f` checks the answer, or makes what may be wrong of it. */
export const mapEither = <A, B, E extends StepError, E2 extends StepError>(
  step: Step<A, E>,
  f: (answer: A) => Either.Either<B, E2>,
): Step<B, E | E2> => new Mapped(step, f)

/** The time, in milliseconds since the epoch. */
export const now: Step<number, never> = make(
  () => Clock.currentTimeMillis,
  (runner) => Either.right(runner.now),
)
