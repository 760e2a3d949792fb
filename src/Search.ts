/**
 * Finds entities by meaning and by words. The two scores are added up, weighted, and not their ranks: reciprocal rank
 * fusion forgets by how much one entity is nearer than another, and on every judged set that was tried it falls below
 * this sum. Words are matched against the newest text, boxed or stored; vectors are those
 * that are stored; and the answer tells how many entities still wait, and whether the model could be asked at all.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { EntityKey } from "./Domain/Entity.js"
import * as Input from "./Domain/EntityInput.js"
import { EmbeddingError, type InvalidEntity, type StorageError } from "./Domain/Errors.js"
import type { SearchAnswer, SearchMode, SearchOptions, SearchResult } from "./Domain/Search.js"
import { excerptOf, titleOf, wordsOf } from "./Domain/Text.js"
import * as Vector from "./Domain/Vector.js"
import { Embedder } from "./Embedder.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityOverlay } from "./EntityOverlay.js"
import { EntityRepository, matchAny, type TextMatch } from "./EntityRepository.js"
import { type Neighbour, VectorIndex } from "./VectorIndex.js"

export class Search extends Context.Tag("embedbox/Search")<
  Search,
  {
    readonly search: (
      question: string,
      options?: SearchOptions,
    ) => Effect.Effect<SearchAnswer, InvalidEntity | StorageError | EmbeddingError>
  }
>() {}

/**
 * How much of the score is meaning; the rest is words. A convex combination as in Bruch, Gai and Ingber, "An Analysis
 * of Fusion Functions for Hybrid Retrieval" (ACM TOIS 2023). 0.8 was chosen among the weights tried (0.5 to 0.95) with
 * an eye on the quickstart's questions; on banking77, short sentences, it is still below vectors alone.
 */
const meaning = 0.8

/** How many of each ranking are fused: enough that a result in both is seen in both. */
const candidates = (limit: number) => Math.max(50, limit * 5)

/** More different words than that make no better question, only a slower one. */
const maxWords = 64

interface Candidate extends EntityKey {
  readonly score: number
  readonly neighbour: Neighbour | undefined
  readonly lexical: boolean
}

/** What the vectors had to say, and in which mode the search goes on. */
interface Semantic {
  readonly mode: SearchMode
  readonly neighbours: ReadonlyArray<Neighbour>
  readonly notice: string | undefined
}

/**
 * Score of an entity: 0.8 × its cosine + 0.2 × its BM25 as a share of the best one's. A cosine is comparable between
 * questions and BM25 is not, hence the share. An entity beyond the candidates of one ranking is credited with what is
 * known of it there: no more than the last candidate's cosine, and no words.
 */
const fuse = (
  semantic: ReadonlyArray<Neighbour>,
  lexical: ReadonlyArray<TextMatch>,
): ReadonlyArray<Candidate> => {
  const found = new Map<string, Candidate>()
  const best = lexical[0]?.score ?? 1
  const unseen = Math.max(0, semantic.at(-1)?.similarity ?? 0)
  const put = (key: EntityKey, change: (known: Candidate) => Candidate) => {
    const name = JSON.stringify([key.entityType, key.entityId])
    const { entityId, entityType } = key
    found.set(
      name,
      change(
        found.get(name) ?? {
          entityType,
          entityId,
          score: semantic.length === 0 ? 0 : meaning * unseen,
          neighbour: undefined,
          lexical: false,
        },
      ),
    )
  }
  for (const neighbour of semantic) {
    const score = meaning * Math.max(0, neighbour.similarity)
    put(neighbour, (known) => ({ ...known, score, neighbour }))
  }
  for (const match of lexical) {
    const words = (1 - meaning) * (match.score / best)
    put(match, (known) => ({ ...known, score: known.score + words, lexical: true }))
  }
  return [...found.values()].toSorted((a, b) => b.score - a.score)
}

const noticeOf = (notice: string | undefined, unreadable: number): string | undefined => {
  const noun = unreadable === 1 ? "1 result is" : `${unreadable} results are`
  const damage = unreadable === 0 ? [] : [`${noun} left out because of damage: ask the doctor`]
  return notice === undefined && damage.length === 0
    ? undefined
    : [...(notice === undefined ? [] : [notice]), ...damage].join("; ")
}

