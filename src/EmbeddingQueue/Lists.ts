/**
 * Jobs as lists, newest first, in pages that a caller goes through by the last job of each. The order is that of
 * something that no waiting changes (the write, or the end), so that a page is not shifted by what happens between
 * two of them. Where a filter fits few, jobs are passed over a stretch at a time, each a statement of its own.
 */
import * as Effect from "effect/Effect"
import type { StorageError } from "../Domain/Errors.js"
import type { JobFilter, ListedJob } from "../Domain/Job.js"
import type { Storage } from "../Storage.js"
import type { Line, Place } from "./ListStatements.js"
import * as Rows from "./Rows.js"
import type { Statements } from "./Statements.js"

/** Which page of a list. */
export interface ListPage extends JobFilter {
  /** The last job of the page before. */
  readonly after?: Place | undefined
  /** At most so many. Default 100. */
  readonly limit?: number | undefined
}

/** Jobs that one statement looks at. */
const stretch = 2000

const top: Place = { generation: Number.MAX_SAFE_INTEGER, updatedAt: Number.MAX_SAFE_INTEGER }
const bottom: Place = { generation: 0, updatedAt: 0 }

/** An outcome is the end of one status only. */
const statusOf = ({ outcome, status }: JobFilter) => {
  if (status !== undefined || outcome === undefined) return status
  return outcome === "exhausted" || outcome === "cancelled" ? "failed" : "completed"
}

export const make = ({
  statements,
  storage,
}: {
  readonly storage: typeof Storage.Service
  readonly statements: Statements
}) => {
  const along = (line: Line, filter: JobFilter, from: Place, limit: number) =>
    Effect.gen(function* () {
      const found: Array<ListedJob> = []
      let after = from
      while (true) {
        const [next] = yield* storage.read(Rows.places(statements.placeAhead(line, after, stretch)))
        const part = { after, until: next ?? bottom }
        found.push(
          ...(yield* storage.read(Rows.listed(statements.list(line, filter, part, limit - found.length)))),
        )
        if (next === undefined || found.length >= limit) return found
        after = next
      }
    })

  const list = ({
    after = top,
    limit = 100,
    ...filter
  }: ListPage): Effect.Effect<ReadonlyArray<ListedJob>, StorageError> => {
    const status = statusOf(filter)
    if (limit < 1) return Effect.succeed([])
    if (status === "processing") {
      return storage.read(Rows.listed(statements.listInHand(filter, after, limit)))
    }
    return along(status === "failed" || status === "completed" ? status : "all", filter, after, limit)
  }

  return { list }
}

export type Lists = ReturnType<typeof make>
