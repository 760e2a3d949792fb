/**
 * A person with a Matrix client, who speaks to the homeserver over HTTP only: what is tested with them runs against a
 * real homeserver as well. Waiting is done by long polls; nothing sleeps.
 */
import { createHmac, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import { now } from "./homeserver/now.js"

/** As much of a message as tests look at. */
export interface Content {
  readonly msgtype?: string
  readonly body: string
  readonly format?: string
  readonly formatted_body?: string
  readonly "m.mentions"?: unknown
  readonly "m.new_content"?: Content
  readonly "m.relates_to"?: {
    readonly rel_type?: string
    readonly event_id?: string
    readonly is_falling_back?: boolean
    readonly "m.in_reply_to"?: { readonly event_id: string }
  }
}

export interface Said {
  readonly type: string
  readonly event_id: string
  readonly sender: string
  readonly content: Content
}

interface Synced {
  readonly next_batch: string
  readonly rooms?: {
    readonly join?: {
      readonly [roomId: string]: { readonly timeline: { readonly events: ReadonlyArray<Said> } }
    }
  }
}

const call = async <A>(
  url: string,
  token: string | undefined,
  method: string,
  path: string,
  body?: unknown,
): Promise<A> => {
  const isBytes = body instanceof Uint8Array
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": isBytes ? "text/markdown" : "application/json" }),
    },
    ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
  })
  const answer: A = JSON.parse(await response.text())
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`)
  return answer
}

interface Registered {
  readonly user_id: string
  readonly access_token: string
}

const register = async (
  url: string,
  username: string,
  password: string,
  sharedSecret: string | undefined,
) => {
  if (sharedSecret === undefined) {
    return call<Registered>(url, undefined, "POST", "/_matrix/client/v3/register", {
      username,
      password,
      auth: { type: "m.login.dummy" },
    })
  }
  const path = "/_synapse/admin/v1/register"
  const { nonce } = await call<{ readonly nonce: string }>(url, undefined, "GET", path)
  const mac = createHmac("sha1", sharedSecret)
    .update([nonce, username, password, "notadmin"].join("\0"))
    .digest("hex")
  return call<Registered>(url, undefined, "POST", path, { nonce, username, password, admin: false, mac })
}

export class Person {
  readonly heard: Array<Said & { readonly roomId: string }> = []
  private since: string | undefined
  private count = 0

  constructor(
    readonly url: string,
    readonly userId: string,
    readonly token: string,
    readonly password: string,
  ) {}

  static async register(url: string, name: string, sharedSecret?: string) {
    const password = randomBytes(9).toString("base64url")
    const { access_token, user_id } = await register(url, name, password, sharedSecret)
    return new Person(url, user_id, access_token, password)
  }

  call<A>(method: string, path: string, body?: unknown) {
    return call<A>(this.url, this.token, method, path, body)
  }

  private room(roomId: string, path: string) {
    return `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/${path}`
  }

  async createRoom(body: object): Promise<string> {
    const made = await this.call<{ readonly room_id: string }>("POST", "/_matrix/client/v3/createRoom", body)
    return made.room_id
  }

  invite(roomId: string, userId: string) {
    return this.call("POST", this.room(roomId, "invite"), { user_id: userId })
  }

  join(roomId: string) {
    return this.call("POST", this.room(roomId, "join"), {})
  }

  async send(roomId: string, content: object, type = "m.room.message"): Promise<string> {
    const txn = `p${now()}-${this.count++}`
    const path = this.room(roomId, `send/${type}/${txn}`)
    return (await this.call<{ readonly event_id: string }>("PUT", path, content)).event_id
  }

  say(roomId: string, body: string, more: object = {}) {
    return this.send(roomId, { msgtype: "m.text", body, ...more })
  }

  async upload(name: string, bytes: Uint8Array): Promise<string> {
    const path = `/_matrix/media/v3/upload?filename=${encodeURIComponent(name)}`
    return (await this.call<{ readonly content_uri: string }>("POST", path, bytes)).content_uri
  }

  setName(displayname: string) {
    return this.call("PUT", `/_matrix/client/v3/profile/${encodeURIComponent(this.userId)}/displayname`, {
      displayname,
    })
  }

  /** Hears what has been said since it last listened; waits for something at most so long. */
  async listen(wait: number) {
    const query = new URLSearchParams({
      timeout: String(wait),
      filter: JSON.stringify({ room: { timeline: { limit: 1000 } } }),
      ...(this.since === undefined ? {} : { since: this.since }),
    })
    const answer = await this.call<Synced>("GET", `/_matrix/client/v3/sync?${query}`)
    this.since = answer.next_batch
    for (const [roomId, room] of Object.entries(answer.rooms?.join ?? {})) {
      for (const event of room.timeline.events) this.heard.push({ ...event, roomId })
    }
  }

  /** Listens until something holds of all that was heard. */
  async until<A>(what: string, look: () => A | undefined, patience = 60_000): Promise<A> {
    const deadline = now() + patience
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      const left = deadline - now()
      if (left <= 0) {
        const heard = this.heard
          .slice(-8)
          .map(({ content, sender }) => `${sender}: ${JSON.stringify(content)}`)
        throw new Error(`${this.userId} waited in vain for ${what}; heard last:\n${heard.join("\n")}`)
      }
      await this.listen(Math.min(left, 5_000))
    }
  }

  /** The messages, in their first form, that answer an event. */
  answersTo(eventId: string) {
    return this.heard.filter(
      ({ content, type }) =>
        type === "m.room.message" &&
        content["m.relates_to"]?.rel_type !== "m.replace" &&
        content["m.relates_to"]?.["m.in_reply_to"]?.event_id === eventId,
    )
  }

  editsOf(eventId: string) {
    return this.heard.filter(
      ({ content }) =>
        content["m.relates_to"]?.rel_type === "m.replace" && content["m.relates_to"].event_id === eventId,
    )
  }

  answer(eventId: string, patience?: number) {
    return this.until(`an answer to ${eventId}`, () => this.answersTo(eventId)[0], patience)
  }

  edit(eventId: string, matches: (body: string) => boolean = () => true, patience?: number) {
    return this.until(
      `an edit of ${eventId}`,
      () => this.editsOf(eventId).find(({ content }) => matches(content["m.new_content"]?.body ?? "")),
      patience,
    )
  }
}

/** Everything a person does, as an Effect. */
export const does = <A>(act: () => Promise<A>) => Effect.promise(act)
