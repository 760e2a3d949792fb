/**
 * A signed-in device. The device is chosen once and kept, since the transaction ids of messages count per device: a
 * message that is sent again after a crash is then known to the homeserver. The access token itself is not stored: a
 * database is copied and backed up. Where a password was given, a token that is not known any more (signed out, softly
 * or not) is replaced by signing in again on the same device; where a token was given, somebody must give another.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type { StorageError } from "../Domain/Errors.js"
import { v4 as randomId } from "uuid"
import type { Account } from "./Account.js"
import type { Client } from "./Client.js"
import { MatrixError, type NotHolder } from "./Errors.js"

/** How the bot shows who it is. */
export type Credentials =
  | { readonly _tag: "Token"; readonly token: Redacted.Redacted }
  | { readonly _tag: "Password"; readonly password: Redacted.Redacted }

export type SessionError = MatrixError | NotHolder | StorageError

export interface Session {
  /** Runs a request with a good token, signing in first, or again, where that is needed. */
  readonly call: <A>(
    request: (client: Client, token: Redacted.Redacted) => Effect.Effect<A, MatrixError>,
  ) => Effect.Effect<A, SessionError>
}

const notOurs = (account: Account, found: string) =>
  new MatrixError({
    request: "whoami",
    status: 403,
    errcode: "M_FORBIDDEN",
    reason: `these credentials belong to ${found}, not to ${account.userId}`,
    retryAfterMillis: null,
  })

export const make = (client: Client, account: Account, credentials: Credentials): Effect.Effect<Session> =>
  Effect.gen(function* () {
    const current = yield* Ref.make(Option.none<Redacted.Redacted>())
    const oneAtATime = yield* Effect.makeSemaphore(1)

    const remember = (deviceId: string | undefined) =>
      Effect.gen(function* () {
        const known = (yield* account.state).deviceId
        if (deviceId !== undefined && deviceId !== known) yield* account.useDevice(deviceId)
      })

    const signIn: Effect.Effect<Redacted.Redacted, SessionError> = Effect.gen(function* () {
      if (credentials._tag === "Token") {
        const { device_id, user_id } = yield* client.whoAmI(credentials.token)
        if (user_id !== account.userId) return yield* notOurs(account, user_id)
        yield* remember(device_id)
        return credentials.token
      }
      const known = (yield* account.state).deviceId
      const deviceId = known ?? `EMBEDBOX${randomId().slice(0, 8).toUpperCase()}`
      // Before it is used: a device that is signed in and forgotten would be there for ever.
      yield* remember(deviceId)
      const { access_token, device_id, user_id } = yield* client.login(
        account.userId,
        credentials.password,
        deviceId,
      )
      if (user_id !== account.userId) return yield* notOurs(account, user_id)
      yield* remember(device_id)
      yield* Effect.logInfo("matrix: signed in").pipe(
        Effect.annotateLogs({ user: user_id, device: device_id }),
      )
      return access_token
    })

    /** A token, other than the one that has turned out to be bad. */
    const token = (bad?: Redacted.Redacted): Effect.Effect<Redacted.Redacted, SessionError> =>
      oneAtATime.withPermits(1)(
        Effect.gen(function* () {
          const known = yield* Ref.get(current)
          if (Option.isSome(known) && known.value !== bad) return known.value
          yield* Ref.set(current, Option.none())
          const found = yield* signIn
          yield* Ref.set(current, Option.some(found))
          return found
        }),
      )

    return {
      call: (request) =>
        Effect.flatMap(token(), (first) =>
          Effect.catchTag(request(client, first), "MatrixError", (error) =>
            error.isSignedOut
              ? Effect.flatMap(token(first), (second) => request(client, second))
              : Effect.fail(error),
          ),
        ),
    }
  })
