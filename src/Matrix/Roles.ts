/**
 * Who may do what. A role is had by user id, or for all who speak in a room; nobody has one by default, and what people
 * without one say is not even kept. Owners are named one by one: nobody becomes one by being in a room.
 */
import type { Role } from "../Domain/Role.js"
import { isRoomId, isUserId } from "./Ids.js"

export { covers, type Role } from "../Domain/Role.js"

/** Who may do what. */
export interface Roles {
  /** User ids. */
  readonly owners: ReadonlyArray<string>
  /** User ids, `@*:domain` for all of a homeserver, and room ids. */
  readonly trusted: ReadonlyArray<string>
  /** The same. */
  readonly public: ReadonlyArray<string>
}

/** `@*:domain` */
const everybody = /^@\*:([^\s:]+(?::\d{1,5})?)$/

/** An entry of `owners`. */
export const isOwnerEntry = (entry: string): boolean => isUserId(entry) && !everybody.test(entry)

/** An entry of the other lists. */
export const isEntry = (entry: string): boolean => isUserId(entry) || isRoomId(entry)

const names = (entries: ReadonlyArray<string>, sender: string, roomId: string) =>
  entries.some((entry) => {
    const [, domain] = everybody.exec(entry) ?? []
    return domain === undefined
      ? entry === sender || entry === roomId
      : sender.slice(sender.indexOf(":") + 1) === domain
  })

/** The role of somebody in a room; nothing where none was given. */
export const roleOf = (roles: Roles, sender: string, roomId: string): Role | undefined => {
  if (roles.owners.includes(sender)) return "owner"
  if (names(roles.trusted, sender, roomId)) return "trusted"
  return names(roles.public, sender, roomId) ? "public" : undefined
}
