/**
 * An `SqlClient` over one connection that serves its callers in order, keeps the event loop alive, and has
 * transactions that can be trusted. The stock client begins transactions deferred (a read, then a write, fails at
 * once when another process wrote in between), starves fibers, and turns a COMMIT that fails into a defect with the
 * transaction left open for others to write into. Everything a transaction needs to know of itself, its hooks
 * included, is in the connection that the standard `TransactionConnection` tag carries, so that a host's own
 * `sql.withTransaction` and ours nest in each other.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { StorageError } from "../Domain/Errors.js"
import type { StatementBuilder, TransactOptions } from "../Storage.js"
import * as EventLoop from "./EventLoop.js"
import * as FairLock from "./FairLock.js"
import * as LeanStatement from "./LeanStatement.js"
import { isTraced } from "./Traced.js"
import type { SafeConnection } from "./SqliteConnection.js"
import { isNothingToRollBack } from "./SqliteErrors.js"
import type { Runner, Step, StepError } from "./Step.js"
import { Turn } from "./Turn.js"

/** The client, and what a `Storage` needs of it beyond the standard interface. */
export interface FairClient {
  readonly sql: SqlClient.SqlClient
  /** The same without spans that nobody sees. */
  readonly statement: StatementBuilder
  /** A transaction in one go, or a part of the one that is open: then its failure is the failure of all of it. */
  readonly transact: <A>(step: Step<A, StepError>, options?: TransactOptions) => Effect.Effect<A, StepError>
  /** Statements in one go without a transaction of their own. */
  readonly query: <A>(step: Step<A, StepError>) => Effect.Effect<A, StepError>
  /** Whether a transaction (or reservation) of this very client is open in this context. */
  readonly isInside: (context: Context.Context<never>) => boolean
  /** Keeps statements off the transaction of a host's other database, which shares the standard tag. */
  readonly ignoringOthers: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** After the outermost transaction of this client has committed; at once outside. */
  readonly afterCommit: (effect: Effect.Effect<void>) => Effect.Effect<void>
  /** Runs one statement without the statement layer, in the open transaction or by itself. */
  readonly execute: (sql: string) => Effect.Effect<ReadonlyArray<unknown>, SqlError>
}

/** `file` is how errors name the database. */
export interface FairClientOptions {
  readonly file: string
  readonly spanAttributes?: Record<string, unknown> | undefined
  /** Called after each commit, before anybody learns of it. */
  readonly committed?: (() => void) | undefined
}

/** Runs what waited for a commit. A hook that dies cannot undo the commit, nor keep the other hooks from running. */
export const runHooks = (hooks: ReadonlyArray<Effect.Effect<void>>) =>
  Effect.forEach(
    hooks,
    (hook) => Effect.catchAllCause(hook, (cause) => Effect.logError("an afterCommit effect died", cause)),
    { discard: true },
  )

