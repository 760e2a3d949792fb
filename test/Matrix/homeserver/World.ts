/**
 * What a homeserver knows: users, devices, rooms, events in one order, and files. The rules are those of the
 * client-server specification and, where that leaves them open, Synapse's: who may send what, what may relate to what,
 * which transaction is the same, what a sync and a page of history tell.
 */
import { randomBytes } from "node:crypto"
import { now } from "./now.js"

export type Json = { readonly [key: string]: unknown }

export interface Event {
  readonly type: string
  readonly event_id: string
  readonly room_id: string
  readonly sender: string
  readonly origin_server_ts: number
  readonly state_key?: string
  readonly content: Json
  /** Its place in the order of all events. */
  readonly position: number
  /** Which device of the sender sent it by which transaction. */
  readonly transaction?: { readonly device: string; readonly id: string }
  readonly previous?: Json
}

export interface Device {
  readonly userId: string
  readonly deviceId: string
}

/** The server says no. */
export class No extends Error {
  constructor(
    readonly status: number,
    readonly errcode: string,
    message: string,
    readonly more: Json = {},
  ) {
    super(message)
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Canonical JSON knows no fractions and no numbers beyond 2^53. */
const checkNumbers = (value: unknown): void => {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new No(400, "M_BAD_JSON", "bad number")
  if (typeof value === "object" && value !== null) Object.values(value).forEach(checkNumbers)
}

const str = (value: unknown): value is string => typeof value === "string"

/** What Synapse checks of a message, and a little more: what clients would trip over. */
const checkMessage = (content: Json): void => {
  if (!str(content["msgtype"]) || !str(content["body"])) throw new No(400, "M_BAD_JSON", "no msgtype or body")
  if ((content["format"] === undefined) !== (content["formatted_body"] === undefined)) {
    throw new No(400, "M_BAD_JSON", "format and formatted_body go together")
  }
  const mentions = content["m.mentions"]
  if (mentions !== undefined) {
    const users = isObject(mentions) ? (mentions["user_ids"] ?? []) : undefined
    if (!Array.isArray(users) || !users.every((id) => str(id) && /^@[^:]+:.+$/.test(id))) {
      throw new No(400, "M_BAD_JSON", "bad m.mentions")
    }
  }
}

export class World {
  readonly domain = "example.org"
  readonly events: Array<Event> = []
  readonly passwords = new Map<string, string>()
  readonly names = new Map<string, string>()
  readonly tokens = new Map<string, Device>()
  readonly softlyOut = new Set<string>()
  readonly files = new Map<string, { readonly bytes: Buffer; readonly type: string }>()
  private readonly transactions = new Map<string, string>()
  private readonly listeners = new Set<() => void>()
  /** Added to the time of every event that is sent from now on, in milliseconds. */
  skew = 0

  get position() {
    return this.events.length
  }

  /** Runs `listener` when something has happened, until what is answered is called. */
  onEvent(listener: () => void) {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  // ---- users ------------------------------------------------------------------------------------------------

  register(localpart: string, password: string) {
    const userId = `@${localpart}:${this.domain}`
    if (this.passwords.has(userId)) throw new No(400, "M_USER_IN_USE", "taken")
    this.passwords.set(userId, password)
    return userId
  }

  login(user: string, password: unknown, deviceId: string | undefined) {
    const userId = user.startsWith("@") ? user : `@${user}:${this.domain}`
    if (this.passwords.get(userId) !== password)
      throw new No(403, "M_FORBIDDEN", "Invalid username or password")
    const device = deviceId ?? randomBytes(5).toString("hex").toUpperCase()
    // A device has one token: the one before it is over.
    for (const [token, known] of this.tokens) {
      if (known.userId === userId && known.deviceId === device) this.tokens.delete(token)
    }
    const token = `syt_${randomBytes(12).toString("base64url")}`
    this.tokens.set(token, { userId, deviceId: device })
    return { user_id: userId, device_id: device, access_token: token }
  }

  signOut(userId: string, softly: boolean) {
    for (const [token, known] of this.tokens) {
      if (known.userId !== userId) continue
      this.tokens.delete(token)
      if (softly) this.softlyOut.add(token)
    }
  }

  // ---- rooms ------------------------------------------------------------------------------------------------

  inRoom(roomId: string) {
    return this.events.filter((event) => event.room_id === roomId)
  }

  memberships(roomId: string, until = Infinity) {
    const found = new Map<string, Event>()
    for (const event of this.events) {
      if (event.position > until) break
      if (event.room_id === roomId && event.type === "m.room.member") found.set(event.state_key ?? "", event)
    }
    return found
  }

  membership(roomId: string, userId: string, until = Infinity) {
    const content = this.memberships(roomId, until).get(userId)?.content
    return str(content?.["membership"]) ? content["membership"] : "leave"
  }

  private mustBeIn(roomId: string, userId: string) {
    if (this.membership(roomId, userId) !== "join") {
      throw new No(403, "M_FORBIDDEN", `User ${userId} not in room ${roomId}`)
    }
  }

  private add(event: Omit<Event, "event_id" | "position" | "origin_server_ts">): Event {
    checkNumbers(event.content)
    const made: Event = {
      ...event,
      // As in room version 3: an id that needs percent-encoding.
      event_id: `$${randomBytes(16).toString("base64").replace(/=+$/, "")}/+`,
      origin_server_ts: now() + this.skew,
      position: this.events.length + 1,
    }
    const { position: _, transaction: __, previous: ___, ...sent } = made
    // Hashes, signatures and references take their share.
    if (Buffer.byteLength(JSON.stringify(sent)) + 1_000 > 65_536) {
      throw new No(413, "M_TOO_LARGE", "event too large")
    }
    this.events.push(made)
    for (const listener of this.listeners) listener()
    return made
  }

  member(roomId: string, sender: string, userId: string, membership: string, more: Json = {}) {
    const previous = this.memberships(roomId).get(userId)?.content
    return this.add({
      type: "m.room.member",
      room_id: roomId,
      sender,
      state_key: userId,
      content: { membership, ...more },
      ...(previous === undefined ? {} : { previous }),
    })
  }

  createRoom(creator: string, body: Json) {
    const roomId = `!${randomBytes(9).toString("base64url")}:${this.domain}`
    this.add({ type: "m.room.create", room_id: roomId, sender: creator, state_key: "", content: {} })
    this.member(roomId, creator, creator, "join")
    for (const state of Array.isArray(body["initial_state"]) ? body["initial_state"] : []) {
      this.add({ room_id: roomId, sender: creator, state_key: "", type: state.type, content: state.content })
    }
    for (const userId of Array.isArray(body["invite"]) ? body["invite"] : []) {
      this.invite(roomId, creator, userId, body["is_direct"] === true)
    }
    return roomId
  }

  invite(roomId: string, by: string, userId: string, isDirect = false) {
    this.mustBeIn(roomId, by)
    if (this.membership(roomId, userId) === "join") throw new No(403, "M_FORBIDDEN", "is in the room")
    return this.member(roomId, by, userId, "invite", isDirect ? { is_direct: true } : {})
  }

  join(roomId: string, userId: string) {
    if (!this.events.some((event) => event.room_id === roomId))
      throw new No(404, "M_NOT_FOUND", "no such room")
    const membership = this.membership(roomId, userId)
    if (membership === "join") return
    if (membership !== "invite") throw new No(403, "M_FORBIDDEN", "You are not invited to this room.")
    this.member(
      roomId,
      userId,
      userId,
      "join",
      this.names.has(userId) ? { displayname: this.names.get(userId) } : {},
    )
  }

  leave(roomId: string, userId: string) {
    if (!["join", "invite"].includes(this.membership(roomId, userId))) {
      throw new No(403, "M_FORBIDDEN", "not in the room")
    }
    this.member(roomId, userId, userId, "leave")
  }

  find(roomId: string, eventId: string) {
    return this.events.find((event) => event.event_id === eventId && event.room_id === roomId)
  }

  private checkRelation(roomId: string, sender: string, type: string, content: Json) {
    const relation = content["m.relates_to"]
    if (relation === undefined) return
    if (!isObject(relation)) throw new No(400, "M_BAD_JSON", "bad relation")
    const reply = relation["m.in_reply_to"]
    if (reply !== undefined && !(isObject(reply) && str(reply["event_id"]))) {
      throw new No(400, "M_BAD_JSON", "bad m.in_reply_to")
    }
    const { event_id: parentId, rel_type: kind } = relation
    if (kind === undefined) return
    const parent = this.events.find((event) => event.event_id === parentId)
    if (parent === undefined) throw new No(400, "M_UNKNOWN", "Can't send relation to unknown event")
    if (parent.room_id !== roomId) throw new No(400, "M_UNKNOWN", "Relations must be in the same room")
    const parentRelation = parent.content["m.relates_to"]
    const isRelation = isObject(parentRelation) && str(parentRelation["rel_type"])
    if (kind === "m.thread" && isRelation) {
      throw new No(400, "M_UNKNOWN", "Cannot start threads from an event with a relation")
    }
    if (kind === "m.replace") {
      if (!isObject(content["m.new_content"])) throw new No(400, "M_BAD_JSON", "an edit needs m.new_content")
      if (isObject(parentRelation) && parentRelation["rel_type"] === "m.replace") {
        throw new No(400, "M_UNKNOWN", "an edit of an edit")
      }
      if (content["m.new_content"]["m.relates_to"] !== undefined) {
        throw new No(400, "M_BAD_JSON", "m.new_content has no relation")
      }
      checkMessage(content["m.new_content"])
    }
    if (kind === "m.annotation" && type === "m.reaction") {
      const same = this.events.some((event) => {
        const other = event.content["m.relates_to"]
        return (
          event.type === type &&
          event.sender === sender &&
          isObject(other) &&
          other["event_id"] === parentId &&
          other["key"] === relation["key"]
        )
      })
      if (same) throw new No(400, "M_DUPLICATE_ANNOTATION", "Can't send same reaction twice")
    }
  }

  send(roomId: string, device: Device, type: string, txnId: string, content: unknown) {
    const key = JSON.stringify([device.userId, device.deviceId, roomId, type, txnId])
    const known = this.transactions.get(key)
    if (known !== undefined) return known
    this.mustBeIn(roomId, device.userId)
    if (!isObject(content)) throw new No(400, "M_BAD_JSON", "content must be an object")
    if (type === "m.room.message") checkMessage(content)
    this.checkRelation(roomId, device.userId, type, content)
    const event = this.add({
      type,
      room_id: roomId,
      sender: device.userId,
      content,
      transaction: { device: device.deviceId, id: txnId },
    })
    this.transactions.set(key, event.event_id)
    return event.event_id
  }

  /** An event as another server might have made it: nothing is checked. */
  smuggle(roomId: string, sender: string, content: Json) {
    return this.add({ type: "m.room.message", room_id: roomId, sender, content }).event_id
  }

  setState(roomId: string, sender: string, type: string, content: Json) {
    this.mustBeIn(roomId, sender)
    return this.add({ type, room_id: roomId, sender, state_key: "", content }).event_id
  }

  // ---- reading ----------------------------------------------------------------------------------------------

  /** An event as a client is told it. */
  shown({ position: _, previous, room_id, transaction, ...event }: Event, to: Device, withRoom = false) {
    const edits = this.events.filter((other) => {
      const relation = other.content["m.relates_to"]
      return (
        other.sender === event.sender &&
        isObject(relation) &&
        relation["rel_type"] === "m.replace" &&
        relation["event_id"] === event.event_id
      )
    })
    const edit = edits.at(-1)
    const unsigned = {
      age: now() - event.origin_server_ts,
      ...(previous === undefined ? {} : { prev_content: previous }),
      ...(transaction !== undefined && event.sender === to.userId && transaction.device === to.deviceId
        ? { transaction_id: transaction.id }
        : {}),
      ...(edit === undefined
        ? {}
        : {
            "m.relations": {
              "m.replace": {
                event_id: edit.event_id,
                sender: edit.sender,
                type: edit.type,
                origin_server_ts: edit.origin_server_ts,
                content: edit.content,
              },
            },
          }),
    }
    return { ...event, ...(withRoom ? { room_id } : {}), unsigned }
  }
}
