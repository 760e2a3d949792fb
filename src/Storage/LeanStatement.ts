/**
 * Statements without the SQL layer's ceremony. A span, a scope and a lookup of the transformer for each cost some
 * ten microseconds, and SQLite itself two: on the way of a create that is most of the time. Where a host has brought a
 * tracer, statements are traced.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Argument, StatementBuilder } from "../Storage.js"
import { isTraced } from "./Traced.js"

const parts = (sql: SqlClient.SqlClient) => ({
  part: (strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>) => sql(strings, ...args),
  literal: (text: string) => sql.literal(text),
})

/** `connectionOf` tells the connection that a statement in this context runs on. */
export const make = (
  sql: SqlClient.SqlClient,
  connectionOf: (context: Context.Context<never>) => Connection,
): StatementBuilder => {
  const build = (strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>) => {
    const statement = sql<object>(strings, ...args)
    const run = Effect.withFiberRuntime<ReadonlyArray<unknown>, Effect.Effect.Error<typeof statement>>(
      (fiber) => {
        if (isTraced(fiber)) return statement
        const [text, params] = statement.compile()
        return connectionOf(fiber.currentContext).execute(text, params, undefined)
      },
    )
    return Object.assign(run, { compile: () => statement.compile() })
  }
  return Object.assign(build, parts(sql))
}

/** A builder that only lends its shape: its statements run as `sql` runs them. */
export const plain = (sql: SqlClient.SqlClient): StatementBuilder =>
  Object.assign(
    (strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>) => sql<object>(strings, ...args),
    parts(sql),
  )
