/**
 * What is left of a pipeline when everything of ours is taken away: bare better-sqlite3 writes and claims, bare sessions
 * tokenise and embed, the next batch is claimed meanwhile, and what they answer is stored. Nothing is checked, nothing
 * hashed, nothing cached, no lease kept and no question answered; the words of full-text are made before the clock runs.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { searchable } from "../../../src/Domain/Words.js"
import * as Vector from "../../../src/Domain/Vector.js"
import * as Sqlite from "../../../src/Storage/Sqlite.js"
import * as Bare from "../queue/bare.js"
import { timed } from "../support.js"
import type * as Rival from "./rival.js"
import * as Tokens from "./tokens.js"

/** Notes of one transaction, as ours. */
const together = { created: 64, stored: 32 }

/**
 * How long the texts took, from the first create to the last vector, and how long the processor worked for it in the
 * processes of the contender, in milliseconds. `texts` is the open contender.
 */
export const run = (
  corpus: ReadonlyArray<string>,
  database: string,
  texts: Effect.Effect.Success<ReturnType<typeof Rival.open>>,
) =>
  Effect.gen(function* () {
    yield* Effect.scoped(Layer.build(Sqlite.layer({ filename: database })))
    const bare = yield* Effect.acquireRelease(
      Effect.sync(() => Bare.open(database, Date.now)),
      ({ close }) => Effect.sync(close),
    )
    let worked = 0
    const notes = corpus.map((content, at) => ({ id: `note-${at}`, content, words: searchable(content) }))

    const work = (process: number) =>
      Effect.gen(function* () {
        const next = () => bare.claim(together.stored)
        for (let claims = next(); claims.length > 0; ) {
          const parsed: ReadonlyArray<{ readonly content: string }> = claims.map(({ content }) =>
            JSON.parse(content),
          )
          const asked = yield* Effect.fork(
            texts.single(process, { texts: parsed.map(({ content }) => content) }),
          )
          yield* Effect.yieldNow()
          const after = next()
          const { processor, vectors = new Float32Array() } = yield* Fiber.join(asked)
          worked += processor
          bare.store(claims, (place) =>
            Vector.toBytes(vectors.subarray(place * Tokens.dimensions, (place + 1) * Tokens.dimensions)),
          )
          claims = after
        }
      })

    const [ms] = yield* timed(
      Effect.suspend(() => {
        for (let at = 0; at < notes.length; at += together.created) {
          bare.create(notes.slice(at, at + together.created))
        }
        return Effect.forEach(
          Array.from({ length: texts.processes }, (_, process) => process),
          work,
          {
            concurrency: "unbounded",
            discard: true,
          },
        )
      }),
    )
    return { ms, processor: worked }
  }).pipe(Effect.scoped)
