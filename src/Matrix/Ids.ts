/**
 * The identifiers of Matrix, as far as a client may look into them: opaque texts with a sigil and a bound. What does not
 * look like one is never put into a request.
 */

/** Longest identifier, in bytes, sigil and domain included. */
const longest = 255

const isBounded = (id: string) => Buffer.byteLength(id, "utf8") <= longest

/** `@localpart:domain`. Historical localparts may hold nearly anything. */
export const isUserId = (id: string): boolean => /^@[^\s:]+:[^\s:]+(?::\d{1,5})?$/.test(id) && isBounded(id)

/** `!opaque:domain`, and from room version 12 on without a domain. */
export const isRoomId = (id: string): boolean => /^![^\s]+$/.test(id) && isBounded(id)

/** `$opaque`, in old rooms with a domain. */
export const isEventId = (id: string): boolean => /^\$[^\s]+$/.test(id) && isBounded(id)

/** The domain of a user id. */
export const domainOf = (userId: string): string => userId.slice(userId.indexOf(":") + 1)

/** The part of a user id before its domain, without the sigil. */
export const localpartOf = (userId: string): string => userId.slice(1, userId.indexOf(":"))

/** Where a file lies. */
export interface Mxc {
  readonly server: string
  readonly media: string
}

/** Reads `mxc://server/media`. A path hidden in either part makes it none. */
export const mxcOf = (uri: string): Mxc | undefined => {
  const [, server, media] = /^mxc:\/\/([A-Za-z0-9.:[\]-]{1,255})\/([A-Za-z0-9_-]{1,255})$/.exec(uri) ?? []
  return server === undefined || media === undefined ? undefined : { server, media }
}

/** A link to an event that any client can open. */
export const permalink = (roomId: string, eventId: string): string =>
  `https://matrix.to/#/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`
