/**
 * People write `embedbox get todo --json`; @effect/cli wants options before arguments. So options are moved to the
 * front of what follows the command, before it sees them. What follows `--` is never an option.
 */

/** The same words, options first. `switches` are the options that take no value. */
export const optionsFirst = (
  words: ReadonlyArray<string>,
  switches: ReadonlySet<string>,
): ReadonlyArray<string> => {
  const [command, ...rest] = words
  if (command === undefined || command.startsWith("-")) return words
  const options: Array<string> = []
  const args: Array<string> = []
  let forced: ReadonlyArray<string> = []
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? ""
    if (word === "--") {
      forced = rest.slice(at)
      break
    }
    if (!word.startsWith("-") || word === "-") {
      args.push(word)
      continue
    }
    options.push(word)
    const value = rest[at + 1]
    if (switches.has(word) || word.includes("=") || value === undefined) continue
    options.push(value)
    at++
  }
  return [command, ...options, ...args, ...forced]
}
