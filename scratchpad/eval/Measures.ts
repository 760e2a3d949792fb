/** What judged answers are measured by, in per cent. */

export interface Measures {
  /** Gain of the first ten, 2^grade - 1 each, discounted by rank, of the most that there could be. */
  readonly ndcg10: number
  /** How many of the judged documents are among the first ten. */
  readonly recall10: number
  /** Whether the first one is among the judged. */
  readonly hit1: number
}

export const none: Measures = { ndcg10: 0, recall10: 0, hit1: 0 }

const gain = (grades: ReadonlyArray<number>) =>
  grades.slice(0, 10).reduce((sum, grade, at) => sum + (2 ** grade - 1) / Math.log2(at + 2), 0)

/** The measures of one answer: documents in their order, and the grades of those that are judged. */
export const of = (found: ReadonlyArray<string>, judged: ReadonlyMap<string, number>): Measures => {
  const first = found.slice(0, 10).map((id) => judged.get(id) ?? 0)
  const best = gain([...judged.values()].toSorted((a, b) => b - a))
  return {
    ndcg10: best === 0 ? 0 : (100 * gain(first)) / best,
    recall10: judged.size === 0 ? 0 : (100 * first.filter((grade) => grade > 0).length) / judged.size,
    hit1: (first[0] ?? 0) > 0 ? 100 : 0,
  }
}

const round = (value: number) => Math.round(value * 100) / 100

export const mean = (all: ReadonlyArray<Measures>): Measures => {
  const over = (pick: (one: Measures) => number) =>
    all.length === 0 ? 0 : round(all.reduce((sum, one) => sum + pick(one), 0) / all.length)
  return {
    ndcg10: over(({ ndcg10 }) => ndcg10),
    recall10: over(({ recall10 }) => recall10),
    hit1: over(({ hit1 }) => hit1),
  }
}

export const words = ({ hit1, ndcg10, recall10 }: Measures): string =>
  `nDCG@10 ${ndcg10.toFixed(1)}  recall@10 ${recall10.toFixed(1)}  hit@1 ${hit1.toFixed(1)}`

const short = ({ hit1, ndcg10, recall10 }: Measures) =>
  [ndcg10, recall10, hit1].map((value) => value.toFixed(1)).join(" / ")

/** The figures of several sets as a table in markdown. */
export const table = (
  sets: ReadonlyArray<{
    readonly name: string
    readonly figures: Readonly<Record<"lexical" | "semantic" | "hybrid", Measures>>
  }>,
): ReadonlyArray<string> => [
  "| nDCG@10 / recall@10 / hit@1 | lexical | semantic | hybrid |",
  "|---|---|---|---|",
  ...sets.map(
    ({ figures: { hybrid, lexical, semantic }, name }) =>
      `| ${name} | ${short(lexical)} | ${short(semantic)} | ${short(hybrid)} |`,
  ),
]
