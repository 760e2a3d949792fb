/**
 * A homeserver for tests: real HTTP on loopback, over a `World`. It is strict where a real one is (tokens, percent-encoded
 * paths, JSON bodies with their type, sizes, relations), keeps transactions, limits rates, and has faults on demand: an
 * answer of our choice, a connection that breaks before or after the request was obeyed.
 */
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as Timers from "node:timers/promises"
import * as Effect from "effect/Effect"
import { now } from "./now.js"
import * as Reading from "./Reading.js"
import { type Device, type Json, No, World } from "./World.js"

/** A request as it came, for tests that look. */
export interface Seen {
  readonly method: string
  /** As it was sent, still encoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly userId: string | undefined
  readonly at: number
}

export type Fault =
  | {
      readonly kind: "answer"
      readonly status: number
      readonly body: Json
      readonly headers?: Record<string, string>
    }
  /** The connection breaks before the request is obeyed, or after. */
  | { readonly kind: "break"; readonly when: "before" | "after" }
  /** Nothing is answered until this is resolved. */
  | { readonly kind: "hold"; readonly until: Promise<void> }

interface Planned {
  readonly matches: (seen: Seen) => boolean
  readonly fault: Fault
  times: number
}

interface Bucket {
  tokens: number
  at: number
}

const limits = { body: 1_000_000 }

const readBody = async (request: Http.IncomingMessage) => {
  const parts: Array<Buffer> = []
  for await (const part of request) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

export class Homeserver {
  readonly world = new World()
  readonly seen: Array<Seen> = []
  readonly sockets = new Set<Socket>()
  private readonly lookers = new Set<() => void>()
  private readonly faults: Array<Planned> = []
  private readonly buckets = new Map<string, Bucket>()
  /** Messages a second and at once, for each user who is not excepted; none by default. */
  rate: { readonly perSecond: number; readonly burst: number; readonly only: string } | undefined
  /** Media of before v1.11 only. */
  oldMedia = false
  /** Refuses connections while true. */
  down = false
  url = ""
  private readonly server = Http.createServer((request, response) => void this.serve(request, response))

  constructor() {
    this.server.on("connection", (socket) => {
      if (this.down) return void socket.destroy()
      this.sockets.add(socket)
      socket.on("close", () => this.sockets.delete(socket))
    })
  }

  async listen(port = 0) {
    await new Promise<void>((resolve) => this.server.listen(port, "127.0.0.1", resolve))
    const address = this.server.address()
    this.url = `http://127.0.0.1:${isAddress(address) ? address.port : 0}`
    return this.url
  }

  async close() {
    this.breakConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  breakConnections() {
    for (const socket of this.sockets) socket.destroy()
  }

  /** The next requests that match meet this fault. */
  plan(matches: (seen: Seen) => boolean, fault: Fault, times = 1) {
    this.faults.push({ matches, fault, times })
  }

  /** Resolves when so many requests that match have come. */
  comes(matches: (seen: Seen) => boolean, times = 1) {
    return new Promise<void>((resolve) => {
      const look = () => {
        if (this.seen.filter(matches).length < times) return
        this.lookers.delete(look)
        resolve()
      }
      this.lookers.add(look)
      look()
    })
  }

  /** No more faults. */
  heal() {
    this.faults.length = 0
  }

  private faultFor(seen: Seen) {
    const planned = this.faults.find((one) => one.times > 0 && one.matches(seen))
    if (planned !== undefined) planned.times--
    return planned?.fault
  }

  private limit(device: Device) {
    if (this.rate === undefined || this.rate.only !== device.userId) return
    const at = now()
    const bucket = this.buckets.get(device.userId) ?? { tokens: this.rate.burst, at }
    const filled = Math.min(this.rate.burst, bucket.tokens + ((at - bucket.at) / 1000) * this.rate.perSecond)
    if (filled < 1) {
      const wait = Math.ceil(((1 - filled) / this.rate.perSecond) * 1000)
      this.buckets.set(device.userId, { tokens: filled, at })
      throw new No(429, "M_LIMIT_EXCEEDED", "Too Many Requests", { retry_after_ms: wait })
    }
    this.buckets.set(device.userId, { tokens: filled - 1, at })
  }

  private deviceOf(request: Http.IncomingMessage): Device {
    const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? []
    if (token === undefined) throw new No(401, "M_MISSING_TOKEN", "Missing access token")
    const device = this.world.tokens.get(token)
    if (device === undefined) {
      const soft = this.world.softlyOut.has(token) ? { soft_logout: true } : {}
      throw new No(401, "M_UNKNOWN_TOKEN", "Invalid access token passed.", soft)
    }
    return device
  }

  private async serve(request: Http.IncomingMessage, response: Http.ServerResponse) {
    const url = new URL(request.url ?? "/", "http://localhost")
    const [path = ""] = (request.url ?? "").split("?")
    const reply = (status: number, body: Json, headers: Record<string, string> = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers })
      response.end(JSON.stringify(body))
    }
    try {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""
      const seen: Seen = {
        method: request.method ?? "",
        path,
        query: url.searchParams,
        userId: this.world.tokens.get(token)?.userId,
        at: now(),
      }
      this.seen.push(seen)
      for (const look of this.lookers) look()
      const fault = this.faultFor(seen)
      if (fault?.kind === "answer") return reply(fault.status, fault.body, fault.headers)
      if (fault?.kind === "hold") await fault.until
      if (fault?.kind === "break" && fault.when === "before") return void request.socket.destroy()
      const answer = await this.answer(request, path, url.searchParams)
      if (fault?.kind === "break") return void request.socket.destroy()
      if (Buffer.isBuffer(answer)) {
        response.writeHead(200, {
          "content-type": "application/octet-stream",
          "content-length": answer.length,
        })
        return void response.end(answer)
      }
      reply(200, answer)
    } catch (error) {
      if (!(error instanceof No)) return reply(500, { errcode: "M_UNKNOWN", error: String(error) })
      const wait = error.more["retry_after_ms"]
      reply(
        error.status,
        { errcode: error.errcode, error: error.message, ...error.more },
        typeof wait === "number" ? { "retry-after": String(Math.ceil(wait / 1000)) } : {},
      )
    }
  }

  private async json(request: Http.IncomingMessage): Promise<Json> {
    if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
      throw new No(400, "M_NOT_JSON", "Content-Type is not application/json")
    }
    const bytes = await readBody(request)
    if (bytes.length > limits.body) throw new No(413, "M_TOO_LARGE", "too large")
    try {
      const body: unknown = JSON.parse(bytes.toString("utf8"))
      if (typeof body === "object" && body !== null && !Array.isArray(body)) return { ...body }
    } catch {
      // told below
    }
    throw new No(400, "M_NOT_JSON", "Content not JSON.")
  }

