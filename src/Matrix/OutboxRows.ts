/**
 * What is still to be sent, in order, with the transaction id that each message keeps whatever happens. Answers go
 * before edits: who asked waits, who reads a receipt does not. An edit waits for the message it changes, since only the
 * homeserver knows what that is called. Methods that change something are steps of the caller's transaction.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { v4 as randomId } from "uuid"
import { Storage } from "../Storage.js"
import type { Content } from "./Message.js"

const ContentJson = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
const encode = Schema.encode(ContentJson)

const Due = Schema.Struct({
  seq: Schema.Int,
  roomId: Schema.String,
  kind: Schema.Literal("message", "edit", "join", "leave"),
  txnId: Schema.String,
  content: ContentJson,
  attempts: Schema.Int,
  /** The event that an edit changes. */
  edited: Schema.NullOr(Schema.String),
})

/** Something to send. */
export interface Due extends Schema.Schema.Type<typeof Due> {}

const decode = Schema.decodeUnknown(Schema.Array(Due))
const decodeSeq = Schema.decodeUnknown(Schema.NonEmptyArray(Schema.Struct({ seq: Schema.Int })))
const decodeCount = Schema.decodeUnknown(Schema.NonEmptyArray(Schema.Struct({ count: Schema.Int })))

export const make = (account: string) =>
  Effect.map(Storage, (storage) => {
    const sql = storage.statement

    const put = (kind: Due["kind"], roomId: string, content: Content, edits: number | null) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const [{ seq }] = yield* Effect.flatMap(
          sql`INSERT INTO matrix_outbox (account, room_id, kind, txn_id, content, edits, created_at)
            VALUES (${account}, ${roomId}, ${kind}, ${`embedbox-${randomId()}`}, ${yield* encode(content)},
              ${edits}, ${now})
            RETURNING seq`,
          decodeSeq,
        )
        return seq
      })

    return {
      message: (roomId: string, content: Content) => put("message", roomId, content, null),
      join: (roomId: string) => put("join", roomId, {}, null),
      leave: (roomId: string) => put("leave", roomId, {}, null),

      /**
       * Changes a message. An edit of it that was not tried yet is changed instead; one that was may have arrived, and
       * its transaction id stands for what it said.
       */
      edit: (message: number, content: Content) =>
        Effect.gen(function* () {
          const text = yield* encode(content)
          const changed = yield* sql`UPDATE matrix_outbox SET content = ${text}
            WHERE edits = ${message} AND ended_at IS NULL AND attempts = 0 RETURNING seq`
          if (changed.length > 0) return
          yield* sql`INSERT INTO matrix_outbox (account, room_id, kind, txn_id, content, edits, created_at)
            SELECT account, room_id, 'edit', ${`embedbox-${randomId()}`}, ${text}, seq,
              ${yield* Clock.currentTimeMillis}
            FROM matrix_outbox WHERE seq = ${message}`
        }),

      /** What is sent next: nothing where all that waits are edits of messages that are not there yet. */
      next: Effect.map(
        storage.read(
          Effect.flatMap(
            sql`SELECT o.seq, o.room_id AS "roomId", o.kind, o.txn_id AS "txnId", o.content, o.attempts,
                m.event_id AS edited
              FROM matrix_outbox AS o LEFT JOIN matrix_outbox AS m ON m.seq = o.edits
              WHERE o.account = ${account} AND o.ended_at IS NULL AND (o.edits IS NULL OR m.ended_at IS NOT NULL)
              ORDER BY o.kind = 'edit', o.seq LIMIT 1`,
            decode,
          ),
        ),
        ([due]) => Option.fromNullable(due),
      ),

      waiting: Effect.map(
        storage.read(
          Effect.flatMap(
            sql`SELECT count(*) AS count FROM matrix_outbox WHERE account = ${account} AND ended_at IS NULL`,
            decodeCount,
          ),
        ),
        ([{ count }]) => count,
      ),

      tried: (seq: number) => sql`UPDATE matrix_outbox SET attempts = attempts + 1 WHERE seq = ${seq}`,

      sent: (seq: number, eventId: string | null) =>
        Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => sql`UPDATE matrix_outbox SET ended_at = ${now}, event_id = ${eventId} WHERE seq = ${seq}`,
        ),

      /** It will never be sent, and neither will its edits. */
      refused: (seq: number, reason: string) =>
        Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => sql`UPDATE matrix_outbox SET ended_at = ${now}, refused = ${reason}
            WHERE ended_at IS NULL AND (seq = ${seq} OR edits = ${seq})`,
        ),

      /** Lets go of what was sent long ago and will not change any more. */
      forget: (olderThanMillis: number) =>
        Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => sql`DELETE FROM matrix_outbox
            WHERE account = ${account} AND ended_at < ${now - olderThanMillis} AND seq NOT IN (
              SELECT answer FROM matrix_answers WHERE account = ${account} AND finished = 0
              UNION ALL
              SELECT answer FROM matrix_jobs
              UNION ALL
              SELECT edits FROM matrix_outbox WHERE account = ${account} AND ended_at IS NULL AND edits IS NOT NULL
            )`,
        ),
    }
  })

export type OutboxRows = Effect.Effect.Success<ReturnType<typeof make>>
