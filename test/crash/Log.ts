/**
 * What clients were told, and what may therefore be in the database. A client writes a line before each operation and
 * one after its answer. An operation without an answer may have happened or not. What is read in the end must be the
 * work of an operation after which, in real time, no acknowledged one began: that holds for keys of one client and for
 * those that several fight over alike. Times are the machine's monotonic clock, which its processes share.
 */
import * as Schema from "effect/Schema"

/** `write` sets text and mark, `patch` the mark alone, `delete` removes. */
export const Kind = Schema.Literal("write", "patch", "delete")
export type Kind = typeof Kind.Type

const Begun = Schema.Struct({
  line: Schema.Literal("begun"),
  /** Names the operation, and is what it writes. */
  mark: Schema.String,
  client: Schema.String,
  kind: Kind,
  call: Schema.String,
  key: Schema.String,
  micros: Schema.Number,
})

const Ended = Schema.Struct({
  line: Schema.Literal("ended"),
  mark: Schema.String,
  /** `refused`: certainly not done. `failed`: nobody knows. */
  result: Schema.Literal("done", "refused", "failed"),
  detail: Schema.optional(Schema.String),
  micros: Schema.Number,
})

/** A reader was told something that cannot be. */
const Wrong = Schema.Struct({ line: Schema.Literal("wrong"), mark: Schema.String, detail: Schema.String })

export const Line = Schema.Union(Begun, Ended, Wrong)
export type Line = typeof Line.Type

export const now = (): number => Number(process.hrtime.bigint() / 1000n)

export const textOf = (mark: string) => `written by ${mark}`

/** One operation, with what is known of its end. */
export interface Operation {
  readonly mark: string
  readonly kind: Kind
  readonly call: string
  readonly key: string
  readonly began: number
  /** After this it cannot have happened any more. */
  readonly ended: number
  readonly known: "done" | "refused" | "failed" | "in flight"
  readonly detail: string | undefined
}

const parseLine = Schema.decodeUnknownOption(Schema.parseJson(Line))

/** The lines of a log; one that death cut short is no line. */
export const linesOf = (text: string): ReadonlyArray<Line> =>
  text.split("\n").flatMap((line) => {
    const parsed = parseLine(line)
    return parsed._tag === "Some" ? [parsed.value] : []
  })

/** `deaths`: when each client (with its run) was seen to be dead. */
export const operationsOf = (
  lines: ReadonlyArray<Line>,
  deaths: ReadonlyMap<string, number>,
): ReadonlyArray<Operation> => {
  const ends = new Map(lines.flatMap((line) => (line.line === "ended" ? [[line.mark, line] as const] : [])))
  return lines.flatMap((line) => {
    if (line.line !== "begun") return []
    const end = ends.get(line.mark)
    return [
      {
        mark: line.mark,
        kind: line.kind,
        call: line.call,
        key: line.key,
        began: line.micros,
        ended: end?.micros ?? deaths.get(line.client) ?? Number.POSITIVE_INFINITY,
        known: end?.result ?? "in flight",
        detail: end?.detail,
      },
    ]
  })
}

/** What is read of a key in the end; nothing when it is not there. */
export interface Final {
  readonly mark: string
  readonly content: string
}

/** Why `final` cannot be what these operations on one key left, or nothing when it can. */
export const flawOf = (
  key: string,
  operations: ReadonlyArray<Operation>,
  final: Final | undefined,
): string | undefined => {
  const possible = operations.filter(({ known }) => known !== "refused")
  const certain = possible.filter(({ known }) => known === "done")
  /** Nothing of these began after it had ended. */
  const mayBeLast = (operation: Operation, among: ReadonlyArray<Operation>) =>
    among.every((other) => other === operation || other.began <= operation.ended)
  const told = (operation: Operation | undefined) =>
    operation === undefined ? "nothing" : `${operation.call} ${operation.mark} (${operation.known})`
  const newest = certain.toSorted((a, b) => b.began - a.began)[0]

  if (final === undefined) {
    const deleted = possible.some((operation) => operation.kind === "delete" && mayBeLast(operation, certain))
    return deleted || certain.length === 0
      ? undefined
      : `${key} is missing; the last acknowledged operation on it is ${told(newest)}`
  }
  const marker = possible.find(({ kind, mark }) => kind !== "delete" && mark === final.mark)
  if (marker === undefined || !mayBeLast(marker, certain)) {
    return `${key} bears the mark of ${told(marker) ?? final.mark}; acknowledged later: ${told(newest)}`
  }
  const texts = certain.filter(({ kind }) => kind !== "patch")
  const writer = possible.find(({ kind, mark }) => kind === "write" && textOf(mark) === final.content)
  if (writer === undefined || !mayBeLast(writer, texts)) {
    const later = texts.toSorted((a, b) => b.began - a.began)[0]
    return `${key} has the text of ${told(writer)} ("${final.content}"); acknowledged later: ${told(later)}`
  }
  return undefined
}
