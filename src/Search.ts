/**
 * Finds entities by meaning and by words; how the two become one order is in `Fusion`. Words are matched against the
 * newest text, boxed or stored; vectors are those that are stored; and the answer tells how many entities still wait,
 * and whether the model could be asked at all.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type EntityKey, keyText } from "./Domain/Entity.js"
import * as Input from "./Domain/EntityInput.js"
import * as Given from "./Domain/Given.js"
import { EmbeddingError, type InvalidEntity, type StorageError } from "./Domain/Errors.js"
import type { Fingerprint } from "./Domain/Fingerprint.js"
import type {
  EntityFilter,
  RelatedOptions,
  SearchAnswer,
  SearchMode,
  SearchOptions,
  SearchResult,
} from "./Domain/Search.js"
import { excerptOf, titleOf } from "./Domain/Text.js"
import * as Vector from "./Domain/Vector.js"
import { marksIn, type Term, termsOf } from "./Domain/Words.js"
import { mean } from "./Embedder/Vectors.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityOverlay } from "./EntityOverlay.js"
import { EntityRepository, type TextMatch } from "./EntityRepository.js"
import { passes } from "./EntityRepository/Filter.js"
import { Models } from "./Models.js"
import * as Fusion from "./Search/Fusion.js"
import { type Neighbour, VectorIndex } from "./VectorIndex.js"

/** Finds entities by words and by meaning. Hosts ask through `EntityService`. */
export class Search extends Context.Tag("embedbox/Search")<
  Search,
  {
    readonly search: (
      question: string,
      options?: SearchOptions,
    ) => Effect.Effect<SearchAnswer, InvalidEntity | StorageError | EmbeddingError>
    /** Entities whose stored vectors are near those of this one, itself left out. Asks no model. */
    readonly related: (
      key: EntityKey,
      options?: RelatedOptions,
    ) => Effect.Effect<SearchAnswer, InvalidEntity | StorageError>
  }
>() {}

/** How many of each ranking are fused: enough that a result in both is seen in both. */
const candidates = (limit: number) => Math.max(50, limit * 5)

/** Words are cheap to rank further down, where meaning may still lift something up. */
const lexicalDepth = 4

/** What the vectors had to say, and in which mode the search goes on. */
interface Semantic {
  readonly mode: SearchMode
  readonly asked: { readonly vector: Float32Array; readonly fingerprint: Fingerprint } | undefined
  readonly neighbours: ReadonlyArray<Neighbour>
  readonly notice: string | undefined
}

/** What is to be shown of an order of candidates. */
interface Shown {
  readonly filter: EntityFilter
  readonly terms: ReadonlyArray<Term>
  readonly limit: number
  readonly offset: number
  readonly explain: boolean
}

/** Results of an answer, where nothing else is asked for. */
const normalLimit = 10

/** Which entities may be found, of what options say. */
const filterOf = (said: EntityFilter): EntityFilter => ({
  entityTypes: said.entityTypes ?? [],
  excludedTypes: said.excludedTypes ?? [],
  metadata: said.metadata ?? {},
  created: said.created,
  updated: said.updated,
})

const noticeOf = (notice: string | undefined, unreadable: number): string | undefined => {
  const noun = unreadable === 1 ? "1 result is" : `${unreadable} results are`
  const damage = unreadable === 0 ? [] : [`${noun} left out because of damage: ask the doctor`]
  return notice === undefined && damage.length === 0
    ? undefined
    : [...(notice === undefined ? [] : [notice]), ...damage].join("; ")
}

