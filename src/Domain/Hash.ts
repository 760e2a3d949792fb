/** The two hashes that decide what has changed: of the whole entity, and of the text that is embedded. */
import { hash } from "node:crypto"
import type { Json, JsonObject } from "./Entity.js"

/** SHA-256 in hexadecimal of the UTF-8 bytes of `text`. */
export const sha256 = (text: string): string => hash("sha256", text, "hex")

/** JSON with the keys of every object in order, so that equal values have equal texts. */
export const canonicalJson = (value: Json): string => {
  if (value === null || typeof value !== "object") return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalJson).join(",")}]`
  const members = Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
  return `{${members.join(",")}}`
}

// Array.isArray does not narrow a readonly array.
const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

/** Equal exactly when content and metadata are. */
export const contentHash = (content: string, metadata: JsonObject): string =>
  sha256(`${sha256(content)}\n${canonicalJson(metadata)}`)
