/** A question and its answer. The answer says what it could not see, so that nobody takes silence for absence. */
import type { EntityId, EntityType } from "./Entity.js"
import type { EmbeddingState } from "./Job.js"

/** `hybrid` fuses both kinds; `semantic` compares vectors; `lexical` compares words and needs no model. */
export type SearchMode = "hybrid" | "semantic" | "lexical"

export interface SearchOptions {
  /** Default `hybrid`. */
  readonly mode?: SearchMode | undefined
  /** Only entities of these types; all when absent or empty. */
  readonly entityTypes?: ReadonlyArray<string> | undefined
  /** At most this many results, 1 to 100. Default 10. */
  readonly limit?: number | undefined
}

export interface SearchResult {
  readonly entityType: EntityType
  readonly entityId: EntityId
  /** `metadata.title`, else the first heading, else the id. */
  readonly title: string
  /** 0 to 1, the higher the better; comparable within one answer only. */
  readonly score: number
  /** The part of the text that fits best. For semantic finds it is the very text whose vector was found. */
  readonly excerpt: string
  /** Cosine to the question, -1 to 1, where the entity was found by meaning. */
  readonly similarity: number | undefined
  /** Whether words of the question were found. */
  readonly lexical: boolean
  readonly embedding: EmbeddingState
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
