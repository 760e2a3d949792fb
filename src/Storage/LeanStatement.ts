/**
 * Statements without the SQL layer's ceremony. A span, a scope and a lookup of the transformer for each cost some
 * ten microseconds, and SQLite itself two: on the way of a create that is most of the time. Where a host has brought a
 * tracer, statements are traced.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlStatement from "@effect/sql/Statement"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Argument, Statement, StatementBuilder } from "../Storage.js"
import * as Step from "./Step.js"
import { isTraced } from "./Traced.js"

const parts = (sql: SqlClient.SqlClient) => ({
  part: (strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>) => sql(strings, ...args),
  literal: (text: string) => sql.literal(text),
})

type Compiled = readonly [sql: string, params: ReadonlyArray<unknown>]

/** The text of templates that have no parts but values: it is the same every time. */
const texts = new WeakMap<TemplateStringsArray, string>()

/** What the client's compiler makes of literals and values, which is all that `part` and `literal` hold. */
const compiled = (strings: TemplateStringsArray, args: ReadonlyArray<Argument>): Compiled | undefined => {
  if (!args.some(SqlStatement.isFragment)) {
    const text = texts.get(strings) ?? strings.join("?")
    texts.set(strings, text)
    return [text, args]
  }
  let text = strings[0] ?? ""
  const params: Array<unknown> = []
  for (const [at, arg] of args.entries()) {
    if (SqlStatement.isFragment(arg)) {
      for (const segment of arg.segments) {
        if (segment._tag === "Parameter") {
          text += "?"
          params.push(segment.value)
        } else if (segment._tag === "Literal" && segment.params === undefined) text += segment.value
        else return undefined
      }
    } else {
      text += "?"
      params.push(arg)
    }
    text += strings[at + 1] ?? ""
  }
  return [text, params]
}

/** Its text is made when it runs: of most statements, just once. */
class Lean extends Step.Base<ReadonlyArray<unknown>, SqlError> implements Statement {
  constructor(
    private readonly sql: SqlClient.SqlClient,
    private readonly connectionOf: (context: Context.Context<never>) => Connection,
    private readonly strings: TemplateStringsArray,
    private readonly args: ReadonlyArray<Argument>,
  ) {
    super()
  }

  private traced() {
    return this.sql<object>(this.strings, ...this.args)
  }

  compile(): Compiled {
    return compiled(this.strings, this.args) ?? this.traced().compile()
  }

  commit() {
    return Effect.withFiberRuntime<ReadonlyArray<unknown>, SqlError>((fiber) => {
      if (isTraced(fiber)) return this.traced()
      const [text, params] = this.compile()
      return this.connectionOf(fiber.currentContext).execute(text, params, undefined)
    })
  }

  perform(runner: Step.Runner) {
    const [text, params] = this.compile()
    return runner.execute(text, params)
  }
}

/** `connectionOf` tells the connection that a statement in this context runs on. */
export const make = (
  sql: SqlClient.SqlClient,
  connectionOf: (context: Context.Context<never>) => Connection,
): StatementBuilder =>
  Object.assign(
    (strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>) =>
      new Lean(sql, connectionOf, strings, args),
    parts(sql),
  )

/** A builder that only lends its shape: its statements run as `sql` runs them. */
export const plain = (sql: SqlClient.SqlClient): StatementBuilder =>
  Object.assign((strings: TemplateStringsArray, ...args: ReadonlyArray<Argument>) => {
    const statement = sql<object>(strings, ...args)
    const compile = () => statement.compile()
    return Object.assign(
      Step.make<ReadonlyArray<unknown>, SqlError>(
        () => statement,
        (runner) => runner.execute(...compile()),
      ),
      { compile },
    )
  }, parts(sql))
