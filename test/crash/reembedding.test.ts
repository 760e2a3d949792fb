// @effect-diagnostics processEnv:off
/** Changes of model in processes that are killed, while notes are written: nothing is lost, and no vector is another's. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { embeddedText } from "../../src/Domain/Chunk.js"
import { fromBytes } from "../../src/Domain/Vector.js"
import { vectorOf } from "../../src/Embedder/Fake.js"
import { EntityService } from "../../src/EntityService.js"
import { Storage } from "../../src/Storage.js"
import { checkInvariants } from "../invariants.js"
import { idsOf, search, store } from "../Search/fixtures.js"
import { temporaryFolder } from "../support.js"
import { seeds, systemOf } from "../support/models.js"
import * as Children from "./Children.js"
import { embedAll } from "./Embedding.js"
import * as Random from "../support/Random.js"

const seed = Number(process.env["EMBEDBOX_CRASH_SEED"] ?? process.hrtime.bigint() % 1_000_000n)
const noteCount = 60
const killsPerChange = 4

const inOrder = Effect.map(checkInvariants(), ({ violations }) => expect(violations).toEqual([]))

/** Every vector is that of its own text, by the model that its fingerprint names. */
const vectorsAreTheirs = Effect.gen(function* () {
  const { sql } = yield* Storage
  const rows = yield* sql<{
    readonly fingerprint: string
    readonly heading: string
    readonly text: string
    readonly vector: Uint8Array
  }>`SELECT fingerprint, heading, text, vector FROM entity_vectors`
  for (const { fingerprint, heading, text, vector } of rows) {
    const of = Number(/seed-(\d+)/.exec(fingerprint)?.[1])
    expect(fromBytes(vector)).toEqual(vectorOf(embeddedText({ heading, text }), { seed: of }))
  }
})

it.scopedLive(
  `a change of model that is killed goes on, and search goes on meanwhile (seed ${seed})`,
  () =>
    Effect.gen(function* () {
      const random = Random.make(seed)
      const folder = yield* temporaryFolder
      const database = Path.join(folder, "notes.sqlite")
      const output = Path.join(folder, "output.log")
      const texts = Object.fromEntries(
        Array.from({ length: noteCount }, (_, at) => [`n${at}`, `word${at} `.repeat(1 + (at % 7) * 40)]),
      )
      yield* Effect.provide(store(texts), systemOf(database, 1))
      for (const target of [2, 3]) {
        // What is configured is the target, in every process, as after a change of the settings.
        const inside = Effect.provide(systemOf(database, target))
        for (let kill = 0; kill < killsPerChange; kill++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const child = yield* Children.reembedder({ database, seed: target, output })
              yield* child.ready
              yield* Effect.sleep(random.below(40))
              yield* child.kill("SIGKILL")
            }),
          )
          const changed = `n${random.below(noteCount)}`
          yield* Effect.gen(function* () {
            yield* inOrder
            yield* vectorsAreTheirs
            const service = yield* EntityService
            const word = `edit${target}x${kill}`
            yield* service.updateEntity(changed, { content: `${word} `.repeat(200) })
            yield* embedAll
            const found = yield* search(word, { mode: "semantic" })
            expect(idsOf(found)).toContain(changed)
            yield* inOrder
          }).pipe(inside)
        }
        yield* Effect.scoped(
          Effect.gen(function* () {
            const child = yield* Children.reembedder({ database, seed: target, output })
            expect(yield* child.ended, child.said()).toBe("0")
          }),
        )
        yield* Effect.gen(function* () {
          expect((yield* seeds).map(([one]) => one)).toEqual([target])
          expect((yield* (yield* EntityService).indexStatus).coverage).toBe(1)
          yield* inOrder
          yield* vectorsAreTheirs
        }).pipe(inside)
      }
    }),
  120_000,
)