  private async answer(
    request: Http.IncomingMessage,
    path: string,
    query: URLSearchParams,
  ): Promise<Json | Buffer> {
    const { world } = this
    const parts = path.split("/").slice(1).map(decodeURIComponent)
    const route = `${request.method} ${parts.slice(0, 3).join("/")}`
    const rest = parts.slice(3)
    if (path === "/_matrix/client/versions") return { versions: ["v1.11", "v1.12"] }
    if (route === "POST _matrix/client/v3" && rest[0] === "register") {
      const { password, username } = await this.json(request)
      const userId = world.register(String(username), String(password))
      return world.login(userId, password, undefined)
    }
    if (route === "POST _matrix/client/v3" && rest[0] === "login") {
      const { device_id, identifier, password, type } = await this.json(request)
      if (type !== "m.login.password") throw new No(400, "M_UNKNOWN", "Unknown login type")
      const user = isJson(identifier) && identifier["type"] === "m.id.user" ? identifier["user"] : undefined
      if (typeof user !== "string") throw new No(400, "M_MISSING_PARAM", "no identifier")
      return world.login(user, password, typeof device_id === "string" ? device_id : undefined)
    }
    if (parts[1] === "media" && parts[2] === "v3" && rest[0] === "download") return this.file(rest)
    const device = this.deviceOf(request)
    if (parts[1] === "media" && parts[2] === "v3" && rest[0] === "upload" && request.method === "POST") {
      const media = `file${world.files.size + 1}`
      const type = request.headers["content-type"] ?? "application/octet-stream"
      world.files.set(`${world.domain}/${media}`, { bytes: await readBody(request), type })
      return { content_uri: `mxc://${world.domain}/${media}` }
    }
    if (parts[2] === "v1" && rest[0] === "media" && rest[1] === "download" && !this.oldMedia) {
      return this.file(rest.slice(1))
    }
    if (route === "GET _matrix/client/v3" && rest.join("/") === "account/whoami") {
      return { user_id: device.userId, device_id: device.deviceId, is_guest: false }
    }
    if (route === "GET _matrix/client/v3" && rest[0] === "sync") return this.sync(request, device, query)
    if (route.endsWith("_matrix/client/v3") && rest[0] === "profile" && rest[2] === "displayname") {
      return this.displayName(request, device, rest[1] ?? "")
    }
    if (route === "POST _matrix/client/v3" && rest[0] === "createRoom") {
      return { room_id: world.createRoom(device.userId, await this.json(request)) }
    }
    if (route.endsWith("_matrix/client/v3") && rest[0] === "rooms") {
      return this.room(request, device, rest[1] ?? "", rest.slice(2), query)
    }
    throw new No(404, "M_UNRECOGNIZED", "Unrecognized request")
  }

