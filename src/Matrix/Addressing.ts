/**
 * Whether a message is meant for the bot, and what it asks. In a room that is a command, or a question to somebody who
 * is mentioned; in a direct room everything is. Pure, and the same when a message comes in and when its turn has come.
 */
import { type Command, isMark, parse, type Unknown } from "./Command.js"
import { type Message, messageOf, type RoomEvent, spoken } from "./Events.js"
import { localpartOf } from "./Ids.js"

/** By which names the bot is called. */
export interface Self {
  readonly userId: string
  readonly displayName: string | undefined
}

/** What is asked of the bot. */
export type Asked = Command | Unknown

const spokenTypes = new Set(["m.text", "m.file"])

const escapedName = (name: string) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** A question without the name in front of it or behind it. */
const withoutName = (text: string, names: ReadonlyArray<string>): string | undefined => {
  for (const name of names) {
    const inFront = new RegExp(`^@?${escapedName(name)}(?![\\p{L}\\p{N}_])[:,]?\\s*`, "iu").exec(text)
    if (inFront !== null) return text.slice(inFront[0].length).trim()
    const behind = `@${name}`.toLowerCase()
    if (text.toLowerCase().endsWith(` ${behind}`)) return text.slice(0, -behind.length).trim()
    if (text.toLowerCase().includes(name.toLowerCase()) && name.startsWith("@"))
      return text.replace(name, "").trim()
  }
  return undefined
}

/** A pill: a link to the bot, as clients write it. */
const isLinked = ({ formatted }: Message, userId: string) =>
  formatted.includes(`https://matrix.to/#/${userId}"`) ||
  formatted.includes(`https://matrix.to/#/${encodeURIComponent(userId)}"`)

const mentioned = (message: Message, text: string, self: Self): string | undefined => {
  const names = [self.userId, ...(self.displayName ? [self.displayName] : []), localpartOf(self.userId)]
  // A client that says whom it means is believed; to say the name is then not enough.
  if (message.mentions !== undefined && !message.mentions.includes(self.userId)) return undefined
  const question = withoutName(text, names)
  if (question !== undefined) {
    return message.mentions !== undefined || isLinked(message, self.userId) || text.includes(self.userId)
      ? question
      : undefined
  }
  // Who replies to the bot mentions it without a word of it: that is a remark, not a question.
  return message.mentions !== undefined && message.repliesTo === undefined ? text : undefined
}

/** What a message asks of the bot; nothing where it is not meant for it. */
export const asked = (
  content: RoomEvent["content"],
  { isDirect, self }: { readonly self: Self; readonly isDirect: boolean },
): Asked | undefined => {
  const message = messageOf(content)
  if (!spokenTypes.has(message.msgtype) || message.isEdit) return undefined
  const text = spoken(message)
  const question = mentioned(message, text, self)
  const words = question ?? text
  if (isMark(words)) return undefined
  const command = parse(words)
  if (command !== undefined) {
    // Other bots have commands of their own.
    return command.name === "unknown" && !isDirect && question === undefined ? undefined : command
  }
  if (message.msgtype !== "m.text" || (question === undefined && !isDirect)) return undefined
  return words === "" ? { name: "help", rest: "" } : { name: "search", rest: words }
}