/** The service, made of what it needs. */
export const make = Effect.gen(function* () {
  const models = yield* Models
  const index = yield* VectorIndex
  const overlay = yield* EntityOverlay
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository

  /** What is to be said where the model of the settings is not the one whose vectors are searched. */
  const outdated = (fingerprint: Fingerprint) =>
    fingerprint === models.configured.fingerprint
      ? undefined
      : `searched by the model whose vectors are stored (${fingerprint}), which is not the configured one: configure it, or change over with embedbox reembed`

  const byMeaning = (question: string, filter: EntityFilter, limit: number) =>
    Effect.gen(function* () {
      const embedder = yield* models.active
      const query = yield* embedder.embedQuery(question)
      // A wrong vector is near to nothing or to anything, and nobody would see that it was wrong.
      const flaw = Vector.flawOf([query], 1, embedder.dimensions)
      if (flaw !== undefined) return yield* new EmbeddingError({ fault: "item", reason: flaw })
      const { fingerprint } = embedder
      const neighbours = yield* index.nearest(query, { fingerprint, filter, limit })
      return { asked: { vector: query, fingerprint }, neighbours, notice: outdated(fingerprint) }
    })

  /** How near those are that words found and meaning did not: a guess would favour them, or bury them. */
  const beside = ({ asked, neighbours }: Semantic, matches: ReadonlyArray<TextMatch>) => {
    const known = new Set(neighbours.map(keyText))
    const others = matches.filter((match) => !known.has(keyText(match)))
    return asked === undefined
      ? Effect.succeed([])
      : index.similarities(asked.vector, others, asked.fingerprint)
  }

  const toResult = (candidate: Fusion.Candidate, { explain, filter, terms }: Shown) =>
    Effect.gen(function* () {
      const found = yield* overlay.find(candidate)
      const chunk = candidate.neighbour ? yield* repository.chunkText(candidate.neighbour) : Option.none()
      // Stored anew since its vector was compared: what was found by meaning is no longer there.
      if (candidate.neighbour && !candidate.lexical && Option.isNone(chunk)) {
        return Option.none<SearchResult>()
      }
      return Option.map(
        // Its newest version may be another than the one whose vector was found.
        Option.filter(found, (view) => passes(filter, view)),
        (view): SearchResult => {
          const excerpt = excerptOf(
            Option.match(chunk, { onNone: () => view.content, onSome: ({ text }) => text }),
            terms.map(({ word }) => word),
          )
          return {
            entityType: view.entityType,
            entityId: view.id,
            title: titleOf(view),
            score: candidate.score,
            excerpt,
            marks: marksIn(excerpt, terms),
            path: Option.match(chunk, { onNone: () => [], onSome: ({ path }) => path }),
            similarity: Option.isSome(chunk) ? candidate.neighbour?.similarity : undefined,
            lexical: candidate.lexical,
            embedding: view.embedding,
            explanation: explain ? candidate.explanation : undefined,
          }
        },
      )
    })

  /** The results of an order of candidates, and how many of those could not be read. */
  const show = (ordered: ReadonlyArray<Fusion.Candidate>, shown: Shown) =>
    Effect.gen(function* () {
      const results: Array<SearchResult> = []
      let unreadable = 0
      for (const candidate of ordered) {
        if (results.length === shown.offset + shown.limit) break
        // Deleted between the ranking and now: the next one takes its place.
        const result = yield* toResult(candidate, shown).pipe(
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
      return { results: results.slice(shown.offset), unreadable }
    })

  const answer = (
    ordered: ReadonlyArray<Fusion.Candidate>,
    semantic: Pick<Semantic, "mode" | "notice">,
    shown: Shown,
  ) =>
    Effect.gen(function* () {
      const { results, unreadable } = yield* show(ordered, shown)
      const { failed, pending } = yield* queue.waitingEntities(shown.filter.entityTypes ?? [])
      const notice = noticeOf(semantic.notice, unreadable)
      return { results, mode: semantic.mode, notice, pending, failed } satisfies SearchAnswer
    })

  const search = (asked: string, options: SearchOptions = {}) =>
    Effect.gen(function* () {
      const question = yield* Input.question(asked)
      const said = yield* Given.searchOptions(options)
      const filter = filterOf(said)
      const { explain = false, limit = normalLimit, mode: wanted = "hybrid", offset = 0 } = said
      const terms = termsOf(question)
      const depth = candidates(offset + limit)

      const meaning: Effect.Effect<Semantic, EmbeddingError | StorageError> =
        wanted === "lexical"
          ? Effect.succeed({ mode: wanted, asked: undefined, neighbours: [], notice: undefined })
          : byMeaning(question, filter, depth).pipe(
              Effect.map((found): Semantic => ({ ...found, mode: wanted })),
              // A hybrid search goes on without the model, and says so; a semantic one cannot.
              Effect.catchTag("EmbeddingError", (error) =>
                wanted === "semantic"
                  ? Effect.fail(error)
                  : Effect.succeed<Semantic>({
                      mode: "lexical",
                      asked: undefined,
                      neighbours: [],
                      notice: `searched by words only: ${error.reason}`,
                    }),
              ),
            )
      const words =
        wanted === "semantic"
          ? Effect.succeed([])
          : repository.searchText(terms, { filter, limit: depth * lexicalDepth })
      // One waits for the model meanwhile, the other for a thread.
      const [semantic, matches] = yield* Effect.all([meaning, words], { concurrency: 2 })
      const rankings = {
        nearest: semantic.neighbours,
        beside: yield* beside(semantic, matches.slice(0, depth)),
        matches,
        depth,
      }
      return yield* answer(Fusion.fuse(rankings, semantic.mode), semantic, {
        filter,
        terms,
        limit,
        offset,
        explain,
      })
    }).pipe(Effect.withSpan("Search.search"))

  const related = (key: EntityKey, options: RelatedOptions = {}) =>
    Effect.gen(function* () {
      const said = yield* Given.relatedOptions(options)
      const filter = filterOf(said)
      const { limit = normalLimit } = said
      const fingerprint = yield* models.searched
      const vectors = (yield* repository.vectorsOf([key], fingerprint)).map(({ vector }) => vector)
      const isOther = (one: EntityKey) => one.entityType !== key.entityType || one.entityId !== key.entityId
      const near =
        vectors.length === 0
          ? []
          : yield* index.nearest(mean(vectors), { fingerprint, filter, limit: limit + 1 })
      const notice =
        vectors.length === 0
          ? "it is not embedded yet: nothing can be compared with it"
          : outdated(fingerprint)
      return yield* answer(
        Fusion.fuse({ nearest: near.filter(isOther), beside: [], matches: [], depth: 0 }, "semantic"),
        { mode: "semantic", notice },
        {
          filter,
          terms: [],
          limit,
          offset: 0,
          explain: false,
        },
      )
    }).pipe(Effect.withSpan("Search.related"))

  return Search.of({ search, related })
})

/**
 * The service as a Layer.
 *
 * @example
 * import { Search } from "embedbox"
 * import { Effect } from "effect"
 *
 * // Recent notes on a subject, and how many the answer could not see yet.
 * export const recent = (question: string, since: number) =>
 *   Effect.gen(function* () {
 *     const { search } = yield* Search.Search
 *     const { results, pending } = yield* search(question, { updated: { from: since }, limit: 5 })
 *     return { titles: results.map(({ title }) => title), pending }
 *   })
 */
export const layer: Layer.Layer<
  Search,
  never,
  EmbeddingQueue | EntityOverlay | Models | EntityRepository | VectorIndex
> = Layer.effect(Search, make)
