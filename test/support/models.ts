/** Fake models that differ by their seed alone: enough for a change of model. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Embedder } from "../../src/Embedder.js"
import * as Fake from "../../src/Embedder/Fake.js"
import * as Models from "../../src/Models.js"
import { Storage } from "../../src/Storage.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { services, system } from "../support.js"

export const seedIn = (fingerprint: string) => Number(/seed-(\d+)/.exec(fingerprint)?.[1] ?? 0)

/** Every fake there was, told by its seed. */
const formerFakes = Layer.succeed(Models.FormerModels, {
  find: (fingerprint) =>
    Effect.map(Effect.scoped(Layer.build(Fake.layerWith({ seed: seedIn(fingerprint) }))), (context) =>
      Option.some({ ...Context.get(context, Embedder), fingerprint }),
    ),
})

/** The whole system, as a process that is configured with this model. */
export const systemOf = (filename: string, seed: number) =>
  system({ filename, fake: { seed } }).pipe(Layer.provide(formerFakes))

/** The same with a model that takes a second for a batch. */
export const slowSystemOf = (filename: string, seed: number) =>
  services().pipe(
    Layer.provide(formerFakes),
    Layer.provideMerge(
      Layer.merge(
        Sqlite.layer({ filename }),
        Layer.map(Fake.layerWith({ seed }), (context) => {
          const embedder = Context.get(context, Embedder)
          return Context.add(context, Embedder, {
            ...embedder,
            generateEmbeddings: (texts) =>
              Effect.zipRight(Effect.sleep("1 second"), embedder.generateEmbeddings(texts)),
          })
        }),
      ),
    ),
  )

/** How many vectors each seed has. */
export const seeds = Effect.flatMap(
  Storage,
  ({ sql }) => sql<{ readonly fingerprint: string; readonly vectors: number }>`
    SELECT fingerprint, count(*) AS vectors FROM entity_vectors GROUP BY fingerprint ORDER BY fingerprint`,
).pipe(Effect.map((rows) => rows.map(({ fingerprint, vectors }) => [seedIn(fingerprint), vectors])))
