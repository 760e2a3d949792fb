/**
 * What the bot says: one text in two renderings, formatted HTML and its plain fallback. Everything that is put into one
 * is escaped, for there is no other way to make one: a template takes texts and strings, and strings are always
 * somebody's words. Those are also kept from doing what words should not: to turn the reading direction around them, to
 * forge a line, or to call a whole room.
 */
import { clipped } from "../Domain/Text.js"

/** Safe in both renderings. */
export interface Text {
  readonly plain: string
  readonly html: string
}

/** The content of an `m.room.message` event. */
export type Content = { readonly [key: string]: unknown }

const entities: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? "")

/** Scripts that run from right to left. */
const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]|[\u{10800}-\u{10fff}]|[\u{1e800}-\u{1efff}]/u

/**
 * Somebody's words without what could act: controls of direction and of terminals, half characters. `@room` is kept
 * from being read as a call by a character of no width.
 */
const tamed = (text: string) =>
  text
    .toWellFormed()
    .replace(/\r\n?/g, "\n")
    .replace(/[\p{Bidi_Control}\u2028\u2029]/gu, "")
    .replace(/(?![\n\t])\p{Cc}/gu, " ")
    .replace(/@(?=room)/gi, "@\u2060")

/** Words that run the other way keep that to themselves. */
const isolated = (text: string) => (rightToLeft.test(text) ? `\u2068${text}\u2069` : text)

const textOf = (plain: string, html: string): Text => ({ plain, html })

/** Somebody's words, on one line. */
export const words = (text: string): Text => {
  const safe = isolated(tamed(text).replace(/\s+/g, " "))
  return textOf(safe, escaped(safe))
}

const toText = (value: Text | string | number): Text =>
  typeof value === "object" ? value : words(String(value))

/** A line: what stands in the template is ours, what is put into it is somebody's words. */
export const say = (
  strings: TemplateStringsArray,
  ...values: ReadonlyArray<Text | string | number>
): Text => {
  const texts = values.map(toText)
  return textOf(
    strings.map((ours, at) => ours + (texts[at]?.plain ?? "")).join(""),
    strings.map((ours, at) => escaped(ours) + (texts[at]?.html ?? "")).join(""),
  )
}

export const nothing: Text = textOf("", "")

export const bold = (value: Text | string): Text => {
  const { html, plain } = toText(value)
  return textOf(plain, `<strong>${html}</strong>`)
}

/** Something to copy: an id, a command. */
export const code = (text: string): Text => {
  const safe = tamed(text).replace(/\s+/g, " ").trim()
  return textOf(safe, `<code>${escaped(safe)}</code>`)
}

/** A link, where `href` leads to the web. Anything else is only its label. */
export const link = (label: Text | string, href: string): Text => {
  const text = toText(label)
  return /^https?:\/\/[^\s\p{Cc}\p{Bidi_Control}]+$/u.test(href)
    ? textOf(text.plain, `<a href="${escaped(href)}">${text.html}</a>`)
    : text
}

export const joined = (texts: ReadonlyArray<Text>, plain: string, html: string): Text =>
  textOf(texts.map((text) => text.plain).join(plain), texts.map((text) => text.html).join(html))

/** Texts below each other; empty ones are left out. */
export const lines = (...texts: ReadonlyArray<Text>): Text =>
  joined(
    texts.filter(({ plain }) => plain !== ""),
    "\n",
    "<br>",
  )

/** A numbered list; `start` is the number of the first. */
export const numbered = (texts: ReadonlyArray<Text>, start = 1): Text =>
  textOf(
    texts.map(({ plain }, at) => `${at + start}. ${plain.replaceAll("\n", "\n   ")}`).join("\n"),
    `<ol start="${start}">${texts.map(({ html }) => `<li>${html}</li>`).join("")}</ol>`,
  )

/** A bulleted list. */
export const bulleted = (texts: ReadonlyArray<Text>): Text =>
  textOf(
    texts.map(({ plain }) => `• ${plain.replaceAll("\n", "\n  ")}`).join("\n"),
    `<ul>${texts.map(({ html }) => `<li>${html}</li>`).join("")}</ul>`,
  )

/** Somebody's text as it is, line breaks included. */
export const block = (text: string): Text => {
  const safe = tamed(text)
  return textOf(safe, `<pre><code>${escaped(safe)}</code></pre>`)
}

// ---- events ------------------------------------------------------------------------------------------------

/**
 * Longest content, in bytes of JSON. An event may have 65,536 with all that the servers add to it, and an edit says
 * everything twice.
 */
const longest = 24_000

const bytesOf = (content: Content) => Buffer.byteLength(JSON.stringify(content), "utf8")

const notice = (text: Text, formatted: boolean): Content => ({
  // Other bots leave notices alone, as this one does.
  msgtype: "m.notice",
  body: text.plain,
  ...(formatted ? { format: "org.matrix.custom.html", formatted_body: text.html } : {}),
  // Says that nobody is meant: without it, clients look for names in the text.
  "m.mentions": {},
})

/** A notice that fits into an event: formatted if that fits, else plain, and cut where even that is too long. */
export const contentOf = (text: Text): Content => {
  const formatted = notice(text, true)
  if (bytesOf(formatted) <= longest) return formatted
  // A UTF-16 unit takes at most six bytes of JSON.
  const plain = notice(text, false)
  return bytesOf(plain) <= longest
    ? plain
    : notice({ ...text, plain: clipped(text.plain, Math.floor(longest / 6) - 100) }, false)
}

/** Where a message belongs: the event that it answers, and the thread which that one is in or may begin. */
export interface Place {
  readonly eventId: string
  readonly thread: string | undefined
}

/** The content as an answer in a thread; clients that know no threads show it as a reply. */
export const inThread = (content: Content, { eventId, thread }: Place): Content => ({
  ...content,
  "m.relates_to": {
    ...(thread === undefined ? {} : { rel_type: "m.thread", event_id: thread, is_falling_back: true }),
    "m.in_reply_to": { event_id: eventId },
  },
})

/** The content without its place; nothing where it has none. */
export const withoutPlace = (content: Content): Content | undefined => {
  if (content["m.relates_to"] === undefined) return undefined
  const { "m.relates_to": _, ...rest } = content
  return rest
}

/** The content as the new version of a message; clients that know no edits show it with a star. */
export const asEdit = (content: Content, eventId: string): Content => ({
  ...content,
  body: `* ${String(content["body"])}`,
  ...(content["formatted_body"] === undefined
    ? {}
    : { formatted_body: `* ${String(content["formatted_body"])}` }),
  "m.new_content": content,
  "m.relates_to": { rel_type: "m.replace", event_id: eventId },
})
