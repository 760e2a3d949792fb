/** What a homeserver tells: syncs and pages of history. */
import { type Device, type Event, type Json, No, type World } from "./World.js"

interface EventFilter {
  readonly types?: ReadonlyArray<string>
  readonly limit?: number
}

interface Filter {
  readonly room?: {
    readonly timeline?: EventFilter
    readonly state?: EventFilter & { lazy_load_members?: boolean }
  }
}

const positionOf = (token: string, letter: string): number => {
  const [, digits] = new RegExp(`^${letter}(\\d+)$`).exec(token) ?? []
  if (digits === undefined) throw new No(400, "M_UNKNOWN", "Invalid stream token")
  return Number(digits)
}

export const filterOf = (text: string | null): Filter => {
  if (text === null) return {}
  if (!text.startsWith("{")) throw new No(400, "M_UNKNOWN", "No such filter")
  try {
    const filter: Filter = JSON.parse(text)
    return filter
  } catch {
    throw new No(400, "M_NOT_JSON", "the filter is no JSON")
  }
}

const passes = (filter: EventFilter | undefined) => (event: Event) =>
  filter?.types === undefined || filter.types.includes(event.type)

const stripped = ({ content, sender, state_key, type }: Event) => ({ content, sender, state_key, type })

const joined = (world: World, roomId: string, device: Device, since: number | undefined, filter: Filter) => {
  const until = world.position
  const all = world.inRoom(roomId)
  const wasIn = since !== undefined && world.membership(roomId, device.userId, since) === "join"
  // In a room that was joined since, the whole room is new.
  const from = wasIn ? since : 0
  const fresh = all.filter((event) => event.position > from)
  const limit = filter.room?.timeline?.limit ?? 10
  const wanted = fresh.filter(passes(filter.room?.timeline))
  const timeline = limit === 0 ? [] : wanted.slice(-limit)
  const limited = wanted.length > timeline.length
  const first = timeline[0]?.position ?? until + 1
  const speakers = new Set(timeline.map(({ sender }) => sender))
  const lazy = filter.room?.state?.lazy_load_members === true
  const newest = new Map<string, Event>()
  for (const event of all) {
    if (event.state_key !== undefined && event.position < first)
      newest.set(`${event.type} ${event.state_key}`, event)
  }
  const state = [...newest.values()].filter(
    (event) =>
      event.position > from &&
      passes(filter.room?.state)(event) &&
      (!lazy || event.type !== "m.room.member" || speakers.has(event.state_key ?? "")),
  )
  const members = [...world.memberships(roomId).values()].map(({ content }) => content["membership"])
  const changed = fresh.some(({ type }) => type === "m.room.member")
  if (wasIn && fresh.length === 0) return undefined
  return {
    summary: changed
      ? {
          "m.joined_member_count": members.filter((one) => one === "join").length,
          "m.invited_member_count": members.filter((one) => one === "invite").length,
        }
      : {},
    state: { events: state.map((event) => world.shown(event, device)) },
    timeline: {
      events: timeline.map((event) => world.shown(event, device)),
      limited,
      prev_batch: `t${first - 1}`,
    },
    ephemeral: { events: [] },
    account_data: { events: [] },
    unread_notifications: {},
  }
}

/** What happened since; nothing where nothing did. */
export const sync = (world: World, device: Device, sinceToken: string | null, filter: Filter) => {
  const since = sinceToken === null ? undefined : positionOf(sinceToken, "s")
  if (since !== undefined && since > world.position) throw new No(400, "M_UNKNOWN", "Invalid stream token")
  const join: { [roomId: string]: Json } = {}
  const invite: { [roomId: string]: Json } = {}
  const leave: { [roomId: string]: Json } = {}
  for (const roomId of new Set(world.events.map((event) => event.room_id))) {
    const own = world.memberships(roomId).get(device.userId)
    if (own === undefined) continue
    const isNew = since === undefined || own.position > since
    switch (own.content["membership"]) {
      case "join": {
        const told = joined(world, roomId, device, since, filter)
        if (told !== undefined) join[roomId] = told
        break
      }
      case "invite":
        if (isNew) {
          const create = world.inRoom(roomId).find(({ type }) => type === "m.room.create")
          invite[roomId] = {
            invite_state: { events: [...(create === undefined ? [] : [stripped(create)]), stripped(own)] },
          }
        }
        break
      default:
        if (isNew && since !== undefined) leave[roomId] = { timeline: { events: [] }, state: { events: [] } }
    }
  }
  const isEmpty = [join, invite, leave].every((rooms) => Object.keys(rooms).length === 0)
  return { isEmpty, answer: { next_batch: `s${world.position}`, rooms: { join, invite, leave } } }
}

/** A page of history, backwards. */
export const messages = (world: World, device: Device, roomId: string, query: URLSearchParams) => {
  if (world.membership(roomId, device.userId) !== "join") throw new No(403, "M_FORBIDDEN", "not in the room")
  if (query.get("dir") !== "b") throw new No(400, "M_UNKNOWN", "only backwards here")
  const fromToken = query.get("from") ?? `t${world.position}`
  const toToken = query.get("to")
  const from = positionOf(fromToken, "[st]")
  const to = toToken === null ? 0 : positionOf(toToken, "[st]")
  const limit = Math.min(Number(query.get("limit") ?? 10), 100)
  const filterText = query.get("filter")
  const filter: EventFilter = filterText === null ? {} : JSON.parse(filterText)
  const found = world
    .inRoom(roomId)
    .filter((event) => event.position <= from && event.position > to && passes(filter)(event))
    .toReversed()
  const chunk = found.slice(0, limit)
  const last = chunk.at(-1)
  return {
    start: fromToken,
    chunk: chunk.map((event) => world.shown(event, device, true)),
    ...(found.length > chunk.length && last !== undefined ? { end: `t${last.position - 1}` } : {}),
  }
}
