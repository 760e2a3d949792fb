/**
 * Commands that were heard: kept from the transaction that moves the sync token to the one that holds their effects and
 * their answer. Their events stay known for a while after that, so that one which is told again is not obeyed again.
 * Methods that change something are steps of the caller's transaction.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Storage } from "../Storage.js"
import { RoomEvent } from "./Events.js"

const Event = Schema.parseJson(RoomEvent)
const encode = Schema.encode(Event)

const Waiting = Schema.Struct({
  seq: Schema.Int,
  roomId: Schema.String,
  sender: Schema.String,
  event: Event,
  /** How often it was begun. */
  attempts: Schema.Int,
})

/** A command whose turn has come. */
export interface Waiting extends Schema.Schema.Type<typeof Waiting> {}

const decode = Schema.decodeUnknown(Schema.Array(Waiting))
const decodeSenders = Schema.decodeUnknown(Schema.Array(Schema.Struct({ sender: Schema.String })))
const decodeCount = Schema.decodeUnknown(Schema.NonEmptyArray(Schema.Struct({ count: Schema.Int })))

/** How a command that is not obeyed because too many wait is remembered. */
export const flooded = "too many"

export const make = (account: string) =>
  Effect.map(Storage, (storage) => {
    const sql = storage.statement
    return {
      /** Takes a command in, unless it is known already. `ended`: it is known from now on, but not obeyed. */
      enter: (roomId: string, event: RoomEvent, ended?: string) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const rows = yield* sql`
            INSERT INTO matrix_commands (account, event_id, room_id, sender, event, received_at, ended_at, effect)
            VALUES (${account}, ${event.event_id}, ${roomId}, ${event.sender}, ${yield* encode(event)}, ${now},
              ${ended === undefined ? null : now}, ${ended ?? null})
            ON CONFLICT (account, event_id) DO NOTHING RETURNING seq`
          return rows.length > 0
        }),

      /** How many commands of a sender wait. */
      waitingOf: (sender: string) =>
        Effect.map(
          Effect.flatMap(
            sql`SELECT count(*) AS count FROM matrix_commands
              WHERE account = ${account} AND sender = ${sender} AND ended_at IS NULL`,
            decodeCount,
          ),
          ([{ count }]) => count,
        ),

      /** Whether the newest command of a sender was one too many. */
      isFlooded: (sender: string) =>
        Effect.map(
          sql`SELECT 1 AS flooded FROM (
              SELECT effect FROM matrix_commands WHERE account = ${account} AND sender = ${sender}
              ORDER BY seq DESC LIMIT 1
            ) WHERE effect = ${flooded}`,
          (rows) => rows.length > 0,
        ),

      /** Who has commands that wait, in the order of the oldest. */
      senders: Effect.map(
        storage.read(
          Effect.flatMap(
            sql`SELECT sender FROM matrix_commands WHERE account = ${account} AND ended_at IS NULL
              GROUP BY sender ORDER BY min(seq)`,
            decodeSenders,
          ),
        ),
        (rows) => rows.map(({ sender }) => sender),
      ),

      /** The oldest command of a sender. */
      next: (sender: string) =>
        Effect.map(
          storage.read(
            Effect.flatMap(
              sql`SELECT seq, room_id AS "roomId", sender, event, attempts FROM matrix_commands
                WHERE account = ${account} AND sender = ${sender} AND ended_at IS NULL ORDER BY seq LIMIT 1`,
              decode,
            ),
          ),
          ([row]) => Option.fromNullable(row),
        ),

      begin: (seq: number) => sql`UPDATE matrix_commands SET attempts = attempts + 1 WHERE seq = ${seq}`,

      /** It is done, and this was its effect. What was said is let go of. */
      end: (seq: number, effect: string, answer: number | null) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          yield* sql`UPDATE matrix_commands
            SET ended_at = ${now}, effect = ${effect}, answer = ${answer}, event = '' WHERE seq = ${seq}`
        }),

      forget: (olderThanMillis: number) =>
        Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => sql`DELETE FROM matrix_commands WHERE ended_at < ${now - olderThanMillis}`,
        ),
    }
  })

export type Inbox = Effect.Effect.Success<ReturnType<typeof make>>
