/** Documents on notes: see `Output`. */
import * as Schema from "effect/Schema"
import { JsonObject } from "../../Domain/Entity.js"
import type { Explanation } from "../../Domain/Search.js"

/** How an entity's embedding stands. */
export const Embedding = Schema.Struct({
  state: Schema.Literal("pending", "processing", "ready", "failed"),
  jobId: Schema.String,
  reason: Schema.optionalWith(Schema.String, { exact: true }),
})

/** `embedbox add` */
export const Added = Schema.Struct({ entityId: Schema.String, jobId: Schema.String })

/** `embedbox get`; times in milliseconds since the epoch. */
export const Gotten = Schema.Struct({
  entityType: Schema.String,
  id: Schema.String,
  content: Schema.String,
  metadata: JsonObject,
  contentHash: Schema.String,
  created: Schema.Number,
  updated: Schema.Number,
  embedding: Embedding,
})

/** `embedbox search`, `embedbox related`; `mode` is how the search was really made, and `notice` why it differs from the one asked for. */
export const Found = Schema.Struct({
  mode: Schema.Literal("hybrid", "semantic", "lexical"),
  notice: Schema.NullOr(Schema.String),
  /** Entities that could not be found by meaning because they are not embedded yet, or could not be. */
  pending: Schema.Number,
  failed: Schema.Number,
  results: Schema.Array(
    Schema.Struct({
      entityType: Schema.String,
      entityId: Schema.String,
      title: Schema.String,
      score: Schema.Number,
      similarity: Schema.NullOr(Schema.Number),
      lexical: Schema.Boolean,
      excerpt: Schema.String,
      /** Where the excerpt has words of the question: [from, to) in UTF-16 units. */
      marks: Schema.Array(Schema.Tuple(Schema.Number, Schema.Number)),
      /** Title and headings of the part that was found by meaning, outermost first. */
      path: Schema.Array(Schema.String),
      embedding: Embedding,
      /** With `--explain`: `score` is `semantic` + `lexical`. */
      explanation: Schema.NullOr(
        Schema.Struct({
          semantic: Schema.Number,
          lexical: Schema.Number,
          bm25: Schema.Number,
          coverage: Schema.Number,
          semanticRank: Schema.NullOr(Schema.Number),
          lexicalRank: Schema.NullOr(Schema.Number),
          chunk: Schema.NullOr(Schema.Number),
        }),
      ),
    }),
  ),
})

/** How a score came about, as documents have it. */
export const explanationOf = (explanation: Explanation | undefined) =>
  explanation === undefined
    ? null
    : {
        ...explanation,
        semanticRank: explanation.semanticRank ?? null,
        lexicalRank: explanation.lexicalRank ?? null,
        chunk: explanation.chunk ?? null,
      }

/** `embedbox list`; times in milliseconds since the epoch. */
export const Listed = Schema.Struct({
  notes: Schema.Array(
    Schema.Struct({
      entityType: Schema.String,
      id: Schema.String,
      title: Schema.String,
      created: Schema.Number,
      updated: Schema.Number,
      embedding: Embedding,
    }),
  ),
  /** There are more behind the last one. */
  more: Schema.Boolean,
})

/** `embedbox edit` */
export const Edited = Schema.Struct({
  entityId: Schema.String,
  jobId: Schema.String,
  change: Schema.Literal("created", "updated", "unchanged"),
})

/** `embedbox rm` */
export const Removed = Schema.Struct({
  removed: Schema.Array(Schema.String),
  /** There are no such notes. */
  missing: Schema.Array(Schema.String),
})
