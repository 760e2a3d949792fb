/**
 * Transactions of a client that is not ours. Its `withTransaction` says nothing about the commit, so what is to run
 * afterwards is kept beside it, in a service of the context, one list for each `write` that is open.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { runHooks } from "./FairClient.js"

class Hooks extends Context.Tag("embedbox/Storage/Hooks")<Hooks, Array<Effect.Effect<void>>>() {}

/** Whether any transaction is open in this context. */
export const isInside = (context: Context.Context<never>): boolean =>
  Option.isSome(Context.getOption(context, SqlClient.TransactionConnection))

/** Keeps `effect` for the end of the outermost `withTransaction` of this module; runs it at once outside. */
export const afterCommit = (effect: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.contextWithEffect((context: Context.Context<never>) =>
    Option.match(Context.getOption(context, Hooks), {
      onNone: () => effect,
      onSome: (hooks) => Effect.sync(() => void hooks.push(effect)),
    }),
  )

/** The client's own transaction, with hooks. */
export const withTransaction = <A, E, R>(
  sql: SqlClient.SqlClient,
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | SqlError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWithEffect((context: Context.Context<never>) => {
      const own: Array<Effect.Effect<void>> = []
      const around = Context.getOption(context, Hooks)
      // Only the effect can be interrupted: after the commit, nothing may come between it and the hooks.
      const inside = restore(Effect.provideService(effect, Hooks, own))
      return Effect.tap(sql.withTransaction(inside), () =>
        Option.isSome(around) ? Effect.sync(() => void around.value.push(...own)) : runHooks(own),
      )
    }),
  )
