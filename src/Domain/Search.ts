/** A question and its answer. The answer says what it could not see, so that nobody takes silence for absence. */
import type { EntityId, EntityType } from "./Entity.js"
import type { EmbeddingState } from "./Job.js"

/** `hybrid` fuses both kinds; `semantic` compares vectors; `lexical` compares words and needs no model. */
export type SearchMode = "hybrid" | "semantic" | "lexical"

/** From `from` on, and before `before`; milliseconds since the epoch. */
export interface TimeRange {
  readonly from?: number | undefined
  readonly before?: number | undefined
}

/** What a value of metadata can be compared with. */
export type Scalar = string | number | boolean | null

/** Which entities may be found at all; what is not named does not matter. */
export interface EntityFilter {
  /** Only entities of these types; all when absent or empty. */
  readonly entityTypes?: ReadonlyArray<string> | undefined
  /** None of these types. */
  readonly excludedTypes?: ReadonlyArray<string> | undefined
  /** Metadata that has all of these values: a key's own value, or one in its list. */
  readonly metadata?: { readonly [key: string]: Scalar } | undefined
  readonly created?: TimeRange | undefined
  readonly updated?: TimeRange | undefined
}

export interface SearchOptions extends EntityFilter {
  /** Default `hybrid`. */
  readonly mode?: SearchMode | undefined
  /** At most this many results, 1 to 100. Default 10. */
  readonly limit?: number | undefined
  /** Leave out so many of the best, 0 to 1000: the pages after the first. Default 0. */
  readonly offset?: number | undefined
  /** Say how each score came about. Default false. */
  readonly explain?: boolean | undefined
}

export interface RelatedOptions extends EntityFilter {
  /** The type of the entity that others are to be like; needed where several types have its id. */
  readonly entityType?: string | undefined
  /** At most this many results, 1 to 100. Default 10. */
  readonly limit?: number | undefined
}

/** How a score came about: `score` is the sum of `semantic` and `lexical`. */
export interface Explanation {
  /** Its share of the score by meaning: weight × cosine. */
  readonly semantic: number
  /** Its share of the score by words: weight × `coverage`. */
  readonly lexical: number
  /** BM25, above 0; 0 where no word was found. */
  readonly bm25: number
  /** How much of what the question's words tell the text has, 0 to 1: BM25 as a share of the most there could be. */
  readonly coverage: number
  /** Its place by meaning and by words alone, from 1; nothing where it was beyond what was looked at. */
  readonly semanticRank: number | undefined
  readonly lexicalRank: number | undefined
  /** Which chunk of the entity was nearest, from 0. */
  readonly chunk: number | undefined
}

export interface SearchResult {
  readonly entityType: EntityType
  readonly entityId: EntityId
  /** `metadata.title`, else the first heading, else the id. */
  readonly title: string
  /** 0 to 1, the higher the better; comparable within one answer only. */
  readonly score: number
  /** The part of the text that fits best. For semantic finds it is of the very text whose vector was found. */
  readonly excerpt: string
  /** Where the excerpt has words of the question, in UTF-16 units, in rising order. */
  readonly marks: ReadonlyArray<readonly [from: number, to: number]>
  /** Title and headings under which the chunk stands that was found by meaning, outermost first. */
  readonly path: ReadonlyArray<string>
  /** Cosine to the question, -1 to 1, where the entity was found by meaning. */
  readonly similarity: number | undefined
  /** Whether words of the question were found. */
  readonly lexical: boolean
  readonly embedding: EmbeddingState
  /** Where it was asked for. */
  readonly explanation: Explanation | undefined
}

export interface SearchAnswer {
  readonly results: ReadonlyArray<SearchResult>
  /** How the answer was really made: `lexical` where a hybrid search could not reach the model. */
  readonly mode: SearchMode
  /** Why the mode is another than the one asked for, and whether damaged entities were left out. */
  readonly notice: string | undefined
  /** Entities that wait for their embedding and cannot be found by meaning, or only by their older text. */
  readonly pending: number
  /** Entities whose embedding failed; they are found by words only. */
  readonly failed: number
}
