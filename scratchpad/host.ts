/**
 * A host of Embedbox in Effect: it composes the shell with settings of its own, saves two notes, waits for one of
 * them, and asks a question. Run it: npx tsx scratchpad/host.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Config, EntityService, Logging, Shell } from "embedbox"

const program = Effect.gen(function* () {
  const entities = yield* EntityService.EntityService

  // Returns when the note is durable; a model has not been asked yet.
  yield* entities.upsertEntity({
    id: "bread",
    content: "# Bread\nFlour, water, salt, and a night of patience.",
  })
  const receipt = yield* entities.upsertEntity({
    id: "bike",
    content: "# Bike\nThe chain wants oil every month.",
  })
  yield* Console.log(`saved ${receipt.entityId}, ${receipt.change}, job ${receipt.jobId}`)

  const ended = yield* entities.awaitJob(receipt.jobId)
  yield* Console.log(`embedded ${ended.entityId}: ${ended.outcome}`)

  const answer = yield* entities.search("how do I bake", { limit: 1 })
  for (const { excerpt, title } of answer.results) yield* Console.log(`found ${title}: ${excerpt}`)
  if (answer.pending > 0) yield* Console.log(`(${answer.pending} notes are still being embedded)`)
})

// The environment wins over these defaults. `Shell.layerFrom` takes your own embedder or database.
const MyShell = Layer.unwrapEffect(
  Effect.map(Config.load({ database: ".embedbox/host.sqlite", logLevel: "warning" }), (settings) =>
    Shell.layerWith(settings).pipe(Layer.provideMerge(Logging.layer(settings))),
  ),
)

NodeRuntime.runMain(Effect.provide(program, MyShell))
