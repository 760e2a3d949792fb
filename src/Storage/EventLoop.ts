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
  /** The mark falls by itself when the loop turns, however it comes to. */
  const mark = () => {
    since = performance.now()
    setImmediate(turned)
  }
  return {
    isHogged: () => {
      if (since !== undefined) return performance.now() - since > limitMillis
      mark()
      return false
    },
    // A macrotask of its own: Effect's `yieldNow` is a microtask most of the time. And two of them: who asks from a
    // timer or from a socket would be served by the first before the loop comes round to timers and sockets again.
    // What follows counts at once, since its first statement has asked already and may be a long one.
    turn: Effect.async<void>((resume) => {
      let handle = setImmediate(() => {
        handle = setImmediate(() => {
          mark()
          resume(Effect.void)
        })
      })
      return Effect.sync(() => clearImmediate(handle))
    }),
  }
}
