/**
 * People write `embedbox get todo --json --quiet`; @effect/cli wants the program's own options before the command, and the
 * command's before its arguments. So words are put into that order before it sees them. What follows `--` is never an
 * option.
 */
import * as Globals from "./Globals.js"

const nameOf = (word: string) => word.split("=", 1)[0] ?? word

/** The words before `--`, and the rest. */
const parted = (words: ReadonlyArray<string>): readonly [ReadonlyArray<string>, ReadonlyArray<string>] => {
  const at = words.indexOf("--")
  return at < 0 ? [words, []] : [words.slice(0, at), words.slice(at)]
}

/** Whether this switch is among the words. */
export const isSaid = (words: ReadonlyArray<string>, ...names: ReadonlyArray<string>): boolean =>
  parted(words)[0].some((word) => names.includes(word))

/** The first word that looks like an option and is none of these. */
export const strangerAmong = (
  words: ReadonlyArray<string>,
  known: ReadonlySet<string>,
  switches: ReadonlySet<string>,
): string | undefined => {
  const [spoken] = parted(words)
  for (let at = 0; at < spoken.length; at++) {
    const word = spoken[at] ?? ""
    if (!/^--?[a-z]/iu.test(word)) continue
    if (!known.has(nameOf(word))) return nameOf(word)
    // The word behind it is its value, whatever it looks like.
    if (!switches.has(word) && !word.includes("=")) at++
  }
  return undefined
}

/** The options that every command takes, and the other words. */
export const globalsOf = (
  words: ReadonlyArray<string>,
): { readonly globals: ReadonlyArray<string>; readonly others: ReadonlyArray<string> } => {
  const [spoken, forced] = parted(words)
  const globals: Array<string> = []
  const others: Array<string> = []
  for (let at = 0; at < spoken.length; at++) {
    const word = spoken[at] ?? ""
    const isValued = Globals.valued.has(nameOf(word))
    if (!isValued && !Globals.switches.has(word)) {
      others.push(word)
      continue
    }
    globals.push(word)
    const value = spoken[at + 1]
    if (!isValued || word.includes("=") || value === undefined) continue
    globals.push(value)
    at++
  }
  return { globals, others: [...others, ...forced] }
}

/** The same words, the program's options first, then the command, its options and its arguments. */
export const ordered = (
  words: ReadonlyArray<string>,
  switches: ReadonlySet<string>,
): ReadonlyArray<string> => {
  const { globals, others } = globalsOf(words)
  const [command, ...rest] = others
  if (command === undefined || command.startsWith("-")) return [...globals, ...others]
  const [spoken, forced] = parted(rest)
  const options: Array<string> = []
  const args: Array<string> = []
  for (let at = 0; at < spoken.length; at++) {
    const word = spoken[at] ?? ""
    if (!word.startsWith("-") || word === "-") {
      args.push(word)
      continue
    }
    options.push(word)
    const value = spoken[at + 1]
    if (switches.has(word) || word.includes("=") || value === undefined) continue
    options.push(value)
    at++
  }
  return [...globals, command, ...options, ...args, ...forced]
}
