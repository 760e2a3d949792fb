/**
 * Tables for people: columns in line, as wide as what is in them, and never wider than the screen. Where there is not
 * room for all, the columns that may be cut give way. Width is counted in columns of a terminal, where a Chinese
 * character takes two and a colour none.
 */
import widthOf from "fast-string-width"
import type { Screen } from "./Screen.js"
import { fit } from "./Width.js"

export interface Column {
  readonly title: string
  /** May be cut down to so many columns where there is not enough room; else it never is. */
  readonly least?: number
  readonly isNumber?: boolean
}

/** Between two columns. */
const gap = "  "

/** How wide each column may be: those that may be cut share what is missing, the widest first. */
const widthsOf = (columns: ReadonlyArray<Column>, wanted: ReadonlyArray<number>, room: number) => {
  const widths = [...wanted]
  let missing = widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1)) - room
  while (missing > 0) {
    const widest = columns.reduce(
      (best, { least }, at) =>
        least !== undefined &&
        (widths[at] ?? 0) > least &&
        (best < 0 || (widths[at] ?? 0) > (widths[best] ?? 0))
          ? at
          : best,
      -1,
    )
    if (widest < 0) break
    widths[widest] = (widths[widest] ?? 1) - 1
    missing--
  }
  return widths
}

/** The lines of a table. Cells are text on one line; `tint` may colour them once they are cut. */
export const lines = (
  screen: Pick<typeof Screen.Service, "dim" | "width">,
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  tint: (cell: string, row: number, column: number) => string = (cell) => cell,
): ReadonlyArray<string> => {
  const wanted = columns.map(({ title }, at) =>
    rows.reduce((most, row) => Math.max(most, widthOf(row[at] ?? "")), widthOf(title)),
  )
  const widths = widthsOf(columns, wanted, screen.width)
  const line = (cells: ReadonlyArray<string>, colour: (cell: string, column: number) => string) =>
    columns
      .map(({ isNumber = false }, at) => {
        const cell = fit(cells[at] ?? "", widths[at] ?? 0)
        const blank = " ".repeat(Math.max(0, (widths[at] ?? 0) - widthOf(cell)))
        return isNumber ? blank + colour(cell, at) : colour(cell, at) + blank
      })
      .join(gap)
      .trimEnd()
  return [
    line(
      columns.map(({ title }) => title),
      screen.dim,
    ),
    ...rows.map((cells, row) => line(cells, (cell, column) => tint(cell, row, column))),
  ]
}
