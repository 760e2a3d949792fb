/**
 * Which file is whose. The first folder of a path is an entity's type where that type is registered, the rest is its id;
 * everything else has the fallback type, and its whole path is the id. An id may hold what no file system does, or what
 * means something else there (`..`, `CON`, a hidden name): such characters are written `%XX`, by the fewest rules that
 * let every id be read back from its path. Names that people gave are left as they are.
 */
import * as Option from "effect/Option"
import { defaultEntityType, type EntityKey, EntityType } from "../Domain/Entity.js"

export interface Layout {
  /** Types that have a folder of their own. */
  readonly types: ReadonlySet<string>
  /** The type of everything else. */
  readonly fallback: EntityType
}

export const makeLayout = (
  types: ReadonlyArray<EntityType> = [],
  fallback: EntityType = EntityType.make(defaultEntityType),
): Layout => ({ types: new Set([...types, fallback]), fallback })

/** What a file name may not hold on some system, and an escape that an id spells out. */
const unsafe = /[<>:"\\|?*]|%(?=[0-9A-Fa-f]{2})/gu

/** Device names of Windows, with or without an extension. */
const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)/iu

/** Beside a note: another version of it, that lost. Not a note itself. */
export const conflictMark = /\.conflict-\d{8}T\d{6}(?:-\d+)?$/u

const escaped = (text: string) =>
  Array.from(
    new TextEncoder().encode(text),
    (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
  ).join("")

/** No id has the character NUL, so this is free to stand for nothing. */
const empty = "%00"

const encode = (segment: string): string => {
  if (segment === "") return empty
  let name = segment.replace(unsafe, escaped)
  // Names are compared composed: what is not must not be taken for what is.
  if (name !== name.normalize("NFC")) name = name.replace(/\P{ASCII}+/gu, escaped)
  if (/^\.|^node_modules$/u.test(name) || reserved.test(name))
    name = `${escaped(name.slice(0, 1))}${name.slice(1)}`
  if (/[. ]$/u.test(name)) name = `${name.slice(0, -1)}${escaped(name.slice(-1))}`
  return name.replace(conflictMark, (mark) => `${escaped(".")}${mark.slice(1)}`)
}

const unescaped = (name: string): string | undefined => {
  if (name === empty) return ""
  const bytes: Array<number> = []
  for (let at = 0; at < name.length; ) {
    const escape = /^%([0-9A-F]{2})/u.exec(name.slice(at, at + 3))
    const character = String.fromCodePoint(name.codePointAt(at) ?? 0)
    bytes.push(
      ...(escape?.[1] === undefined ? new TextEncoder().encode(character) : [Number.parseInt(escape[1], 16)]),
    )
    at += escape === null ? character.length : 3
  }
  const text = Option.liftThrowable((all: Uint8Array) =>
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(all),
  )
  return Option.getOrUndefined(text(Uint8Array.from(bytes)))
}

/** A name is an escaped id only where that id would be written so; else it means what it says. */
const decode = (name: string): string => {
  const composed = name.normalize("NFC")
  if (!composed.includes("%")) return composed
  const candidate = unescaped(composed)
  return candidate !== undefined && encode(candidate) === composed ? candidate : composed
}

/** The key of a file, by its path below the folder, without the extension; the id need not be a good one. */
export const keyOf = (
  path: string,
  { fallback, types }: Layout,
): { readonly entityType: string; readonly entityId: string } => {
  const [first = "", ...rest] = path.split("/")
  const isType = rest.length > 0 && types.has(first)
  return {
    entityType: isType ? first : fallback,
    entityId: (isType ? rest : [first, ...rest]).map(decode).join("/"),
  }
}

/** The path of an entity's file, without the extension; none where its type is not registered. */
export const pathOf = (
  { entityId, entityType }: EntityKey,
  { fallback, types }: Layout,
): Option.Option<string> => {
  if (!types.has(entityType)) return Option.none()
  const segments = entityId.split("/").map(encode)
  // Its first segment must not be taken for a type.
  const isAmbiguous = segments.length > 1 && types.has(segments[0] ?? "")
  const folder = entityType === fallback && !isAmbiguous ? [] : [entityType]
  return Option.some([...folder, ...segments].join("/"))
}
