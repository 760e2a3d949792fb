/** Where `!more` goes on: one place for each sender in each room, kept with the answer that was cut. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Storage } from "../Storage.js"

export const Cursor = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("search"), question: Schema.String, shown: Schema.Int }),
  Schema.Struct({
    kind: Schema.Literal("related"),
    entityType: Schema.String,
    entityId: Schema.String,
    shown: Schema.Int,
  }),
  Schema.Struct({
    kind: Schema.Literal("list"),
    entityType: Schema.String,
    entityId: Schema.String,
    shown: Schema.Int,
  }),
  Schema.Struct({
    kind: Schema.Literal("get"),
    entityType: Schema.String,
    entityId: Schema.String,
    from: Schema.Int,
  }),
)
export type Cursor = typeof Cursor.Type

const Json = Schema.parseJson(Cursor)
const encode = Schema.encode(Json)
const decode = Schema.decodeUnknown(Schema.Array(Schema.Struct({ cursor: Json })))

export const make = (account: string) =>
  Effect.map(Storage, (storage) => {
    const sql = storage.statement
    return {
      get: (roomId: string, sender: string) =>
        Effect.map(
          storage.read(
            Effect.flatMap(
              sql`SELECT cursor FROM matrix_cursors
                WHERE account = ${account} AND room_id = ${roomId} AND sender = ${sender}`,
              decode,
            ),
          ),
          ([row]) => Option.map(Option.fromNullable(row), ({ cursor }) => cursor),
        ),

      /** A step of the caller's transaction. Nothing: there is no more. */
      set: (roomId: string, sender: string, cursor: Cursor | undefined) =>
        Effect.gen(function* () {
          yield* cursor === undefined
            ? sql`DELETE FROM matrix_cursors
                WHERE account = ${account} AND room_id = ${roomId} AND sender = ${sender}`
            : sql`INSERT INTO matrix_cursors (account, room_id, sender, cursor)
                VALUES (${account}, ${roomId}, ${sender}, ${yield* encode(cursor)})
                ON CONFLICT (account, room_id, sender) DO UPDATE SET cursor = excluded.cursor`
        }),
    }
  })

export type Cursors = Effect.Effect.Success<ReturnType<typeof make>>
