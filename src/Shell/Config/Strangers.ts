/**
 * Variables of the environment that look like settings and are none. A slip in a file or a flag is refused; the
 * environment belongs to everybody, so there it is told and nothing more.
 */
import { nearest } from "../../Domain/Nearest.js"

const prefix = "EMBEDBOX_"

/** A sentence for each of these variables that bears our prefix and is none of the known ones. */
export const strangers = (
  variables: ReadonlyArray<string>,
  known: ReadonlyArray<string>,
): ReadonlyArray<string> => {
  // All names begin alike, which is no likeness.
  const rest = (variable: string) => variable.slice(prefix.length)
  return variables
    .filter((variable) => variable.startsWith(prefix) && !known.includes(variable))
    .map((variable) => {
      const meant = nearest(rest(variable), known.map(rest))
      return `${variable} is no setting and is not heeded${meant === undefined ? "" : `: did you mean ${prefix}${meant}?`}`
    })
}
