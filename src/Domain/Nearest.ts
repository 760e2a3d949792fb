/** What somebody meant who wrote something else: a slip of the finger is answered with the word beside it. */
import { closest, distance } from "fastest-levenshtein"

/** The name that this is a slip of, if it is one of these; nothing where it is another word. */
export const nearest = (said: string, names: ReadonlyArray<string>): string | undefined => {
  if (names.length === 0) return undefined
  const meant = closest(said, names)
  return distance(said.toLowerCase(), meant.toLowerCase()) <= Math.max(1, Math.floor(meant.length / 3))
    ? meant
    : undefined
}

/** What is said of a name that nobody knows. */
export const unknown = (said: string, names: ReadonlyArray<string>): string => {
  const meant = nearest(said, names)
  if (meant !== undefined) return `is not known here: did you mean ${meant}?`
  return names.length === 0 ? "is not known here" : `is not known here: known are ${names.join(", ")}`
}