/** Makes the client. Nobody else may use `connection`. */
export const make = (connection: SafeConnection, options: FairClientOptions) =>
  Effect.gen(function* () {
    const lock = FairLock.make()
    const loop = EventLoop.make()
    const spanAttributes: ReadonlyArray<readonly [string, unknown]> = [
      ...Object.entries(options.spanAttributes ?? {}),
      ["db.system.name", "sqlite"],
    ]

    // The place in line is taken before the event loop turns, or a fiber that did not have to wait would be served
    // many times meanwhile. Nobody else could run a statement in that turn anyway: the thread is hogged for all.
    const enter = (restore: FairLock.Restore) =>
      Effect.flatMap(lock.acquire(restore), () =>
        loop.isHogged() ? Effect.onError(restore(loop.turn), () => Effect.sync(lock.release)) : Effect.void,
      )

    const thenRelease = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.matchCauseEffect(effect, {
        onFailure: (cause) => {
          lock.release()
          return Effect.failCause(cause)
        },
        onSuccess: (value) => {
          lock.release()
          return Effect.succeed(value)
        },
      })

    const locked = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore) => Effect.zipRight(enter(restore), thenRelease(effect)))

    /** The connection outside a transaction: each statement takes the lock for itself. */
    const single: Connection = {
      execute: (sql, params, transform) => locked(connection.execute(sql, params, transform)),
      executeRaw: (sql, params) => locked(connection.executeRaw(sql, params)),
      executeValues: (sql, params) => locked(connection.executeValues(sql, params)),
      executeUnprepared: (sql, params, transform) =>
        locked(connection.executeUnprepared(sql, params, transform)),
      executeStream: (sql, params, transform) =>
        Stream.fromIterableEffect(single.execute(sql, params, transform)),
    }

    const currentTurn = (
      context: Context.Context<never>,
    ): readonly [turn: Turn, depth: number] | undefined => {
      const current = Context.getOption(context, SqlClient.TransactionConnection)
      if (Option.isNone(current)) return undefined
      const [turn, depth] = current.value
      // Another client's transaction shares the tag, and is none of ours.
      return turn instanceof Turn && turn.connection === connection ? [turn, depth] : undefined
    }

    const command = (sql: string) => connection.rows(sql, [])
    const rollback = () =>
      Either.mapLeft(command("ROLLBACK"), (error) => {
        if (isNothingToRollBack(error)) return
        connection.discard(
          new StorageError({
            trouble: "Other",
            reason: `${options.file}: a transaction could not be rolled back, so nothing more is written: restart`,
            cause: error,
          }),
        )
      })
    const begin = Effect.suspend(() => command("BEGIN IMMEDIATE"))

    /** Ends a transaction. Succeeds only when COMMIT has, and leaves no transaction open if not. */
    const endWith = <A, E>(exit: Exit.Exit<A, E>): Exit.Exit<A, E | SqlError> => {
      if (Exit.isSuccess(exit)) {
        const committed = command("COMMIT")
        if (Either.isRight(committed)) {
          options.committed?.()
          return exit
        }
        rollback()
        return Exit.fail(committed.left)
      }
      rollback()
      return exit
    }

    const end = <A, E>(turn: Turn, exit: Exit.Exit<A, E>): Exit.Exit<A, E | SqlError> => {
      turn.end(false)
      const ended = endWith<A, E | SqlError>(
        turn.doomed === undefined || Exit.isFailure(exit) ? exit : Exit.fail(turn.doomed),
      )
      if (Exit.isSuccess(ended)) turn.end(true)
      return ended
    }

    const within = <A, E, R>(effect: Effect.Effect<A, E, R>, turn: Turn, depth: number) =>
      Effect.provideService(effect, SqlClient.TransactionConnection, [turn, depth])

    const outermost = <A, E, R>(restore: FairLock.Restore, effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(enter(restore), () => {
        const turn = new Turn(connection, loop)
        const work = Effect.zipRight(
          begin,
          Effect.flatMap(Effect.exit(restore(within(effect, turn, 0))), (exit) => end(turn, exit)),
        )
        return Effect.flatMap(thenRelease(work), (value) =>
          turn.hooks.length === 0 ? Effect.succeed(value) : Effect.as(runHooks(turn.hooks), value),
        )
      })

    const nested = <A, E, R>(
      restore: FairLock.Restore,
      effect: Effect.Effect<A, E, R>,
      [parent, depth]: readonly [Turn, number],
    ): Effect.Effect<A, E | SqlError, R> => {
      const turn = new Turn(connection, loop, parent)
      const name = `embedbox_${depth + 1}`
      const release = turn.command(`RELEASE ${name}`)
      const undo = Effect.zipRight(turn.command(`ROLLBACK TO ${name}`), release)
      return Effect.zipRight(
        turn.command(`SAVEPOINT ${name}`),
        Effect.flatMap(Effect.exit(restore(within(effect, turn, depth + 1))), (exit) => {
          if (Exit.isSuccess(exit)) {
            return Effect.zipRight(
              release,
              Effect.suspend(() => Effect.zipRight(turn.handUp, exit)),
            )
          }
          // If the savepoint cannot be undone, the whole must be: `command` has doomed it.
          return Effect.zipRight(Effect.ignore(undo), exit)
        }),
      )
    }

    const transaction = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.contextWithEffect((context: Context.Context<never>) => {
          const current = currentTurn(context)
          return current === undefined ? outermost(restore, effect) : nested(restore, effect, current)
        }),
      )

    /** What a step gives; a bug in it is a defect, as it would be in an Effect. */
    const performed = <A>(step: Step<A, StepError>, runner: Runner): Exit.Exit<A, StepError> =>
      Either.match(
        Either.try(() => step.perform(runner)),
        { onLeft: Exit.die, onRight: Either.match({ onLeft: Exit.fail, onRight: Exit.succeed }) },
      )

    /** All is done by the holder of the lock, and the lock given back, in one step of the fiber. */
    const atOnce = <A>(
      step: Step<A, StepError>,
      around: (run: () => Exit.Exit<A, StepError>) => Exit.Exit<A, StepError>,
      fiber: Fiber.RuntimeFiber<unknown, unknown>,
    ): Effect.Effect<A, StepError> => {
      const held = (): Effect.Effect<A, StepError> => {
        const hooks: Array<Effect.Effect<void>> = []
        const runner: Runner = {
          execute: connection.rows,
          now: Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis(),
          afterCommit: (effect) => void hooks.push(effect),
        }
        const exit = around(() => performed(step, runner))
        lock.release()
        return Exit.isSuccess(exit) && hooks.length > 0 ? Effect.zipRight(runHooks(hooks), exit) : exit
      }
      // Nearly always the lock is free.
      return Effect.uninterruptibleMask((restore) =>
        !loop.isHogged() && lock.tryAcquire() ? held() : Effect.flatMap(enter(restore), held),
      )
    }

    const inTransaction = <A>(run: () => Exit.Exit<A, StepError>): Exit.Exit<A, StepError> => {
      const begun = command("BEGIN IMMEDIATE")
      return Either.isLeft(begun) ? Exit.fail(begun.left) : endWith(run())
    }

    const unflushed = <A>(run: () => Exit.Exit<A, StepError>): Exit.Exit<A, StepError> => {
      const eased = connection.flushCommits(false)
      if (Either.isLeft(eased)) return Exit.fail(eased.left)
      const exit = inTransaction(run)
      // What is committed stays so; but nothing more may be acknowledged that is not flushed.
      Either.mapLeft(connection.flushCommits(true), (error) =>
        connection.discard(
          new StorageError({
            trouble: "Other",
            reason: `${options.file}: commits could not be made durable again, so nothing more is written: restart`,
            cause: error,
          }),
        ),
      )
      return exit
    }

    const withTransaction = <R, E, A>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
      Effect.withFiberRuntime((fiber) =>
        isTraced(fiber)
          ? Effect.useSpan("sql.transaction", { kind: "client", captureStackTrace: false }, (span) => {
              for (const [key, value] of spanAttributes) span.attribute(key, value)
              return transaction(Effect.withParentSpan(effect, span))
            })
          : transaction(effect),
      )

    /** The lock for as long as the scope lives; inside a transaction, that transaction's connection. */
    const reserve: Effect.Effect<Connection, SqlError, Scope.Scope> = Effect.uninterruptibleMask((restore) =>
      Effect.contextWithEffect((context: Context.Context<Scope.Scope>) => {
        const current = currentTurn(context)
        if (current !== undefined) return Effect.succeed(current[0])
        return Effect.flatMap(enter(restore), () => {
          const turn = new Turn(connection, loop)
          const giveBack = Effect.suspend(() => {
            turn.end(true)
            lock.release()
            return runHooks(turn.hooks)
          })
          return Effect.as(Scope.addFinalizer(Context.get(context, Scope.Scope), giveBack), turn)
        })
      }),
    )

    const client = yield* SqlClient.make({
      acquirer: Effect.succeed(single),
      transactionAcquirer: reserve,
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes,
    })
    const sql: SqlClient.SqlClient = Object.assign(client, { withTransaction })

    const connectionOf = (context: Context.Context<never>) => currentTurn(context)?.[0] ?? single

    const fair: FairClient = {
      sql,
      statement: LeanStatement.make(sql, connectionOf),
      transact: (step, options) =>
        Effect.withFiberRuntime((fiber) => {
          const current = currentTurn(fiber.currentContext)
          if (current !== undefined) {
            return Effect.tapErrorCause(step, (cause) => current[0].giveUp(Cause.squash(cause)))
          }
          if (isTraced(fiber)) return withTransaction(step)
          return atOnce(step, options?.flush === false ? unflushed : inTransaction, fiber)
        }),
      query: (step) =>
        Effect.withFiberRuntime((fiber) =>
          currentTurn(fiber.currentContext) !== undefined || isTraced(fiber)
            ? step
            : atOnce(step, (run) => run(), fiber),
        ),
      isInside: (context) => currentTurn(context) !== undefined,
      ignoringOthers: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.contextWithEffect((context: Context.Context<never>): Effect.Effect<A, E, R> => {
          const current = Context.getOption(context, SqlClient.TransactionConnection)
          return Option.isNone(current) || current.value[0] === single || currentTurn(context) !== undefined
            ? effect
            : Effect.provideService(effect, SqlClient.TransactionConnection, [single, 0])
        }),
      afterCommit: (effect) =>
        Effect.contextWithEffect((context: Context.Context<never>) => {
          const current = currentTurn(context)
          return current === undefined ? effect : current[0].afterCommit(effect)
        }),
      execute: (text) =>
        Effect.contextWithEffect((context: Context.Context<never>) =>
          connectionOf(context).execute(text, [], undefined),
        ),
    }
    return fair
  })
