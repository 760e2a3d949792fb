/**
 * Opens boxes. A file is foreign input: a box may be damaged, or gone. Each is opened by itself, so that one that
 * cannot be read is told as such among the others, and the job it belongs to can be read all the same.
 */
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import { keyText } from "../Domain/Entity.js"
import type { Box, QueueItem } from "../Domain/Job.js"
import * as Unreadable from "../Domain/Unreadable.js"
import type * as Rows from "./Rows.js"

export const make = <A>(decode: (json: string) => Either.Either<A, ParseError>) => {
  /** A live box. */
  const open = (row: Rows.JobRow): Unreadable.Readable<Box<A>> =>
    row.content === null
      ? Unreadable.make(row, "box", "it is gone")
      : Either.match(decode(row.content), {
          onLeft: (error) => Unreadable.make(row, "box", error),
          onRight: (content) => Either.right({ content, job: row }),
        })

  /** A job of whatever status: how it stands does not depend on what it boxes. */
  const item = (row: Rows.JobRow): QueueItem<A> =>
    Either.getOrElse(open(row), (): QueueItem<A> => ({ job: row, content: undefined }))

  return { open, item }
}

const placeOf = <A>(box: Unreadable.Readable<Box<A>>) =>
  Either.match(box, { onLeft: (left) => left, onRight: ({ job }) => job })

/** Of boxes of the same key, the one of the highest generation, whether it can be read or not. */
export const newestOfEach = <A>(
  boxes: ReadonlyArray<Unreadable.Readable<Box<A>>>,
): ReadonlyArray<Unreadable.Readable<Box<A>>> => {
  const newest = new Map<string, Unreadable.Readable<Box<A>>>()
  for (const box of boxes) {
    const its = placeOf(box)
    const known = newest.get(keyText(its))
    if (known === undefined || its.generation > placeOf(known).generation) newest.set(keyText(its), box)
  }
  return [...newest.values()]
}