export const make = Effect.gen(function* () {
  const embedder = yield* Embedder
  const index = yield* VectorIndex
  const overlay = yield* EntityOverlay
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository

  const byMeaning = (question: string, entityTypes: ReadonlyArray<string>, limit: number) =>
    Effect.gen(function* () {
      const query = yield* embedder.embedQuery(question)
      // A wrong vector is near to nothing or to anything, and nobody would see that it was wrong.
      const flaw = Vector.flawOf([query], 1, embedder.dimensions)
      if (flaw !== undefined) return yield* new EmbeddingError({ fault: "item", reason: flaw })
      return yield* index.nearest(query, { fingerprint: embedder.fingerprint, entityTypes, limit })
    })

  const byWords = (words: ReadonlyArray<string>, entityTypes: ReadonlyArray<string>, limit: number) =>
    words.length === 0 ? Effect.succeed([]) : repository.searchText(matchAny(words), { entityTypes, limit })

  const toResult = (candidate: Candidate, words: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const found = yield* overlay.find(candidate)
      const chunk = candidate.neighbour
        ? yield* repository.chunkText(candidate.neighbour)
        : Option.none<string>()
      // Stored anew since its vector was compared: what was found by meaning is no longer there.
      if (candidate.neighbour && !candidate.lexical && Option.isNone(chunk))
        return Option.none<SearchResult>()
      return Option.map(
        found,
        (view): SearchResult => ({
          entityType: view.entityType,
          entityId: view.id,
          title: titleOf(view),
          score: candidate.score,
          excerpt: excerptOf(
            Option.getOrElse(chunk, () => view.content),
            words,
          ),
          similarity: Option.isSome(chunk) ? candidate.neighbour?.similarity : undefined,
          lexical: candidate.lexical,
          embedding: view.embedding,
        }),
      )
    })

  const search = (asked: string, options: SearchOptions = {}) =>
    Effect.gen(function* () {
      const question = yield* Input.question(asked)
      const wanted = options.mode ?? "hybrid"
      const limit = Input.limit(options.limit, { normal: 10, most: 100 })
      const entityTypes = options.entityTypes ?? []
      const words = [...new Set(wordsOf(question))].slice(0, maxWords)
      const depth = candidates(limit)

      const semantic: Semantic =
        wanted === "lexical"
          ? { mode: wanted, neighbours: [], notice: undefined }
          : yield* byMeaning(question, entityTypes, depth).pipe(
              Effect.map((neighbours): Semantic => ({ mode: wanted, neighbours, notice: undefined })),
              // A hybrid search goes on without the model, and says so; a semantic one cannot.
              Effect.catchTag("EmbeddingError", (error) =>
                wanted === "semantic"
                  ? Effect.fail(error)
                  : Effect.succeed<Semantic>({
                      mode: "lexical",
                      neighbours: [],
                      notice: `searched by words only: ${error.reason}`,
                    }),
              ),
            )
      const lexical = wanted === "semantic" ? [] : yield* byWords(words, entityTypes, depth)

      const results: Array<SearchResult> = []
      let unreadable = 0
      for (const candidate of fuse(semantic.neighbours, lexical)) {
        if (results.length === limit) break
        // Deleted between the ranking and now: the next one takes its place.
        const result = yield* toResult(candidate, words).pipe(
          Effect.catchIf(
            ({ trouble }) => trouble === "InvalidRow",
            () => {
              unreadable++
              return Effect.succeedNone
            },
          ),
        )
        if (Option.isSome(result)) results.push(result.value)
      }
      const { failed, pending } = yield* queue.waitingEntities(entityTypes)
      return {
        results,
        mode: semantic.mode,
        notice: noticeOf(semantic.notice, unreadable),
        pending,
        failed,
      } satisfies SearchAnswer
    }).pipe(Effect.withSpan("Search.search"))

  return Search.of({ search })
})

export const layer: Layer.Layer<
  Search,
  never,
  Embedder | EmbeddingQueue | EntityOverlay | EntityRepository | VectorIndex
> = Layer.effect(Search, make)
