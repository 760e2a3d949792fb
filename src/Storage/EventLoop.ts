/**
 * Tells when SQL has kept the thread to itself for too long, and gives it back for one turn of the event loop.
 * better-sqlite3 is synchronous and Effect goes on in microtasks, so a fiber that loops over statements lets no
 * timer, no socket and no heartbeat of this process run. A turn is cheap, a check costs a clock reading, and so
 * every statement checks. Real time, not `Clock`: what counts is the thread, also under a test's clock.
 */
import * as Effect from "effect/Effect"

/** Watches the turns of the event loop. */
export interface EventLoop {
  /** Whether statements have run for more than the limit since the event loop last turned. */
  readonly isHogged: () => boolean
  /** Waits until the event loop has turned once. */
  readonly turn: Effect.Effect<void>
}

/** Makes a watch; `limitMillis` is how long statements may keep the thread. */
export const make = (limitMillis = 1): EventLoop => {
  let since: number | undefined
  const turned = () => {
    since = undefined
  }
  return {
    isHogged: () => {
      const now = performance.now()
      if (since === undefined) {
        // The first statement of this turn: the mark falls by itself when the loop turns, however it comes to.
        since = now
        setImmediate(turned)
        return false
      }
      return now - since > limitMillis
    },
    // A macrotask of its own: Effect's `yieldNow` is a microtask most of the time.
    turn: Effect.async<void>((resume) => {
      const handle = setImmediate(() => resume(Effect.void))
      return Effect.sync(() => clearImmediate(handle))
    }),
  }
}
