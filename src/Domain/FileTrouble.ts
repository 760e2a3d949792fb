/** Why the file system said no, in words for people: every place that reads files tells it the same way. */
import * as Predicate from "effect/Predicate"

const words: { readonly [code: string]: string } = {
  ENOENT: "it does not exist",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "it is not a folder",
  EMFILE: "too many files are open",
  ELOOP: "it is a link to itself",
}

/** The reason of a failed call, from its code where it is a common one. */
export const reasonOf = (cause: unknown): string => {
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  return words[code] ?? (cause instanceof Error ? cause.message : String(cause))
}
