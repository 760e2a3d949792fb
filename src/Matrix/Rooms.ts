/** What is known of the rooms that the bot is in or invited to. Its methods are steps of the caller's transaction. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Storage } from "../Storage.js"

const Flag = Schema.transformLiterals([0, false], [1, true])

export const Room = Schema.Struct({
  roomId: Schema.String,
  /** The bot is in it. */
  present: Flag,
  /** The invitation said that it is a conversation of two. */
  direct: Flag,
  /** The bot heard of the invitation as it came: what was said from then on was said to it. */
  heard: Flag,
  /** How many are in it and invited, where the homeserver has said so. */
  joined: Schema.NullOr(Schema.Int),
  invited: Schema.NullOr(Schema.Int),
  encrypted: Flag,
  /** It was said there that the bot cannot read encrypted messages. */
  warned: Flag,
})
export interface Room extends Schema.Schema.Type<typeof Room> {}

/** A room of which nothing is known. */
export const unknown = (roomId: string): Room => ({
  roomId,
  present: false,
  direct: false,
  heard: false,
  joined: null,
  invited: null,
  encrypted: false,
  warned: false,
})

/** Whether only one other is there: by their number, and by the invitation where that is not known. */
export const isDirect = ({ direct, invited, joined }: Room): boolean =>
  joined === null ? direct : joined + (invited ?? 0) <= 2

const decode = Schema.decodeUnknown(Schema.Array(Room))

export const make = (account: string) =>
  Effect.map(Storage, ({ statement: sql }) => ({
    get: (roomId: string) =>
      Effect.map(
        Effect.flatMap(
          sql`SELECT room_id AS "roomId", present, direct, heard, joined, invited, encrypted, warned
            FROM matrix_rooms WHERE account = ${account} AND room_id = ${roomId}`,
          decode,
        ),
        ([room]) => room ?? unknown(roomId),
      ),

    put: (room: Room) => sql`
      INSERT INTO matrix_rooms (account, room_id, present, direct, heard, joined, invited, encrypted, warned)
      VALUES (${account}, ${room.roomId}, ${room.present ? 1 : 0}, ${room.direct ? 1 : 0},
        ${room.heard ? 1 : 0}, ${room.joined}, ${room.invited}, ${room.encrypted ? 1 : 0}, ${room.warned ? 1 : 0})
      ON CONFLICT (account, room_id) DO UPDATE SET
        present = excluded.present, direct = excluded.direct, heard = excluded.heard, joined = excluded.joined,
        invited = excluded.invited, encrypted = excluded.encrypted, warned = excluded.warned`,
  }))

export type Rooms = Effect.Effect.Success<ReturnType<typeof make>>
