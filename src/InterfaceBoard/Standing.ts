/**
 * How the interface stands: told on the board of interfaces at each beat and at once when it changes, and in the log
 * when it changes. A board that cannot be written stops nothing.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { StorageError } from "../Domain/Errors.js"
import type { InterfaceState } from "../Domain/InterfaceNotice.js"
import * as InterfaceBoard from "../InterfaceBoard.js"

interface Told {
  readonly state: InterfaceState
  readonly reason: string | null
}

export interface Standing {
  readonly set: (state: InterfaceState, reason?: string) => Effect.Effect<void>
  readonly state: Effect.Effect<InterfaceState>
}

/** What is told of. */
export interface Of {
  /** Which interface, such as `matrix`. */
  readonly name: string
  /** For whom or what it is there, such as a user id. */
  readonly subject: string
  /** How many messages are still to be sent. */
  readonly waiting: Effect.Effect<number, StorageError>
}

/** Reports as long as the scope lasts. */
export const make = ({ name, subject, waiting }: Of) =>
  Effect.gen(function* () {
    const board = yield* InterfaceBoard.InterfaceBoard
    const told = yield* Ref.make<Told>({ state: "starting", reason: null })
    const news = yield* Effect.makeLatch(true)

    const report = Effect.gen(function* () {
      yield* news.close
      yield* board.report({
        name,
        subject,
        waiting: yield* waiting,
        ...(yield* Ref.get(told)),
      })
    }).pipe(
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.interrupt
          : Effect.logDebug("how an interface stands could not be told", cause),
      ),
    )

    yield* report.pipe(
      Effect.zipRight(Effect.race(news.await, Effect.sleep(InterfaceBoard.beat))),
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.forkScoped,
    )

    const set = (state: InterfaceState, reason: string | null = null) =>
      Effect.gen(function* () {
        const before = yield* Ref.getAndSet(told, { state, reason })
        if (before.state === state && before.reason === reason) return
        const log = state === "connected" || state === "standby" ? Effect.logInfo : Effect.logWarning
        yield* log(`${name}: ${state}${reason === null ? "" : `: ${reason}`}`).pipe(
          Effect.annotateLogs({ subject }),
        )
        yield* news.open
      })

    return { set, state: Effect.map(Ref.get(told), ({ state }) => state) } satisfies Standing
  })
