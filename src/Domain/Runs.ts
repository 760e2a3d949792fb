/** Cutting a list into pieces that can be written together. */
import type * as Arr from "effect/Array"

/**
 * Cuts a list, in its order, into runs in which no key occurs twice: what is written by one set of statements must not
 * depend on itself.
 */
export const distinctRuns = <A>(
  list: ReadonlyArray<A>,
  key: (one: A) => string,
): ReadonlyArray<Arr.NonEmptyReadonlyArray<A>> => {
  const runs: Array<[A, ...Array<A>]> = []
  const seen = new Set<string>()
  for (const one of list) {
    const its = key(one)
    const last = runs.at(-1)
    if (last === undefined || seen.has(its)) {
      runs.push([one])
      seen.clear()
    } else last.push(one)
    seen.add(its)
  }
  return runs
}

/** Cuts a list, in its order, into pieces of at most `most` elements and, where an element fits at all, `weight`. */
export const bounded = <A>(
  list: ReadonlyArray<A>,
  bounds: { readonly most: number; readonly weight: number },
  weightOf: (one: A) => number,
): ReadonlyArray<Arr.NonEmptyReadonlyArray<A>> => {
  const pieces: Array<[A, ...Array<A>]> = []
  let weight = Number.POSITIVE_INFINITY
  for (const one of list) {
    const its = weightOf(one)
    weight += its
    const last = pieces.at(-1)
    if (last !== undefined && last.length < bounds.most && weight <= bounds.weight) last.push(one)
    else {
      pieces.push([one])
      weight = its
    }
  }
  return pieces
}
