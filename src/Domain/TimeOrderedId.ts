/**
 * Ids that grow with time (UUID version 7), so that an index of them grows at its end. Randomness is drawn for many of
 * them at once: asking the system for sixteen bytes costs more than all the rest of an id.
 */
import { randomFillSync } from "node:crypto"
import { v7 } from "uuid"

const bytesEach = 16
const pool = new Uint8Array(bytesEach * 256)
let used = pool.length

const rng = (): Uint8Array => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += bytesEach
  return pool.slice(used - bytesEach, used)
}

/** A new id; `msecs` is the time, in milliseconds since the epoch. */
export const timeOrderedId = (msecs: number): string => v7({ msecs, rng })
