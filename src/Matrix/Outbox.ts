/**
 * The one way out. Messages leave one after the other, at a rate that homeservers like, and wait as long as they ask;
 * what cannot be sent now stays, with the transaction id that it has, so neither an outage nor a crash loses or doubles
 * one. What the homeserver refuses for good (the bot was thrown out of the room) is given up and logged.
 */
import * as RateLimiter from "@effect/experimental/RateLimiter"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StorageError } from "../Domain/Errors.js"
import type { Account } from "./Account.js"
import type { MatrixError, NotHolder } from "./Errors.js"
import { asEdit, withoutPlace } from "./Message.js"
import type { Due, OutboxRows } from "./OutboxRows.js"
import type { Session } from "./Session.js"

/** How often it looks, though nobody has said that there is something: after a database was in trouble, say. */
const backstop = Duration.seconds(30)

export interface Options {
  /** Messages a second, and at most so many at once. */
  readonly rate: number
}

export const make = ({
  account,
  news,
  options,
  rows,
  session,
}: {
  readonly account: Account
  readonly rows: OutboxRows
  readonly session: Session
  /** Opened by whoever has put something in. */
  readonly news: Effect.Latch
  readonly options: Options
}) =>
  Effect.gen(function* () {
    const sleep = yield* RateLimiter.makeSleep

    const deliver = (due: Due) =>
      session.call((client, token): Effect.Effect<string | null, MatrixError> => {
        switch (due.kind) {
          case "message":
            return Effect.map(
              Effect.catchAll(client.send(token, due.roomId, due.txnId, due.content), (error) => {
                // A thread that this homeserver does not know (other people's servers say what is one): better
                // answered beside it than not at all.
                const plain = error.status === 400 ? withoutPlace(due.content) : undefined
                return plain === undefined
                  ? Effect.fail(error)
                  : client.send(token, due.roomId, `${due.txnId}-plain`, plain)
              }),
              ({ event_id }) => event_id,
            )
          case "edit":
            return Effect.map(
              client.send(token, due.roomId, due.txnId, asEdit(due.content, due.edited ?? "")),
              ({ event_id }) => event_id,
            )
          case "join":
            return Effect.as(client.join(token, due.roomId), null)
          case "leave":
            return Effect.as(client.leave(token, due.roomId), null)
        }
      })

    const giveUp = (due: Due, reason: string) =>
      Effect.zipRight(
        account.write(rows.refused(due.seq, reason)),
        Effect.logWarning(`matrix: a ${due.kind} was refused: ${reason}`).pipe(
          Effect.annotateLogs({ room: due.roomId }),
        ),
      )

    const send = (due: Due): Effect.Effect<void, MatrixError | NotHolder | StorageError> =>
      Effect.gen(function* () {
        if (due.kind === "edit" && due.edited === null) {
          return yield* giveUp(due, "the message that it changes was never sent")
        }
        yield* Effect.ignore(
          sleep({
            key: `send ${account.userId}`,
            algorithm: "token-bucket",
            limit: options.rate,
            window: "1 second",
          }),
        )
        yield* account.write(rows.tried(due.seq))
        const sent = yield* Effect.either(deliver(due))
        if (sent._tag === "Right") return yield* Effect.asVoid(account.write(rows.sent(due.seq, sent.right)))
        const error = sent.left
        // Signed out, refused as a whole, or out of reach: that is no fault of this message.
        if (error._tag !== "MatrixError" || error.isTransient || error.isSignedOut) return yield* error
        if (error.request === "login" || error.request === "whoami") return yield* error
        yield* giveUp(due, error.message)
      })

    /** Sends what is there, then waits for more. */
    const step = Effect.gen(function* () {
      yield* news.close
      const due = yield* rows.next
      if (Option.isNone(due)) return yield* Effect.race(news.await, Effect.sleep(backstop))
      yield* send(due.value)
      yield* news.open
    })

    return { step }
  })
