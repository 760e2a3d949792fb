/** A process that embeds everything anew with the fake model of the given seed, and says how far it is. */
import * as Effect from "effect/Effect"
import { Reembedding } from "../../src/Reembedding.js"
import { systemOf } from "../support/models.js"

const [, , database = "", seed = ""] = process.argv

const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

await Effect.flatMap(Reembedding, (service) =>
  service.run(({ done }) =>
    // As long as a small model would take, so that whoever kills finds it at work.
    Effect.zipRight(say(`at ${done}`), Effect.sleep("5 millis")),
  ),
).pipe(
  Effect.tap(({ changed, dropped }) => say(`ended: changed ${changed}, dropped ${dropped}`)),
  Effect.provide(systemOf(database, Number(seed))),
  Effect.runPromise,
)
