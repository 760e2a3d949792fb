/**
 * What is made of a sync: read first, with what else must be asked of the homeserver (a stretch of history that was left
 * out, the number of members), and then written in one transaction together with the token of the next one. Of what
 * people say only commands are kept, and only those of people who have a role; all else is not even written down.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StorageError } from "../Domain/Errors.js"
import { Storage } from "../Storage.js"
import type { Account } from "./Account.js"
import { asked, type Self } from "./Addressing.js"
import * as Events from "./Events.js"
import type { Inbox } from "./Inbox.js"
import { flooded } from "./Inbox.js"
import { code, contentOf, inThread, say } from "./Message.js"
import type { OutboxRows } from "./OutboxRows.js"
import { type Roles, roleOf } from "./Roles.js"
import * as Rooms from "./Rooms.js"
import type { Session, SessionError } from "./Session.js"

/** How old a command may be: what was said while the bot was away for longer is past. */
const memory = Duration.hours(24)

/** Pages of a hundred events that are fetched at most to close a gap. */
const mostPages = 20

/** Commands of one sender that may wait. */
const mostWaiting = 300

/** The events that a sync is to tell. Members are told only of people who speak. */
export const filterOf = (timeline: number) => {
  const types = ["m.room.message", "m.room.encrypted", "m.room.encryption", "m.room.member"]
  return {
    presence: { types: [] },
    account_data: { types: [] },
    room: {
      ephemeral: { types: [] },
      account_data: { types: [] },
      state: { types: ["m.room.encryption", "m.room.member"], lazy_load_members: true },
      timeline: { types, limit: timeline, lazy_load_members: true },
    },
  }
}

const { timeline: history } = filterOf(100).room

export const encryptedHere = say`This room is encrypted, and I cannot read encrypted messages: nothing that is said here reaches me. Please invite me to a room without encryption (in Element: create a room and turn "Enable end-to-end encryption" off).`

export const greeting = say`I save and find notes; ${code("!help")} says how.`

export const tooMany = say`Too many of your commands wait: this one and those that follow were not taken. Please send them again when I have caught up.`

type Failure = SessionError

/** A room and what is to be looked at in it, oldest first. */
interface Heard {
  readonly room: Rooms.Room
  readonly events: ReadonlyArray<Events.RoomEvent>
}

