/** Numbers that look random and are the same again for the same seed (mulberry32). */
export interface Random {
  /** From 0 to 1, 1 excluded. */
  readonly next: () => number
  /** A whole number from 0, `below` excluded. */
  readonly below: (below: number) => number
}

export const make = (seed: number): Random => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, below: (below) => Math.floor(next() * below) }
}

/** A seed of its own for each of several parts of one run. */
export const derive = (seed: number, ...parts: ReadonlyArray<number>): number =>
  parts.reduce((mixed, part) => Math.imul(mixed ^ (part + 1), 0x9e3779b1) >>> 0, seed >>> 0)