  private file([, server, media]: ReadonlyArray<string>) {
    const file = this.world.files.get(`${server}/${media}`)
    if (file === undefined) throw new No(404, "M_NOT_FOUND", "no such file")
    return file.bytes
  }

  private async displayName(request: Http.IncomingMessage, device: Device, userId: string): Promise<Json> {
    if (request.method === "PUT") {
      if (userId !== device.userId) throw new No(403, "M_FORBIDDEN", "not yours")
      this.world.names.set(userId, String((await this.json(request))["displayname"]))
      return {}
    }
    const displayname = this.world.names.get(userId)
    if (displayname === undefined) throw new No(404, "M_NOT_FOUND", "Profile was not found")
    return { displayname }
  }

  private async sync(request: Http.IncomingMessage, device: Device, query: URLSearchParams): Promise<Json> {
    const since = query.get("since")
    const filter = Reading.filterOf(query.get("filter"))
    const wait = Number(query.get("timeout") ?? 0)
    const deadline = now() + wait
    for (;;) {
      const { answer, isEmpty } = Reading.sync(this.world, device, since, filter)
      const left = deadline - now()
      if (since === null || !isEmpty || left <= 0) return answer
      await this.somethingHappens(request.socket, left)
      if (request.socket.destroyed) throw new No(499, "M_UNKNOWN", "gone")
      // Signed out meanwhile?
      this.deviceOf(request)
    }
  }

  /** Or the time is over, or nobody waits any more. */
  private async somethingHappens(socket: Socket, within: number) {
    const over = new AbortController()
    const off = this.world.onEvent(() => over.abort())
    const close = () => over.abort()
    socket.once("close", close)
    await Timers.setTimeout(within, undefined, { signal: over.signal }).catch(() => undefined)
    socket.off("close", close)
    off()
  }

  private async room(
    request: Http.IncomingMessage,
    device: Device,
    roomId: string,
    rest: ReadonlyArray<string>,
    query: URLSearchParams,
  ): Promise<Json> {
    const { world } = this
    if (!/^!.+/.test(roomId)) throw new No(400, "M_INVALID_PARAM", `${roomId} is not a room id`)
    const [what, first = "", second = ""] = rest
    switch (`${request.method} ${what}`) {
      case "PUT send": {
        const body = await this.json(request)
        this.limit(device)
        return { event_id: world.send(roomId, device, first, second, body) }
      }
      case "PUT state":
        return { event_id: world.setState(roomId, device.userId, first, await this.json(request)) }
      case "POST join":
        await this.json(request)
        world.join(roomId, device.userId)
        return { room_id: roomId }
      case "POST leave":
        await this.json(request)
        world.leave(roomId, device.userId)
        return {}
      case "POST invite": {
        const { user_id } = await this.json(request)
        world.invite(roomId, device.userId, String(user_id))
        return {}
      }
      case "POST kick": {
        const { user_id } = await this.json(request)
        world.member(roomId, device.userId, String(user_id), "leave")
        return {}
      }
      case "GET messages":
        return Reading.messages(world, device, roomId, query)
      case "GET joined_members":
        if (world.membership(roomId, device.userId) !== "join")
          throw new No(403, "M_FORBIDDEN", "not in the room")
        return {
          joined: Object.fromEntries(
            [...world.memberships(roomId)]
              .filter(([, { content }]) => content["membership"] === "join")
              .map(([userId]) => [userId, {}]),
          ),
        }
      case "GET event": {
        const event = world.find(roomId, first)
        if (event === undefined || world.membership(roomId, device.userId) !== "join") {
          throw new No(404, "M_NOT_FOUND", "Event not found.")
        }
        return world.shown(event, device, true)
      }
      default:
        throw new No(404, "M_UNRECOGNIZED", "Unrecognized request")
    }
  }
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null
const isAddress = (value: string | AddressInfo | null): value is AddressInfo =>
  typeof value === "object" && value !== null

/** A homeserver that goes with the scope. */
export const start = Effect.acquireRelease(
  Effect.promise(async () => {
    const homeserver = new Homeserver()
    await homeserver.listen()
    return homeserver
  }),
  (homeserver) => Effect.promise(() => homeserver.close()),
)
