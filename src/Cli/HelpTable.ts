/** Two columns of a help: what is written, and what it does; one below the other where the screen is narrow. */
import widthOf from "fast-string-width"
import { wrapAnsi } from "fast-wrap-ansi"
import type { Screen } from "./Screen.js"

/** A left column that is wider has its meaning on the next line. */
const mostLeft = 28

/** Narrower than this the right column is not worth reading beside the left one. */
const leastRight = 24

export const lines = (
  screen: Pick<typeof Screen.Service, "dim" | "width">,
  rows: ReadonlyArray<readonly [name: string, meaning: string]>,
  left = Math.max(...rows.map(([name]) => widthOf(name)).filter((width) => width <= mostLeft), 0) + 4,
): ReadonlyArray<string> => {
  const isBeside = screen.width - left >= leastRight
  const indent = isBeside ? left : 6
  return rows.flatMap(([name, meaning]) => {
    const [first = "", ...more] = wrapAnsi(meaning, screen.width - indent, { hard: true }).split("\n")
    const below = (line: string) => `${" ".repeat(indent)}${screen.dim(line)}`
    return isBeside && widthOf(name) + 4 <= left
      ? [`  ${name}${" ".repeat(left - 2 - widthOf(name))}${screen.dim(first)}`, ...more.map(below)]
      : [`  ${name}`, ...[first, ...more].map(below)]
  })
}
