/**
 * What the bot reads of a homeserver's answers, and no more. Other people's servers and clients write much of it, so
 * each event is read by itself, and one that is not as it must be is passed over.
 */
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isEventId, isUserId } from "./Ids.js"

const Content = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const EventId = Schema.String.pipe(Schema.filter(isEventId))
const UserId = Schema.String.pipe(Schema.filter(isUserId))

/** An event of a room. Times in milliseconds since the epoch, by the clock of the sender's server. */
export const RoomEvent = Schema.Struct({
  type: Schema.String,
  event_id: EventId,
  sender: UserId,
  origin_server_ts: Schema.Number,
  state_key: Schema.optional(Schema.String),
  content: Content,
  unsigned: Schema.optional(Content),
})
export interface RoomEvent extends Schema.Schema.Type<typeof RoomEvent> {}

/** A state event as an invitation or the state of a room shows it. */
const StateEvent = Schema.Struct({
  type: Schema.String,
  sender: UserId,
  state_key: Schema.String,
  content: Content,
})
export interface StateEvent extends Schema.Schema.Type<typeof StateEvent> {}

const each = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (events: ReadonlyArray<unknown>): ReadonlyArray<A> => Arr.filterMap(events, (event) => decode(event))
}

/** Those that are room events. */
export const roomEvents = each(RoomEvent)

/** Those that are state events. */
export const stateEvents = each(StateEvent)

const Raw = Schema.Array(Schema.Unknown)

const absent = <A, I>(schema: Schema.Schema<A, I>, value: () => NoInfer<A>) =>
  Schema.optionalWith(schema, { default: value })

const EventList = Schema.Struct({ events: absent(Raw, () => []) })

const noEvents = () => ({ events: [] })

const JoinedRoom = Schema.Struct({
  summary: absent(
    Schema.Struct({
      "m.joined_member_count": Schema.optional(Schema.Int),
      "m.invited_member_count": Schema.optional(Schema.Int),
    }),
    () => ({}),
  ),
  state: absent(EventList, noEvents),
  timeline: absent(
    Schema.Struct({
      events: absent(Raw, () => []),
      limited: absent(Schema.Boolean, () => false),
      prev_batch: Schema.optional(Schema.String),
    }),
    () => ({ events: [], limited: false }),
  ),
})
export interface JoinedRoom extends Schema.Schema.Type<typeof JoinedRoom> {}

const InvitedRoom = Schema.Struct({ invite_state: absent(EventList, noEvents) })
export interface InvitedRoom extends Schema.Schema.Type<typeof InvitedRoom> {}

const roomsOf = <A, I>(room: Schema.Schema<A, I>) =>
  absent(Schema.Record({ key: Schema.String, value: room }), () => ({}))

/** What a sync tells. */
export const Sync = Schema.Struct({
  next_batch: Schema.String,
  rooms: absent(
    Schema.Struct({
      join: roomsOf(JoinedRoom),
      invite: roomsOf(InvitedRoom),
      leave: roomsOf(Schema.Unknown),
    }),
    () => ({ join: {}, invite: {}, leave: {} }),
  ),
})
export interface Sync extends Schema.Schema.Type<typeof Sync> {}

/** A page of a room's history, newest first. */
export const Messages = Schema.Struct({ chunk: absent(Raw, () => []), end: Schema.optional(Schema.String) })

export const WhoAmI = Schema.Struct({ user_id: UserId, device_id: Schema.optional(Schema.String) })
export interface WhoAmI extends Schema.Schema.Type<typeof WhoAmI> {}

export const LoggedIn = Schema.Struct({
  user_id: UserId,
  device_id: Schema.String,
  access_token: Schema.Redacted(Schema.NonEmptyString),
})

export const Sent = Schema.Struct({ event_id: EventId })
export const JoinedMembers = Schema.Struct({
  joined: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
})
export const Profile = Schema.Struct({ displayname: Schema.optional(Schema.NullOr(Schema.String)) })

/** How a homeserver says no. */
export const Refusal = Schema.Struct({
  errcode: Schema.String,
  error: absent(Schema.String, () => ""),
  retry_after_ms: Schema.optional(Schema.Number),
})

// ---- looks into contents -----------------------------------------------------------------------------------

const textAt = (content: { readonly [key: string]: unknown }, key: string): string | undefined => {
  const value = content[key]
  return typeof value === "string" ? value : undefined
}

