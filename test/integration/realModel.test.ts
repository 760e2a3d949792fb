/** The whole flow with the real model: real files, real processes, real vectors. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Path from "node:path"
import { covers } from "../../src/Domain/Chunk.js"
import { Embedder } from "../../src/Embedder.js"
import { EntityService } from "../../src/EntityService.js"
import * as Shell from "../../src/Shell.js"
import * as Config from "../../src/Shell/Config.js"
import { Storage } from "../../src/Storage.js"
import { temporaryFolder } from "../support.js"

const notes = {
  bread: "Mix flour, water, salt and yeast, let the dough rise overnight and bake it in a hot oven.",
  bicycle: "To mend a flat tyre, take off the wheel, find the hole in the tube and glue a patch over it.",
  moon: "The tides of the sea follow the pull of the moon as it travels around the earth.",
  tax: "Income from abroad has to be declared before the end of May, with receipts for deductions.",
}

it.scopedLive("notes are created at once, embedded by the bundled model, and found by meaning", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const settings = {
      ...(yield* Config.load()),
      model: "all-MiniLM-L6-v2" as const,
      database: Path.join(folder, "embedbox.sqlite"),
      cacheDir: Path.join(folder, "cache"),
      processes: 1,
    }
    const context = yield* Layer.build(Shell.layerWith(settings))
    yield* Effect.provide(
      Effect.gen(function* () {
        const service = yield* EntityService
        const embedder = yield* Embedder
        const { sql } = yield* Storage
        const receipts = yield* Effect.forEach(Object.entries(notes), ([id, content]) =>
          service.createEntity({ id, content }),
        )
        // A text of several windows: nothing of it may be cut off.
        const long = Array.from({ length: 40 }, (_, i) => `Chapter ${i}: ${notes.moon}`).join("\n\n")
        receipts.push(
          yield* service.createEntity({ id: "long", content: `${long}\n\nThe last word is zugzwang.` }),
        )
        const waiting = yield* service.search("how do I fix my bike", { mode: "semantic" })
        expect(waiting.results.length + waiting.pending).toBeGreaterThanOrEqual(5)
        yield* Effect.forEach(receipts, ({ jobId }) => service.awaitJob(jobId))

        const questions = {
          bread: "a recipe for a loaf",
          bicycle: "how do I fix my bike",
          tax: "money owed to the state",
        }
        for (const [id, question] of Object.entries(questions)) {
          const { pending, results } = yield* service.search(question, { mode: "semantic", limit: 1 })
          expect(pending).toBe(0)
          expect(results[0]).toMatchObject({ entityId: id, embedding: { state: "ready" } })
        }

        const chunks = yield* sql<{ readonly start: number; readonly text: string; readonly bytes: number }>`
          SELECT start, text, length(vector) AS bytes FROM entity_vectors WHERE entity_id = 'long' ORDER BY chunk`
        expect(chunks.length).toBeGreaterThan(2)
        expect(covers(chunks, `${long}\n\nThe last word is zugzwang.`)).toBe(true)
        expect(chunks.every((row) => row.bytes === 4 * embedder.dimensions)).toBe(true)

        const inline = yield* service.createEntitySync({
          id: "inline",
          content: "Chess players speak of zugzwang.",
        })
        expect(inline.embedding.state).toBe("ready")
      }),
      context,
    )
  }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))),
)
