import * as Schedule from "effect/Schedule"

/** 1, 2, 4, 8 … seconds without jitter, so that tests can name times. */
export const plainBackoff = Schedule.exponential("1 second")
