/**
 * Fields at the head of a note, in YAML between two lines of `---`. They are the note's metadata, and they stay in its
 * content as they were written: what the file says is what is kept. YAML is the common subset of JSON here; what more it
 * can say (types of its own, one part in many places without end) is a reason to refuse the file, since guessing would
 * change what somebody wrote.
 */
import * as Either from "effect/Either"
import * as Yaml from "yaml"
import { findJsonFlaw, isJsonObject, type Json, type JsonObject, maxMetadataBytes } from "./Entity.js"
import { canonicalJson } from "./Hash.js"
import * as SafeYaml from "./SafeYaml.js"

/** A note, taken apart. `source` is the YAML, its lines ended as YAML has them; none where the note has no front matter. */
interface Parts {
  readonly source: string | undefined
  readonly body: string
}

const opening = /^\uFEFF?---[ \t]*\r?\n/u
const closing = /^(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/mu

const partsOf = (content: string): Parts => {
  const head = opening.exec(content)?.[0]
  if (head === undefined) return { source: undefined, body: content }
  const rest = content.slice(head.length)
  const end = closing.exec(rest)
  return end === null
    ? { source: undefined, body: content }
    : {
        source: rest.slice(0, end.index).replaceAll("\r\n", "\n"),
        body: rest.slice(end.index + end[0].length),
      }
}

const parse = (source: string): Either.Either<Yaml.Document.Parsed, string> =>
  source.length > maxMetadataBytes
    ? Either.left(`has more than ${maxMetadataBytes} bytes of front matter`)
    : Either.mapLeft(SafeYaml.parse(source), because)

const because = (flaw: string) => `front matter: ${flaw}`

/** The fields of a note, or why they cannot be read. A note without front matter, or with a mere line there, has none. */
export const fieldsOf = (content: string): Either.Either<JsonObject, string> =>
  Either.gen(function* () {
    const { source } = partsOf(content)
    if (source === undefined) return {}
    const document = yield* parse(source)
    // Two lines with prose between them are no front matter.
    if (!Yaml.isMap(document.contents)) return {}
    const value = yield* Either.mapLeft(SafeYaml.valueOf(document), because)
    const flaw = findJsonFlaw(value, "")
    if (flaw !== undefined) yield* Either.left(because(`${flaw.path.slice(1)} ${flaw.reason}`))
    return isJsonObject(value) ? value : {}
  })

/** Front matter that can be read, and what is below it: the whole content where there is none. */
const taken = (content: string) => {
  const { body, source } = partsOf(content)
  const document = source === undefined ? undefined : Either.getOrUndefined(SafeYaml.parse(source))
  return document !== undefined && Yaml.isMap(document.contents)
    ? { document, body }
    : { document: undefined, body: content }
}

const has = (fields: JsonObject, name: string, value: Json) => {
  const there = Object.hasOwn(fields, name) ? fields[name] : undefined
  return there !== undefined && canonicalJson(there) === canonicalJson(value)
}

/**
 * The content with this metadata at its head: fields that it has already in the same sense are left as they stand, comments
 * and order included, and lines end as they do there. Content whose front matter cannot be read is left alone.
 */
export const withFields = (content: string, metadata: JsonObject): string => {
  const there = fieldsOf(content)
  if (Either.isLeft(there)) return content
  const missing = Object.entries(metadata).filter(([name, value]) => !has(there.right, name, value))
  if (missing.length === 0) return content
  const { body, document } = taken(content)
  const target = document ?? new Yaml.Document({})
  for (const [name, value] of missing) target.set(name, value)
  const head = `---\n${target.toString({ lineWidth: 0 })}---\n`
  const isCrlf = /^[^\n]*\r\n/u.test(content)
  return `${isCrlf ? head.replaceAll("\n", "\r\n") : head}${body}`
}

/** The text below the front matter; the whole where there is none that can be read. */
export const bodyOf = (content: string): string => taken(content).body

/** The text of an entity's file. */
export const fileOf = ({
  content,
  metadata,
}: {
  readonly content: string
  readonly metadata: JsonObject
}): string => withFields(content, metadata)
