/**
 * Hears. One long poll after the other; what each tells is taken in before the next begins, and the first after a failure
 * does not wait, so that everybody knows at once that the connection is there again.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Storage } from "../Storage.js"
import type { Standing } from "../InterfaceBoard/Standing.js"
import type { Account } from "./Account.js"
import type { Self } from "./Addressing.js"
import { MatrixError } from "./Errors.js"
import { filterOf, type Intake } from "./Intake.js"
import type { Session } from "./Session.js"

export interface Options {
  /** How long a poll waits for something to happen. */
  readonly wait: Duration.Duration
}

/** Events of a room that one sync tells; more are fetched. */
const timeline = 50

/** The homeserver does not know the token of the last sync any more: it was restored from a backup, say. */
const isForgotten = (error: MatrixError) =>
  error.status === 400 && ["M_UNKNOWN", "M_INVALID_PARAM", "M_UNKNOWN_POS"].includes(error.errcode ?? "")

export const make = ({
  account,
  intake,
  news,
  options,
  session,
  standing,
}: {
  readonly account: Account
  readonly session: Session
  readonly intake: Intake
  readonly standing: Standing
  /** Run when something was taken in. */
  readonly news: Effect.Effect<void>
  readonly options: Options
}) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const self = yield* Deferred.make<Self>()

    /** By which name it is called; without one it listens to its user id. */
    const whoIsIt = Effect.gen(function* () {
      if (yield* Deferred.isDone(self)) return yield* Deferred.await(self)
      const displayName = yield* session
        .call((client, token) => client.displayName(token, account.userId))
        .pipe(
          Effect.map((profile) => profile.displayname ?? undefined),
          Effect.catchTag("MatrixError", (error) =>
            error.isTransient || error.isSignedOut ? Effect.fail(error) : Effect.succeed(undefined),
          ),
        )
      const found: Self = { userId: account.userId, displayName }
      yield* Deferred.succeed(self, found)
      return found
    })

    const startAfresh = Effect.zipRight(
      Effect.logWarning(
        "matrix: the homeserver does not know where we were; what was said meanwhile is not heard",
      ),
      account.write(account.moveTo(null)),
    )

    const step = Effect.gen(function* () {
      const me = yield* whoIsIt
      const since = (yield* account.state).syncToken ?? undefined
      const isConnected = (yield* standing.state) === "connected"
      const wait = isConnected && since !== undefined ? options.wait : Duration.zero
      const heard = yield* session
        .call((client, token) =>
          client.sync(token, { since, wait, filter: filterOf(since === undefined ? 1 : timeline) }),
        )
        .pipe(
          Effect.tapError((error) =>
            error._tag === "MatrixError" && since !== undefined && isForgotten(error)
              ? startAfresh
              : Effect.void,
          ),
        )
      const write = yield* intake(heard, since, me)
      yield* account.write(Effect.zipRight(write, storage.afterCommit(news)))
      yield* standing.set("connected")
    })

    return {
      step,
      onFailure: (error: { readonly _tag: string; readonly message: string }) =>
        standing.set(
          error instanceof MatrixError && !error.isTransient ? "refused" : "retrying",
          error.message,
        ),
      /** How it is called; waits until that is known. */
      self: Deferred.await(self),
    }
  })
