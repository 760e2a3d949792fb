/**
 * The words of the chat: what a message asks for. One table says for each command who may give it, what comes after it
 * and what it does; the parser, the permissions and the help are all made of that table.
 */
import { clipped } from "../Domain/Text.js"
import type { Role } from "./Roles.js"

export interface Command {
  readonly name: Name
  /** Everything behind the word, trimmed. */
  readonly rest: string
}

interface Entry {
  /** As it is typed. */
  readonly word: string
  readonly usage: string
  readonly needs: Role
  readonly meaning: string
}

/** Every command, in the order of the help. */
export const table = {
  add: {
    word: "!add",
    usage: "!add <text>",
    needs: "trusted",
    meaning: "save a note; as a reply it saves that message or its .md or .txt file",
  },
  search: { word: "!search", usage: "!search <question>", needs: "public", meaning: "find notes" },
  related: {
    word: "!related",
    usage: "!related <id>",
    needs: "public",
    meaning: "find notes that are like it",
  },
  get: { word: "!get", usage: "!get <id>", needs: "public", meaning: "show a note" },
  list: { word: "!list", usage: "!list", needs: "public", meaning: "list all notes" },
  more: { word: "!more", usage: "!more", needs: "public", meaning: "go on with what was cut" },
  status: { word: "!status", usage: "!status", needs: "public", meaning: "what waits, failed and works" },
  job: { word: "!job", usage: "!job <job>", needs: "trusted", meaning: "how an embedding stands" },
  retry: { word: "!retry", usage: "!retry <job>", needs: "trusted", meaning: "try a failed one again" },
  import: {
    word: "!import",
    usage: "!import",
    needs: "owner",
    meaning: "save all notes of the configured folder",
  },
  help: { word: "!help", usage: "!help", needs: "public", meaning: "this list" },
  pause: { word: "!!pause", usage: "!!pause", needs: "owner", meaning: "stop embedding, everywhere" },
  resume: { word: "!!resume", usage: "!!resume", needs: "owner", meaning: "let it go on" },
  retryAll: {
    word: "!!retry",
    usage: "!!retry all",
    needs: "owner",
    meaning: "try all failed ones again",
  },
  remove: { word: "!!rm", usage: "!!rm <id>", needs: "owner", meaning: "delete a note" },
} as const satisfies Record<string, Entry>

export type Name = keyof typeof table

const byWord = new Map<string, Name>()
for (const name of Object.keys(table)) if (isName(name)) byWord.set(table[name].word, name)

function isName(name: string): name is Name {
  return Object.hasOwn(table, name)
}

/** What begins like a command and is none. */
export interface Unknown {
  readonly name: "unknown"
  readonly rest: string
}

/** As much of an unknown word is quoted. */
const longestWord = 80

/** A mark without a word says nothing, as in "!" or "!?". */
export const isMark = (text: string): boolean => /^![\p{P}\p{S}\s]*$/u.test(text)

/** Reads a text that begins with `!`; nothing where it does not. */
export const parse = (text: string): Command | Unknown | undefined => {
  const trimmed = text.trim()
  const [word] = /^!+\s*\S*/.exec(trimmed) ?? []
  if (word === undefined || isMark(trimmed)) return undefined
  const name = byWord.get(word.toLowerCase())
  return name === undefined
    ? { name: "unknown", rest: clipped(word, longestWord) }
    : { name, rest: trimmed.slice(word.length).trim() }
}
