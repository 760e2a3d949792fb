import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { Storage } from "../../src/Storage.js"

/** A tracer that notes the names of its spans. */
const noting = Effect.map(Effect.tracer, (native) => {
  const names: Array<string> = []
  const tracer = Tracer.make({
    span: (name, ...rest) => {
      names.push(name)
      return native.span(name, ...rest)
    },
    context: (f, fiber) => native.context(f, fiber),
  })
  return { names, tracer }
})

it.effect("a statement has its span where the host has brought a tracer", () =>
  Effect.gen(function* () {
    const { statement } = yield* Storage
    const { names, tracer } = yield* noting
    expect(yield* Effect.withTracer(statement`SELECT ${1} AS one`, tracer)).toEqual([{ one: 1 }])
    expect(names).toContain("sql.execute")
  }).pipe(Effect.provide(Sqlite.layer({ filename: ":memory:" }))),
)

it.effect(
  "a statement is part of the transaction around it, and sees nothing of one that is not its own",
  () =>
    Effect.gen(function* () {
      const { sql, statement, write } = yield* Storage
      yield* sql`CREATE TABLE t (a INTEGER)`
      const insert = statement`INSERT INTO t VALUES (${1})`
      yield* Effect.flip(write(Effect.zipRight(insert, Effect.fail("undone"))))
      expect(yield* statement`SELECT count(*) AS n FROM t`).toEqual([{ n: 0 }])
      yield* write(insert)
      expect(yield* statement`SELECT count(*) AS n FROM t`).toEqual([{ n: 1 }])
      expect(yield* Effect.flip(statement`SELECT nothing FROM t`)).toMatchObject({ _tag: "SqlError" })
    }).pipe(Effect.provide(Sqlite.layer({ filename: ":memory:" }))),
)
