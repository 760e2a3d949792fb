/**
 * A host that takes orders into a table of its own and saves each as an entity in the same transaction, several at once;
 * every fifth one is given up. It says which are taken once their transaction has committed.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { EntityService } from "../../src/EntityService.js"
import { systemOf } from "../support/models.js"

const [, , database = "", run = ""] = process.argv

const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

const takeOrders = (till: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const entities = yield* EntityService
    for (let number = 0; ; number++) {
      const id = `${run}-${till}-${number}`
      // Which of the two comes first must make no difference.
      const row = Effect.asVoid(sql`INSERT INTO orders (id) VALUES (${id})`)
      const entity = Effect.asVoid(entities.createEntity({ id, entityType: "order", content: `order ${id}` }))
      yield* Effect.gen(function* () {
        yield* number % 2 === 0 ? row : entity
        yield* number % 2 === 0 ? entity : row
        if (number % 5 === 4) yield* Effect.fail("given up" as const)
      }).pipe(
        sql.withTransaction,
        Effect.zipRight(say(`taken ${id}`)),
        Effect.catchIf(
          (error) => error === "given up",
          () => Effect.void,
        ),
      )
    }
  })

await Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)`
  yield* Effect.all([takeOrders(1), takeOrders(2), takeOrders(3)], { concurrency: "unbounded" })
}).pipe(Effect.provide(systemOf(database, 1)), Effect.runPromise)
