/**
 * What is there and cannot be read, as data. One damaged row must neither end a list nor be passed over as if it were
 * not there, and the older version behind it is not the entity; so whoever reads many gets each, or why not.
 */
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import type { EntityKey } from "./Entity.js"
import { StorageError } from "./Errors.js"

/** An entity whose newest version, box or stored row, cannot be read. */
export interface Unreadable extends EntityKey {
  readonly generation: number
  readonly error: StorageError
}

/** What was asked for, or why it cannot be read. */
export type Readable<A> = Either.Either<A, Unreadable>

/** The longest reason that is told, in UTF-16 units: what a Schema says may hold the whole content. */
const longest = 300

/** `part` says which half of the entity is damaged. */
export const make = (
  { entityId, entityType, generation }: EntityKey & { readonly generation: number },
  part: "box" | "stored row",
  why: ParseError | string,
): Readable<never> => {
  const told = (typeof why === "string" ? why : why.message).replaceAll(/\s+/g, " ").trim()
  const short = told.length <= longest ? told : `${told.slice(0, longest).toWellFormed()} …`
  return Either.left({
    entityType,
    entityId,
    generation,
    error: new StorageError({
      trouble: "InvalidRow",
      reason: `the ${part} of ${entityType}/${entityId} cannot be read: restore it from a backup, write it again, or delete it (${short})`,
    }),
  })
}
