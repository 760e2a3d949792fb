/**
 * The model of one process, shared out piece by piece: a lock with two waiting lines. A piece is one text, so a question
 * that comes while a thousand texts are in line waits for one text only. Several questions in a row let a text through
 * now and then, so that bulk work goes on however many people ask. A holder gives the lock straight to whoever is next:
 * nobody barges in, and an interrupted waiter loses nothing that it was already given.
 */
import * as Effect from "effect/Effect"

/** Runs an effect while holding the model. */
export type Lane = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** The two lines. An effect that has begun is not interrupted: what computes cannot be stopped half-way. */
export interface Lanes {
  readonly queries: Lane
  readonly bulk: Lane
}

/** How many questions may overtake one waiting text. */
export const queriesInARow = 8

interface Waiter {
  owns: boolean
  wake: () => void
}

/** Makes a lock that nobody holds. */
export const make = (): Lanes => {
  const queries = new Set<Waiter>() // keeps the order of insertion, and removes from the middle in one step
  const bulk = new Set<Waiter>()
  let held = false
  let overtaken = 0

  const next = (): Waiter | undefined => {
    const turn = overtaken >= queriesInARow && bulk.size > 0 ? bulk : queries.size > 0 ? queries : bulk
    overtaken = turn === queries && bulk.size > 0 ? overtaken + 1 : 0
    for (const waiter of turn) {
      turn.delete(waiter)
      return waiter
    }
    return undefined
  }

  const release = Effect.sync(() => {
    const waiter = next()
    if (waiter === undefined) {
      held = false
      return
    }
    waiter.owns = true
    waiter.wake()
  })

  const acquire = (line: Set<Waiter>, restore: Lane): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!held) {
        held = true
        return Effect.void
      }
      const waiter: Waiter = { owns: false, wake: () => {} }
      line.add(waiter)
      const handedOver = Effect.async<void>((resume) => {
        waiter.wake = () => resume(Effect.void)
        if (waiter.owns) waiter.wake()
      })
      return Effect.onError(restore(handedOver), () => {
        if (waiter.owns) return release
        line.delete(waiter)
        return Effect.void
      })
    })

  const lane =
    (line: Set<Waiter>): Lane =>
    (effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.zipRight(acquire(line, restore), Effect.ensuring(effect, release)),
      )

  return { queries: lane(queries), bulk: lane(bulk) }
}
