/**
 * Which texts go through a model together. As measured (six turns each, 400 texts of the bench), runs of up to 256 tokens
 * take 3 to 4 % less than runs of up to 96, or one for each text; beyond that nothing is gained, while work on padding is
 * lost. A text that fills the window is as long by itself, so whoever waits for the model waits no longer. So texts of
 * nearly the same length share a run as long as they are short, and all others have one of their own.
 */

/** How much goes into a run. */
export interface Bounds {
  /** A run that would have more tokens, padding included, takes no further text. */
  readonly enough: number
  /** How much of a run may be padding, as a share. */
  readonly waste: number
}

export const bounds: Bounds = { enough: 256, waste: 0.1 }

/** The places of these lengths, in groups that are run one after the other. */
export const byLength = (
  lengths: ReadonlyArray<number>,
  { enough, waste }: Bounds = bounds,
): ReadonlyArray<ReadonlyArray<number>> => {
  const lengthAt = (place: number) => lengths[place] ?? 0
  const places = [...lengths.keys()].toSorted((a, b) => lengthAt(a) - lengthAt(b))
  const groups: Array<Array<number>> = []
  let tokens = Number.POSITIVE_INFINITY
  for (const place of places) {
    const length = lengthAt(place)
    const last = groups.at(-1)
    const size = ((last?.length ?? 0) + 1) * length
    if (last !== undefined && size <= enough && tokens + length >= size * (1 - waste)) {
      last.push(place)
      tokens += length
    } else {
      groups.push([place])
      tokens = length
    }
  }
  return groups
}
