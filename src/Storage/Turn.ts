/**
 * The connection as the holder of the lock sees it: during one transaction, one savepoint or one reservation. It
 * knows when its time is over, so that a fiber which outlives its transaction gets an error instead of writing into
 * somebody else's; it knows when SQLite may have given the transaction up, so that nothing is written outside it; and
 * it keeps what is to run after the commit, level by level, so that a savepoint takes its own along when it is undone.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { EventLoop } from "./EventLoop.js"
import { endsTransaction } from "./SqliteErrors.js"

const overError = () =>
  new SqlError({
    cause: undefined,
    message: "this transaction is over: a fiber that was forked inside it went on using its connection",
  })

/** One level of a transaction. Hand it out by the `TransactionConnection` tag. */
export class Turn implements Connection {
  /** What runs after the commit. */
  readonly hooks: Array<Effect.Effect<void>> = []
  private readonly root: Turn
  private fatal: SqlError | undefined
  private state: "open" | "over" | "committed" = "open"

  constructor(
    readonly connection: Connection,
    private readonly loop: EventLoop,
    private readonly parent?: Turn,
  ) {
    this.root = parent === undefined ? this : parent.root
  }

  /** Why the whole transaction can only be rolled back, if so. */
  get doomed(): SqlError | undefined {
    return this.root.fatal
  }

  /** Ends the outermost level: no statement runs on it any more. */
  end(committed: boolean) {
    this.state = committed ? "committed" : "over"
  }

  /** Gives the hooks of a savepoint that is kept to the level around it. */
  readonly handUp = Effect.sync(() => {
    this.parent?.hooks.push(...this.hooks.splice(0))
  })

  /** Keeps `effect` for after the commit. */
  afterCommit(effect: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.root.state === "committed") return effect
      if (this.root.state === "open") this.hooks.push(effect)
      return Effect.void
    })
  }

  /** Makes sure that the whole transaction is rolled back, whoever survives this failure. */
  readonly giveUp = (cause: unknown): Effect.Effect<void> =>
    this.doom(new SqlError({ cause, message: "a step of this transaction has failed" }))

  /** A statement that moves between levels: when it fails, nobody knows the level, and all of it is undone. */
  command(sql: string): Effect.Effect<void, SqlError> {
    return Effect.tapError(this.run(this.connection.execute(sql, [], undefined)), (error) => this.doom(error))
  }

  execute: Connection["execute"] = (sql, params, transform) =>
    this.statement(this.connection.execute(sql, params, transform))

  executeRaw: Connection["executeRaw"] = (sql, params) =>
    this.statement(this.connection.executeRaw(sql, params))

  executeValues: Connection["executeValues"] = (sql, params) =>
    this.statement(this.connection.executeValues(sql, params))

  executeUnprepared: Connection["executeUnprepared"] = (sql, params, transform) =>
    this.statement(this.connection.executeUnprepared(sql, params, transform))

  executeStream: Connection["executeStream"] = (sql, params, transform) =>
    Stream.fromIterableEffect(this.execute(sql, params, transform))

  /** A long transaction lets the event loop turn as well; the lock stays where it is. */
  private statement<A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.suspend(() =>
      this.loop.isHogged() ? Effect.zipRight(this.loop.turn, this.run(statement)) : this.run(statement),
    )
  }

  private run<A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.suspend(() => {
      if (this.root.state !== "open") return Effect.fail(overError())
      if (this.root.fatal !== undefined) return Effect.fail(this.root.fatal)
      return Effect.tapError(statement, (error) => (endsTransaction(error) ? this.doom(error) : Effect.void))
    })
  }

  private doom(error: SqlError) {
    return Effect.sync(() => {
      this.root.fatal ??= error
    })
  }
}
