/**
 * The database, as every other module sees it: an SQL client plus the things that SQL alone does not give.
 * Transactions are replayed whole while another process holds the lock, since a half-done transaction cannot be
 * resumed; low-level errors become one typed `StorageError` at this border; an event is told to the world only
 * after the commit that made it true; and a cheap counter tells when another process has written. Repositories
 * write SQL with `sql` inside `read` or `write` and know nothing of locks.
 *
 * @example
 * import { EntityService, Storage } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * // The host's row and the entity are written together, or neither is.
 * export const ordered = (content: string) =>
 *   Effect.gen(function* () {
 *     const { sql, write } = yield* Storage.Storage
 *     const entities = yield* EntityService.EntityService
 *     return yield* write(
 *       Effect.tap(entities.createEntity({ content }), ({ entityId }) =>
 *         sql`INSERT INTO orders (entity_id) VALUES (${entityId})`,
 *       ),
 *     )
 *   })
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as SqlStatement from "@effect/sql/Statement"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import type { StorageError } from "./Domain/Errors.js"
import type { Step, StepError } from "./Storage/Step.js"

/** What repository code may fail with inside `read` or `write`; both come out as `StorageError`. */
export type LowLevelError = SqlError | ParseError

/** What a statement can be given. */
export type Argument = string | number | bigint | Uint8Array | null | SqlStatement.Fragment

/** One statement, ready to run. */
export interface Statement extends Step<ReadonlyArray<unknown>, SqlError> {
  /** What it is in SQL, for whoever wants its query plan. */
  readonly compile: () => readonly [sql: string, params: ReadonlyArray<unknown>]
}

/** Builds statements from template literals, as `sql` does. */
export interface StatementBuilder {
  (strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>): Statement
  /** Part of a statement, with arguments of its own. */
  readonly part: (strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>) => SqlStatement.Fragment
  /** SQL that is part of a statement as it is. */
  readonly literal: (sql: string) => SqlStatement.Fragment
}

/** How a transaction ends. */
export interface TransactOptions {
  /**
   * `false`: the commit is seen by everybody and outlives this process, but is not flushed to the disk: loss of power may
   * take it back, with all that came after it and nothing that came before. For what is worth nothing after that. Over a
   * host's own client, or as a part of another transaction, it ends as that does. Default true.
   */
  readonly flush?: boolean | undefined
}

/** The database. */
export class Storage extends Context.Tag("embedbox/Storage")<
  Storage,
  {
    readonly sql: SqlClient.SqlClient

    /**
     * `sql` for hot paths: the same statements without a span and a scope for each, which cost five times what
     * SQLite does. Under a tracer of the host's they have their spans all the same.
     */
    readonly statement: StatementBuilder

    /**
     * Runs statements that only read. Outside a transaction each statement sees its own snapshot.
     * Waits and tries again while the database is busy, within the time budget; then `StorageError` ("Busy").
     */
    readonly read: <A, E, R>(
      effect: Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, Exclude<E, LowLevelError> | StorageError, R>

    /**
     * The rows of a statement that reads and may take long, without stopping the event loop: on another thread, which
     * sees what is committed. In a transaction, in a database in memory and over a host's client it is run here, as by `read`.
     */
    readonly readAside: (statement: Statement) => Effect.Effect<ReadonlyArray<unknown>, StorageError>

    /** How many statements `readAside` runs at the same time: what takes long is done sooner in as many parts. */
    readonly asideWidth: number

    /**
     * Runs `effect` in one transaction that took the write lock at its start. It is run again as a whole while
     * the database is busy, so it must have no effects but those on the database and `afterCommit`. Inside
     * another transaction it is a savepoint and is not replayed by itself. Never fork, embed, sleep or call
     * HTTP inside it. Interruption rolls it back.
     */
    readonly write: <A, E, R>(
      effect: Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, Exclude<E, LowLevelError> | StorageError, R>

    /**
     * A step as one transaction, performed in one go; inside another transaction it is part of that, without a savepoint
     * (which costs more than its statements do): where it fails there, the whole transaction can only be rolled back.
     * Within another step it is just its statements.
     */
    readonly transact: <A>(step: Step<A, StepError>, options?: TransactOptions) => Step<A, StorageError>

    /** `read` for a step that only reads: no transaction, each statement sees its own snapshot. */
    readonly query: <A>(step: Step<A, StepError>) => Step<A, StorageError>

    /** Whether a transaction is open around the caller, `write` or the host's own. */
    readonly isInside: Effect.Effect<boolean>

    /**
     * Inside `write`: runs `effect` once, after the outermost transaction has committed, and never when it is
     * rolled back. Outside: runs it at once.
     */
    readonly afterCommit: (effect: Effect.Effect<void>) => Step<void, never>

    /** A number that changes when another connection or process commits. Costs microseconds: poll it. */
    readonly dataVersion: Effect.Effect<number, StorageError>
  }
>() {}
