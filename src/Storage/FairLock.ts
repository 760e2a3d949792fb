/**
 * A lock that is handed over in the order of asking. Effect's semaphore wakes every waiter and lets them race with
 * whoever comes along, so that a fiber with back-to-back transactions starves all others; here the holder gives the
 * lock to the longest waiter, and nobody can barge in between. Checking and taking is one step that cannot be
 * interrupted, and what an interrupted waiter still holds is decided outside the region that can be interrupted:
 * that is what keeps the lock from leaking.
 */
import * as Effect from "effect/Effect"

/** What `Effect.uninterruptibleMask` gives: makes the waiting, and only the waiting, interruptible. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** A lock for one holder, first come, first served. Not reentrant. */
export interface FairLock {
  /**
   * Takes the lock. Call it in an uninterruptible region and pass that region's `restore`: when it succeeds the
   * lock is held, when it is interrupted it is not.
   */
  readonly acquire: (restore: Restore) => Effect.Effect<void>

  /** Takes the lock if nobody has it, and says whether it did. */
  readonly tryAcquire: () => boolean

  /** Hands the lock to the longest waiter, if there is one. Only its holder may call this, once. */
  readonly release: () => void

  /** How many wait. */
  readonly waiting: () => number
}

interface Waiter {
  owns: boolean
  wake: () => void
}

/** Makes a lock that nobody holds. */
export const make = (): FairLock => {
  const waiters = new Set<Waiter>() // keeps the order of insertion, and removes from the middle in one step
  let held = false

  const release = () => {
    for (const next of waiters) {
      waiters.delete(next)
      next.owns = true
      next.wake()
      return
    }
    held = false
  }

  const wait = (restore: Restore): Effect.Effect<void> => {
    const waiter: Waiter = { owns: false, wake: () => {} }
    waiters.add(waiter)
    const handedOver = Effect.async<void>((resume) => {
      waiter.wake = () => resume(Effect.void)
      if (waiter.owns) waiter.wake()
    })
    // The lock may be handed over after the interruption and before this fiber has noticed either.
    return Effect.matchCauseEffect(restore(handedOver), {
      onFailure: (cause) => {
        if (waiter.owns) release()
        else waiters.delete(waiter)
        return Effect.failCause(cause)
      },
      onSuccess: () => Effect.void,
    })
  }

  const tryAcquire = () => {
    if (held) return false
    held = true
    return true
  }

  return {
    tryAcquire,
    acquire: (restore) => Effect.suspend(() => (tryAcquire() ? Effect.void : wait(restore))),
    release,
    waiting: () => waiters.size,
  }
}
