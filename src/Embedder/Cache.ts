/**
 * No text is embedded twice. It stands in front of an embedder and keeps the newest vectors in the database by
 * fingerprint and hash of the text; what is in nobody's cache but on its way is waited for, so that several notes of the
 * same text cost one inference, however they are spread over batches. It is a help and never a hindrance: a database
 * that is in trouble only means that texts are embedded, and a vector that is damaged is made anew.
 *
 * @example
 * import { EmbedderCache, FakeEmbedder, Sqlite } from "embedbox"
 * import * as Layer from "effect/Layer"
 *
 * export const cached = EmbedderCache.layer(20_000).pipe(
 *   Layer.provide(FakeEmbedder.layer),
 *   Layer.provide(Sqlite.layer({ filename: "notes.sqlite" })),
 * )
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type Passage, wholeText } from "../Domain/Chunk.js"
import { EmbeddingError } from "../Domain/Errors.js"
import { sha256 } from "../Domain/Hash.js"
import * as Vector from "../Domain/Vector.js"
import { Embedder } from "../Embedder.js"
import { Storage } from "../Storage.js"
import * as Step from "../Storage/Step.js"

/** Vectors by the hash of their text. */
type Vectors = ReadonlyMap<string, Float32Array>

type Waited = Deferred.Deferred<Option.Option<Float32Array>>

const decodeRows = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ inputHash: Schema.String, vector: Schema.Uint8ArrayFromSelf })),
)

