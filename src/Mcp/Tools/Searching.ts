/** The tools that find notes: by a question, and by a note. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { maxQuestionLength } from "../../Domain/EntityInput.js"
import type { SearchAnswer, SearchResult } from "../../Domain/Search.js"
import { clipped } from "../../Domain/Text.js"
import { EntityService } from "../../EntityService.js"
import * as Parameters from "../Parameters.js"
import * as Telling from "../Telling.js"
import * as Tool from "../Tool.js"

/** Most results of one answer. */
const most = 50

const found = (result: SearchResult) => ({
  id: result.entityId,
  type: result.entityType,
  title: clipped(result.title, 200),
  excerpt: result.excerpt,
  path: result.path.map((heading) => clipped(heading, 120)),
  score: Number(result.score.toFixed(4)),
  found_by: [...(result.similarity === undefined ? [] : ["meaning"]), ...(result.lexical ? ["words"] : [])],
  embedding: Telling.embedding(result.embedding),
})

const told = (answer: SearchAnswer) => ({
  results: answer.results.map(found),
  mode: answer.mode,
  pending: answer.pending,
  failed: answer.failed,
  notes: Telling.blindSpots(answer),
})

const limit = Parameters.whole("How many at most,", 1, most, 10)

export const make = Effect.gen(function* () {
  const service = yield* EntityService

  const search = Tool.make(
    {
      name: "search_notes",
      title: "Search notes",
      description:
        "Find notes by meaning and by words. The answer holds excerpts, the best first; read_note gives whole texts. What is " +
        "not embedded yet is found by its words only: `pending`, `failed` and `notes` say what the answer could not see.",
      needs: "public",
      nature: "reads",
      parameters: Schema.Struct({
        question: Schema.String.annotations({
          description: `What to look for, in plain words; at most ${maxQuestionLength} characters.`,
        }),
        mode: Parameters.choice(
          "hybrid: by meaning and words (if left out). semantic: by meaning. lexical: by words, without the model.",
          "hybrid",
          "semantic",
          "lexical",
        ),
        types: Parameters.types("Only notes of these types."),
        excluded_types: Parameters.types("No notes of these types."),
        metadata: Parameters.values(
          'Only notes whose metadata has all of these values, or has them in a list: {"status": "open"}.',
        ),
        created_from: Parameters.moment("Only notes created at this time or later."),
        created_before: Parameters.moment("Only notes created before this time."),
        updated_from: Parameters.moment("Only notes changed at this time or later."),
        updated_before: Parameters.moment("Only notes changed before this time."),
        limit,
        offset: Parameters.whole("How many of the best to leave out,", 0, 1000, 0),
      }),
    },
    (given) =>
      Effect.map(
        service.search(given.question, {
          mode: given.mode,
          entityTypes: given.types,
          excludedTypes: given.excluded_types,
          metadata: given.metadata,
          created: { from: given.created_from, before: given.created_before },
          updated: { from: given.updated_from, before: given.updated_before },
          limit: given.limit,
          offset: given.offset,
        }),
        told,
      ),
  )

  const related = Tool.make(
    {
      name: "related_notes",
      title: "Related notes",
      description:
        "Find notes like one that is there, by meaning, nearest first. It must be embedded itself.",
      needs: "public",
      nature: "reads",
      parameters: Schema.Struct({
        id: Parameters.id,
        type: Parameters.type,
        only_types: Parameters.types("Only notes of these types."),
        excluded_types: Parameters.types("No notes of these types."),
        limit,
      }),
    },
    (given) =>
      Effect.map(
        service.related(given.id, {
          entityType: given.type,
          entityTypes: given.only_types,
          excludedTypes: given.excluded_types,
          limit: given.limit,
        }),
        told,
      ),
  )

  return [search, related]
})
