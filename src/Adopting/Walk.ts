/**
 * The way through a table: first the rows that an earlier run had to leave out, for somebody may have mended them; then
 * those behind the last one that is done. Page by page, each read when it is asked for.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StorageError } from "../Domain/Errors.js"
import type { AdoptionRefused } from "./Mapping.js"
import type * as Progress from "./Progress.js"
import type { Position, Source, Taken } from "./Source.js"

/** Rows that belong together. */
export interface Page {
  readonly rows: ReadonlyArray<Taken>
  /** Of rows that were left out before, and that the table does not have any more. */
  readonly gone: ReadonlyArray<Position>
  /** These were left out before: the walk gets no further by them. */
  readonly isRetried: boolean
  /** With these the walk begins. */
  readonly isFirst: boolean
}

/** Rows of a page: one transaction, in which the event loop stands still. */
const mostRows = 50

/** What a walk stands on. */
interface Way {
  readonly source: Source
  readonly progress: ReturnType<typeof Progress.make>
}

const leftOut = ({ progress, source }: Way): Stream.Stream<Page, AdoptionRefused | StorageError> =>
  Stream.unfoldEffect(undefined, (after: Position | undefined) =>
    Effect.gen(function* () {
      const wanted = yield* progress.leftOut(after, mostRows)
      const found = yield* source.rows(wanted)
      return Option.map(Option.fromNullable(wanted[found.length - 1]), (last) => {
        const rows = found.flatMap((row) => row ?? [])
        const gone = wanted.filter((_, at) => at < found.length && found[at] === undefined)
        return [{ rows, gone, isRetried: true, isFirst: false }, last] as const
      })
    }),
  )

const behind = (
  { source }: Way,
  start: Position | undefined,
): Stream.Stream<Page, AdoptionRefused | StorageError> =>
  Stream.unfoldEffect(start, (after) =>
    Effect.map(source.page(after, mostRows), (rows) =>
      Option.map(Option.fromNullable(rows.at(-1)), ({ position }) => {
        const page: Page = { rows, gone: [], isRetried: false, isFirst: after === undefined }
        return [page, position] as const
      }),
    ),
  )

/** All pages from where an earlier walk has come to, or from the first row. */
export const pages = (way: Way, isAgain: boolean): Stream.Stream<Page, AdoptionRefused | StorageError> =>
  isAgain
    ? behind(way, undefined)
    : Stream.concat(
        leftOut(way),
        Stream.unwrap(Effect.map(way.progress.load, ({ position }) => behind(way, position ?? undefined))),
      )

/** A page as two, where all of it is too much at once. */
export const halves = (page: Page): readonly [Page, Page] => {
  const middle = Math.ceil(page.rows.length / 2)
  return [
    { ...page, rows: page.rows.slice(0, middle) },
    { ...page, rows: page.rows.slice(middle), gone: [], isFirst: false },
  ]
}
