import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { Chunker } from "../src/Chunker.js"
import type { Passage } from "../src/Domain/Chunk.js"
import { type Entity, EntityId, EntityType } from "../src/Domain/Entity.js"
import { Embedder } from "../src/Embedder.js"
import * as Fake from "../src/Embedder/Fake.js"
import * as Sqlite from "../src/Storage/Sqlite.js"
import { embeddingWhole } from "./Embedder/support.js"
import { services } from "./support.js"

const entity = (content: string, title?: string): Entity => ({
  entityType: EntityType.make("base"),
  id: EntityId.make(`${title}/${content.length}`),
  content,
  metadata: title === undefined ? {} : { title },
  contentHash: "0".repeat(64),
  created: 0,
  updated: 0,
})

const entities = [
  entity("a short note"),
  entity("some words of a long note. ".repeat(20)),
  entity("a note with a title", "Rain"),
  entity("a short note"),
  entity("long and titled ".repeat(20), "Snow"),
]

const withEmbedder = <A, E>(
  embedder: Layer.Layer<Embedder | Fake.FakeControl>,
  effect: Effect.Effect<A, E, Chunker | Embedder | Fake.FakeControl>,
) =>
  effect.pipe(
    Effect.provide(
      services().pipe(
        Layer.provideMerge(embedder),
        Layer.provideMerge(Sqlite.layer({ filename: ":memory:" })),
      ),
    ),
  )

const fake = Fake.layerWith({ windowLength: 100 })

describe("the chunks of entities", () => {
  it.effect(
    "are the same where the embedder embeds whole what fits, and only what does not is measured",
    () =>
      Effect.gen(function* () {
        const plain = yield* withEmbedder(
          fake,
          Effect.flatMap(Chunker, ({ embed }) => embed(entities)),
        )
        const measured = yield* Ref.make<ReadonlyArray<Passage>>([])
        const told = Layer.effect(
          Embedder,
          Effect.map(Embedder, (embedder) => ({
            ...embedder,
            split: (passages: ReadonlyArray<Passage>) =>
              Effect.zipRight(Ref.set(measured, passages), embedder.split(passages)),
          })),
        ).pipe(Layer.provideMerge(embeddingWhole), Layer.provideMerge(fake))
        const { embedded, found } = yield* withEmbedder(
          told,
          Effect.gen(function* () {
            const { embed } = yield* Chunker
            const found = yield* embed(entities)
            const { counters } = yield* Fake.FakeControl
            return { found, embedded: (yield* counters).embedded }
          }),
        )
        assert.deepStrictEqual(found, plain)
        assert.deepStrictEqual(
          (yield* Ref.get(measured)).map(({ text }) => text),
          [entities[1]?.content, entities[4]?.content],
        )
        // Of two alike, one.
        assert.deepStrictEqual(embedded.slice(0, 2), ["a short note", "Rain\n\na note with a title"])
      }),
  )

  it.effect("are refused where a vector is none", () =>
    Effect.gen(function* () {
      const error = yield* withEmbedder(
        Layer.provideMerge(embeddingWhole, fake),
        Effect.gen(function* () {
          const { misbehaveNext } = yield* Fake.FakeControl
          yield* misbehaveNext("not finite")
          return yield* Effect.flip(Effect.flatMap(Chunker, ({ embed }) => embed(entities)))
        }),
      )
      assert.strictEqual(error.fault, "item")
    }),
  )
})