export const make = ({
  account,
  inbox,
  outbox,
  roles,
  rooms,
  session,
}: {
  readonly account: Account
  readonly session: Session
  readonly rooms: Rooms.Rooms
  readonly inbox: Inbox
  readonly outbox: OutboxRows
  readonly roles: Roles
}) =>
  Effect.gen(function* () {
    const storage = yield* Storage

    const isOwnJoin = (event: Events.RoomEvent) =>
      event.type === "m.room.member" &&
      event.state_key === account.userId &&
      event.content["membership"] === "join" &&
      // A new name is told as a join too.
      !Events.wasMember(event)

    const isOwnInvitation = (event: Events.RoomEvent) =>
      event.type === "m.room.member" &&
      event.state_key === account.userId &&
      event.content["membership"] === "invite"

    /** Where in a room that is new to the bot it begins to be spoken to: as it was invited, or as it came. */
    const beginning = (room: Rooms.Room, events: ReadonlyArray<Events.RoomEvent>) => {
      const invitation = room.heard ? events.findLastIndex(isOwnInvitation) : -1
      return (invitation < 0 ? events.findLastIndex(isOwnJoin) : invitation) + 1
    }

    /**
     * What was said between the last sync and the part of the timeline that this one tells, oldest first. Only the bot's
     * own arrival, before which nothing was said to it, ends the search early: an event that is old by its time or known
     * already says nothing of its neighbours, since the time is its sender's, and what other servers send late stands
     * among what was heard long ago.
     */
    const gap = (
      roomId: string,
      from: string | undefined,
      since: string,
    ): Effect.Effect<ReadonlyArray<Events.RoomEvent>, Failure> =>
      Effect.gen(function* () {
        const found: Array<Events.RoomEvent> = []
        let next = from
        for (let page = 0; next !== undefined; page++) {
          if (page === mostPages) {
            yield* Effect.logWarning(
              "matrix: too much was said while the bot was away; the oldest of it is not heard",
            ).pipe(Effect.annotateLogs({ room: roomId }))
            break
          }
          const at = next
          const { chunk, end } = yield* session.call((client, token) =>
            client.messages(token, roomId, at, since, history),
          )
          const events = Events.roomEvents(chunk)
          const arrival = events.findIndex(isOwnJoin)
          found.push(...(arrival < 0 ? events : events.slice(0, arrival + 1)))
          if (arrival >= 0) break
          // A page of which the filter left nothing is not the last one.
          next = end === at ? undefined : end
        }
        return found.toReversed()
      })

    /** A state of the room: a message of that type, which anybody may send, says nothing. */
    const isEncryption = (event: { readonly type: string; readonly state_key?: string | undefined }) =>
      event.type === "m.room.encryption" && event.state_key === ""

    const hear = (roomId: string, told: Events.JoinedRoom, since: string | undefined, now: number) =>
      Effect.gen(function* () {
        const before = yield* storage.read(rooms.get(roomId))
        const timeline = Events.roomEvents(told.timeline.events)
        const oldest = now - Duration.toMillis(memory)
        const arrival = timeline.findLastIndex(isOwnJoin)
        const missed =
          since !== undefined && told.timeline.limited && (before.present || arrival < 0)
            ? yield* gap(roomId, told.timeline.prev_batch, since)
            : []
        const all = [...missed, ...timeline]
        const start = before.present ? 0 : beginning(before, all)
        const {
          "m.invited_member_count": invited = before.invited,
          "m.joined_member_count": joined = before.joined,
        } = told.summary
        const room: Rooms.Room = {
          ...before,
          present: true,
          joined,
          invited,
          encrypted:
            before.encrypted ||
            Events.stateEvents(told.state.events).some(isEncryption) ||
            all.some(isEncryption),
        }
        const events =
          since === undefined ? [] : all.slice(start).filter((event) => event.origin_server_ts >= oldest)
        return { room, events } satisfies Heard
      })

    /** Asks how many are in a room, where that is not known and matters. */
    const counted = ({ events, room }: Heard): Effect.Effect<Heard, Failure> =>
      room.joined !== null || events.length === 0
        ? Effect.succeed({ room, events })
        : session
            .call((client, token) => client.joinedMembers(token, room.roomId))
            .pipe(
              Effect.map(({ joined }) => ({ events, room: { ...room, joined: Object.keys(joined).length } })),
              // The homeserver may refuse to tell; then the invitation decides.
              Effect.catchTag("MatrixError", (error) =>
                error.isTransient ? Effect.fail(error) : Effect.succeed({ room, events }),
              ),
            )

    const takeIn = (event: Events.RoomEvent, room: Rooms.Room) =>
      Effect.gen(function* () {
        if ((yield* inbox.waitingOf(event.sender)) < mostWaiting) {
          return yield* Effect.asVoid(inbox.enter(room.roomId, event))
        }
        const told = yield* inbox.isFlooded(event.sender)
        const isNew = yield* inbox.enter(room.roomId, event, flooded)
        if (told || !isNew) return
        yield* outbox.message(room.roomId, inThread(contentOf(tooMany), Events.placeOf(event)))
      })

    const keep = ({ events, room }: Heard, self: Self, isFirst: boolean) =>
      Effect.gen(function* () {
        const toBot = events.filter(
          (event) =>
            event.sender !== account.userId && roleOf(roles, event.sender, room.roomId) !== undefined,
        )
        const isDirect = Rooms.isDirect(room)
        const commands = toBot.filter(
          (event) =>
            event.type === "m.room.message" && asked(event.content, { self, isDirect }) !== undefined,
        )
        const warn =
          room.encrypted &&
          !room.warned &&
          !isFirst &&
          (events.some((event) => isOwnJoin(event) || isEncryption(event)) ||
            !(yield* rooms.get(room.roomId)).present ||
            commands.length > 0 ||
            toBot.some(({ type }) => type === "m.room.encrypted"))
        if (warn) yield* outbox.message(room.roomId, contentOf(encryptedHere))
        // Once for each arrival: from now on the room is known as one that it is in.
        const isNew = !isFirst && !(yield* rooms.get(room.roomId)).present
        if (isNew && !room.encrypted) yield* outbox.message(room.roomId, contentOf(greeting))
        yield* rooms.put(warn ? { ...room, warned: true } : room)
        if (room.encrypted) return
        yield* Effect.forEach(commands, (event) => takeIn(event, room), { discard: true })
      })

    const invitation = (roomId: string, told: Events.InvitedRoom, isFirst: boolean) =>
      Effect.gen(function* () {
        const invite = Events.stateEvents(told.invite_state.events).find(
          ({ content, state_key, type }) =>
            type === "m.room.member" && state_key === account.userId && content["membership"] === "invite",
        )
        const room = yield* rooms.get(roomId)
        if (invite === undefined || room.present) return
        const isOwner = roles.owners.includes(invite.sender)
        yield* Effect.logInfo(`matrix: an invitation was ${isOwner ? "accepted" : "declined"}`).pipe(
          Effect.annotateLogs({ room: roomId, by: invite.sender }),
        )
        if (!isOwner) return yield* Effect.asVoid(outbox.leave(roomId))
        yield* rooms.put({
          ...Rooms.unknown(roomId),
          direct: invite.content["is_direct"] === true,
          heard: !isFirst,
        })
        yield* outbox.join(roomId)
      })

    /** Reads a sync, and answers what is to be written. */
    return (sync: Events.Sync, since: string | undefined, self: Self) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const heard = yield* Effect.forEach(
          Object.entries(sync.rooms.join),
          ([roomId, told]) => Effect.flatMap(hear(roomId, told, since, now), counted),
          { concurrency: 4 },
        )
        return Effect.gen(function* () {
          yield* Effect.forEach(heard, (one) => keep(one, self, since === undefined), { discard: true })
          yield* Effect.forEach(
            Object.entries(sync.rooms.invite),
            ([roomId, told]) => invitation(roomId, told, since === undefined),
            {
              discard: true,
            },
          )
          yield* Effect.forEach(
            Object.keys(sync.rooms.leave),
            (roomId) =>
              Effect.flatMap(rooms.get(roomId), ({ present }) =>
                Effect.when(rooms.put(Rooms.unknown(roomId)), () => present),
              ),
            { discard: true },
          )
          yield* account.moveTo(sync.next_batch)
        })
      })
  })

export type Intake = Effect.Effect.Success<ReturnType<typeof make>>
export type IntakeError = SessionError | StorageError