const MentionsOf = Schema.Struct({ "m.mentions": Schema.Struct({ user_ids: absent(Raw, () => []) }) })
const RelationOf = Schema.Struct({
  "m.relates_to": Schema.Struct({
    rel_type: Schema.optional(Schema.String),
    event_id: Schema.optional(Schema.String),
    is_falling_back: absent(Schema.Boolean, () => false),
    "m.in_reply_to": Schema.optional(Schema.Struct({ event_id: EventId })),
  }),
})

const mentionsOf = Schema.decodeUnknownOption(MentionsOf)
const relationOf = Schema.decodeUnknownOption(RelationOf)

/** A message, as far as the bot can tell. */
export interface Message {
  readonly msgtype: string
  readonly body: string
  readonly formatted: string
  /** The users it says that it means; nothing where it does not say. */
  readonly mentions: ReadonlyArray<unknown> | undefined
  /** The message that it replies to on purpose (not only for clients that know no threads). */
  readonly repliesTo: string | undefined
  /** It names a message in any way as the one before it: then clients may have quoted that. */
  readonly quotes: boolean
  /** The root of the thread that it is in. */
  readonly thread: string | undefined
  /** It relates to another event in a way that is not a reply: then it cannot begin a thread. */
  readonly isRelated: boolean
  readonly isEdit: boolean
  /** A file that is not encrypted. */
  readonly url: string | undefined
  readonly isEncryptedFile: boolean
  /** The name of the file, where the body is something else. */
  readonly filename: string | undefined
}

/** Reads the content of a message. */
export const messageOf = (content: RoomEvent["content"]): Message => {
  const relation = Option.getOrUndefined(relationOf(content))?.["m.relates_to"]
  const isThread = relation?.rel_type === "m.thread"
  const before = relation?.["m.in_reply_to"]?.event_id
  return {
    msgtype: textAt(content, "msgtype") ?? "",
    body: textAt(content, "body") ?? "",
    formatted: textAt(content, "formatted_body") ?? "",
    mentions: Option.getOrUndefined(mentionsOf(content))?.["m.mentions"].user_ids,
    repliesTo: isThread && relation.is_falling_back ? undefined : before,
    quotes: before !== undefined,
    thread:
      isThread && relation.event_id !== undefined && isEventId(relation.event_id)
        ? relation.event_id
        : undefined,
    isRelated: relation?.rel_type !== undefined,
    isEdit: relation?.rel_type === "m.replace",
    url: textAt(content, "url"),
    isEncryptedFile: content["file"] !== undefined,
    filename: textAt(content, "filename"),
  }
}

const ReplacedBy = Schema.Struct({
  "m.relations": Schema.Struct({
    "m.replace": Schema.Struct({ sender: UserId, content: Schema.Struct({ "m.new_content": Content }) }),
  }),
})
const replacedBy = Schema.decodeUnknownOption(ReplacedBy)

/** The content as it is now: that of the newest edit by its own sender, which servers send along. */
export const newestContent = (event: RoomEvent): RoomEvent["content"] =>
  Option.match(replacedBy(event.unsigned), {
    onNone: () => event.content,
    onSome: ({ "m.relations": { "m.replace": edit } }) =>
      edit.sender === event.sender ? edit.content["m.new_content"] : event.content,
  })

/** Where an answer to an event belongs: in its thread, or in one that it begins. */
export const placeOf = (event: RoomEvent) => {
  const { isRelated, thread } = messageOf(event.content)
  return { eventId: event.event_id, thread: thread ?? (isRelated ? undefined : event.event_id) }
}

/** The words of a message without the quotation that older clients put in front of a reply. */
export const spoken = ({ body, quotes }: Message): string => {
  if (!quotes || !body.startsWith("> ")) return body.trim()
  const rest = body.split("\n")
  const first = rest.findIndex((line) => !line.startsWith(">"))
  return first < 0 ? "" : rest.slice(first).join("\n").trim()
}

const PreviousOf = Schema.Struct({ prev_content: Schema.Struct({ membership: Schema.Literal("join") }) })
const isPreviousJoin = Schema.is(PreviousOf)

/** Whether a member was in the room before this event of its membership. */
export const wasMember = (event: RoomEvent): boolean => isPreviousJoin(event.unsigned)