/** The embedder with a cache of at most `limit` vectors in front of it. */
export const make = (limit: number): Effect.Effect<typeof Embedder.Service, never, Embedder | Storage> =>
  Effect.gen(function* () {
    const embedder = yield* Embedder
    const storage = yield* Storage
    const { statement } = storage
    const { dimensions, fingerprint } = embedder
    /** Texts that somebody embeds now, by their hash; nothing comes where he did not succeed. */
    const onTheirWay = new Map<string, Waited>()

    const find = (hashes: ReadonlyArray<string>): Effect.Effect<Vectors> =>
      Effect.flatMap(
        statement`SELECT input_hash AS "inputHash", vector FROM embedding_cache
          WHERE fingerprint = ${fingerprint}
            AND input_hash IN (SELECT value FROM json_each(${JSON.stringify(hashes)}))`,
        decodeRows,
      ).pipe(
        storage.read,
        Effect.map((rows) =>
          rows.flatMap(({ inputHash, vector: bytes }) => {
            if (bytes.byteLength !== dimensions * Float32Array.BYTES_PER_ELEMENT) return []
            const vector = Vector.fromBytes(bytes)
            return Vector.flawOf([vector], 1, dimensions) === undefined ? [[inputHash, vector] as const] : []
          }),
        ),
        Effect.map((rows) => new Map(rows)),
        Effect.catchAll(({ reason }) =>
          Effect.as(
            Effect.logDebug("the cache of vectors cannot be read").pipe(Effect.annotateLogs({ reason })),
            new Map(),
          ),
        ),
      )

    const insert = Step.fn(function* (made: Vectors) {
      for (const [hash, vector] of made) {
        yield* statement`INSERT OR REPLACE INTO embedding_cache (fingerprint, input_hash, vector)
          VALUES (${fingerprint}, ${hash}, ${Vector.toBytes(vector)})`
      }
      yield* statement`DELETE FROM embedding_cache
        WHERE id <= (SELECT max(id) FROM embedding_cache) - ${limit}`
    })

    const keep = (made: Vectors) =>
      storage
        .transact(
          insert(made),
          // What loss of power takes from a cache is made again.
          { flush: false },
        )
        .pipe(
          Effect.catchAll(({ reason }) =>
            Effect.logDebug("the cache of vectors cannot be written").pipe(Effect.annotateLogs({ reason })),
          ),
        )

    /** Has the embedder answer for what is missing; it may leave some out. */
    type Ask<Text> = (
      texts: ReadonlyArray<Text>,
    ) => Effect.Effect<ReadonlyArray<Float32Array | undefined>, EmbeddingError>

    const embed = <Text>(
      texts: ReadonlyMap<string, Text>,
      ask: Ask<Text>,
    ): Effect.Effect<Vectors, EmbeddingError> =>
      Effect.flatMap(ask([...texts.values()]), (answers) => {
        const flaw = Vector.flawOfSome(answers, texts.size, dimensions)
        if (flaw !== undefined) return new EmbeddingError({ fault: "item", reason: flaw })
        const made = new Map(
          Arr.zip(texts.keys(), answers).flatMap(([hash, vector]) =>
            vector === undefined ? [] : [[hash, vector] as const],
          ),
        )
        return Effect.as(made.size === 0 ? Effect.void : keep(made), made)
      })

    /** From the cache where it has them, else from the embedder. */
    const obtain = Effect.fnUntraced(function* <Text>(texts: ReadonlyMap<string, Text>, ask: Ask<Text>) {
      if (texts.size === 0) return new Map<string, Float32Array>()
      const found = yield* find([...texts.keys()])
      const missing = new Map([...texts].filter(([hash]) => !found.has(hash)))
      return missing.size === 0 ? found : new Map([...found, ...(yield* embed(missing, ask))])
    })

    /** The same, told of from the first moment on, so that others wait for it instead of looking as well. */
    const obtainForAll = <Text>(texts: ReadonlyMap<string, Text>, ask: Ask<Text>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const own = new Map<string, Waited>()
          for (const hash of texts.keys()) own.set(hash, Deferred.unsafeMake(FiberId.none))
          for (const [hash, waited] of own) onTheirWay.set(hash, waited)
          return Effect.onExit(restore(obtain(texts, ask)), (exit) =>
            Effect.forEach(
              own,
              ([hash, waited]) => {
                onTheirWay.delete(hash)
                const made = Exit.isSuccess(exit) ? exit.value.get(hash) : undefined
                return Deferred.succeed(waited, Option.fromNullable(made))
              },
              { discard: true },
            ),
          )
        }),
      )

    /** What the cache or the embedder gives for each of these texts, which are what is asked for, by `textOf`. */
    const vectorsOf = Effect.fnUntraced(function* <Text>(
      texts: ReadonlyArray<Text>,
      textOf: (text: Text) => string,
      ask: Ask<Text>,
    ) {
      const hashes = texts.map((text) => sha256(textOf(text)))
      const wanted = new Map(Arr.zip(hashes, texts))
      const others = new Map<string, Waited>()
      for (const hash of wanted.keys()) {
        const waited = onTheirWay.get(hash)
        if (waited !== undefined) others.set(hash, waited)
      }
      // First what others may wait for, so that nobody waits in a circle.
      const own = new Map([...wanted].filter(([hash]) => !others.has(hash)))
      const found = new Map(yield* obtainForAll(own, ask))
      for (const [hash, waited] of others) {
        const vector = yield* Deferred.await(waited)
        if (Option.isSome(vector)) found.set(hash, vector.value)
      }
      // Whoever began with these did not succeed.
      const left = new Map([...wanted].filter(([hash]) => others.has(hash) && !found.has(hash)))
      for (const [hash, vector] of yield* obtain(left, ask)) found.set(hash, vector)
      return hashes.map((hash) => found.get(hash))
    })

    const generateEmbeddings = (texts: ReadonlyArray<string>) =>
      Effect.map(
        vectorsOf(texts, (text) => text, embedder.generateEmbeddings),
        (vectors) => vectors.filter(Predicate.isNotUndefined),
      )

    const { embedWhole } = embedder

    return Embedder.of({
      ...embedder,
      generateEmbeddings,
      ...(embedWhole === undefined
        ? {}
        : {
            embedWhole: (passages: ReadonlyArray<Passage>) => vectorsOf(passages, wholeText, embedWhole),
          }),
      generateEmbedding: (text) =>
        Effect.map(generateEmbeddings([text]), ([vector = new Float32Array()]) => vector),
    })
  })

/** Puts a cache of at most `limit` vectors in front of an embedder; none where it is 0. */
export const layer = (limit: number): Layer.Layer<Embedder, never, Embedder | Storage> =>
  limit === 0 ? Layer.effect(Embedder, Embedder) : Layer.effect(Embedder, make(limit))
