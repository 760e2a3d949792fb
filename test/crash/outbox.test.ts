// @effect-diagnostics processEnv:off
/** The outbox property: what a host writes together with an entity is there with it or not at all, whenever it dies. */
import { expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { EntityService } from "../../src/EntityService.js"
import { checkInvariants } from "../invariants.js"
import { temporaryFolder } from "../support.js"
import { systemOf } from "../support/models.js"
import * as Random from "../support/Random.js"
import * as Children from "./Children.js"
import { embedAll } from "./Embedding.js"

const seed = Number(process.env["EMBEDBOX_CRASH_SEED"] ?? process.hrtime.bigint() % 1_000_000n)
const rounds = 5

it.scopedLive(
  `orders of a host and their entities stand or fall together, also when it is killed (seed ${seed})`,
  () =>
    Effect.gen(function* () {
      const random = Random.make(seed)
      const folder = yield* temporaryFolder
      const database = Path.join(folder, "orders.sqlite")
      const output = Path.join(folder, "output.log")
      for (let round = 0; round < rounds; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const host = yield* Children.orders({ database, run: `r${round}`, output })
            expect(yield* host.ready, host.said()).toBe(true)
            yield* Effect.sleep(random.below(150))
            expect(yield* host.kill("SIGKILL")).toBe("SIGKILL")
          }),
        )
        yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const entities = yield* EntityService
          const orders = (yield* sql<{ readonly id: string }>`SELECT id FROM orders ORDER BY id`).map(
            ({ id }) => id,
          )
          const listed = yield* entities.listEntities({ entityTypes: ["order"], limit: 1000 })
          // As many as fit in a page: else the comparison would be of halves.
          expect(orders.length).toBeLessThan(1000)
          expect(listed.map(({ id }) => String(id)).toSorted()).toEqual(orders.toSorted())
          const told = Fs.readFileSync(output, "utf8").matchAll(/^taken (\S+)$/gm)
          const taken = [...told].map(([, id = ""]) => id)
          expect(taken.length).toBeGreaterThan(0)
          expect(taken.filter((id) => !orders.includes(id))).toEqual([])
          expect(orders.filter((id) => Number(id.split("-").at(-1)) % 5 === 4)).toEqual([])
          expect((yield* checkInvariants()).violations).toEqual([])
          if (round < rounds - 1) return
          // What was boxed in the host's transactions is embedded like all else.
          yield* embedAll
          const [first = ""] = orders
          const { results } = yield* entities.search(`order ${first}`, { mode: "semantic", limit: 1 })
          expect(results.map(({ entityId }) => String(entityId))).toEqual([first])
        }).pipe(Effect.provide(systemOf(database, 1)))
      }
    }),
  120_000,
)
