/**
 * What can be written into a setting: parsers that also say, in words for the user, what they take. They are stricter
 * than those of Effect's `Config`, which makes 0 of an empty variable, takes `1e3`, and knows no ranges.
 */
import { homedir } from "node:os"
import { isAbsolute, resolve } from "node:path"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Models from "../Embedder/models.js"

/** Reads a text that is trimmed unless `verbatim` says otherwise, and that is not empty. `expected` completes "it must be …"; `takes` is the same in short. */
export interface Parser<A> {
  readonly expected: string
  readonly takes: string
  readonly parse: (text: string) => Option.Option<A>
  /** Spaces at its ends are part of it. */
  readonly verbatim?: true
  /** It names a file or folder: one that is relative in a file of settings is meant from there. */
  readonly isPath?: true
  /** Nobody may see it. */
  readonly isSecret?: true
}

/** The value, or what would be right. */
export const parse = <A>(parser: Parser<A>, text: string): Either.Either<A, string> =>
  Either.fromOption(parser.parse(parser.verbatim === true ? text : text.trim()), () => parser.expected)

/** A whole number in decimal digits. */
export const count = (least: number, most: number): Parser<number> => ({
  expected: `a whole number from ${least} to ${most}`,
  takes: `${least} to ${most}`,
  parse: (text) =>
    /^\d{1,9}$/.test(text)
      ? Option.filter(Option.some(Number(text)), (value) => value >= least && value <= most)
      : Option.none(),
})

/** The same, or `auto` for nothing. */
export const countOrAuto = (least: number, most: number): Parser<number | undefined> => {
  const some = count(least, most)
  return {
    expected: `${some.expected}, or auto`,
    takes: `${some.takes}, or auto`,
    parse: (text) => (text.toLowerCase() === "auto" ? Option.some(undefined) : some.parse(text)),
  }
}

/** The same, or `none`. */
export const countOrNone = (least: number, most: number): Parser<number | undefined> => {
  const some = count(least, most)
  return {
    expected: `${some.expected}, or none`,
    takes: `${some.takes}, or none`,
    parse: (text) => (text.toLowerCase() === "none" ? Option.some(undefined) : some.parse(text)),
  }
}

/** The same, or `unlimited`. */
export const countOrUnlimited = (least: number, most: number): Parser<number> => {
  const some = count(least, most)
  return {
    expected: `${some.expected}, or unlimited`,
    takes: `${some.takes}, or unlimited`,
    parse: (text) =>
      text.toLowerCase() === "unlimited" ? Option.some(Number.POSITIVE_INFINITY) : some.parse(text),
  }
}

const units: ReadonlyArray<readonly [names: RegExp, millis: number]> = [
  [/^(ms|millis?|milliseconds?)$/, 1],
  [/^(s|secs?|seconds?)$/, 1_000],
  [/^(m|mins?|minutes?)$/, 60_000],
  [/^(h|hours?)$/, 3_600_000],
  [/^(d|days?)$/, 86_400_000],
]

const millisOf = (text: string): number | undefined => {
  const [, amount, unit] = /^(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]+)$/i.exec(text) ?? []
  const [, millis] = units.find(([names]) => names.test(unit?.toLowerCase() ?? "")) ?? []
  return amount === undefined || millis === undefined ? undefined : Number(amount) * millis
}

/** A number with its unit, in Effect's way (`5 minutes`, `100 millis`) or a shorter one (`5m`, `100ms`). */
export const duration = (
  least: Duration.DurationInput,
  most: Duration.DurationInput,
): Parser<Duration.Duration> => ({
  expected: `a duration such as 250ms, 30s or "5 minutes", from ${Duration.format(least)} to ${Duration.format(most)}`,
  takes: `a duration, ${Duration.format(least)} to ${Duration.format(most)}`,
  parse: (text) =>
    Option.fromNullable(millisOf(text)).pipe(
      Option.map(Duration.millis),
      Option.filter(Duration.between({ minimum: Duration.decode(least), maximum: Duration.decode(most) })),
    ),
})

/** One of some words, in any case. */
export const oneOf = <const A extends string>(...words: ReadonlyArray<A>): Parser<A> => ({
  expected: `one of ${words.join(", ")}`,
  takes: words.join(", "),
  parse: (text) => Option.fromNullable(words.find((word) => word.toLowerCase() === text.toLowerCase())),
})

/** Any words, as they are, spaces at their ends included; `none` for none. */
export const text: Parser<string> = {
  expected: "a text",
  takes: "a text",
  parse: (given) => Option.some(given.trim() === "none" ? "" : given),
  verbatim: true,
}

/** The same without them. */
export const name: Parser<string> = {
  expected: "a name",
  takes: "a name",
  parse: (given) => text.parse(given),
}

export const onOrOff: Parser<boolean> = {
  expected: "on or off",
  takes: "on, off",
  parse: (given) => Option.map(oneOf("on", "off").parse(given), (word) => word === "on"),
}

/** An address that is spoken to over HTTP. */
export const urlOrNone: Parser<string | undefined> = {
  expected: "an address that begins with http:// or https://, or none",
  takes: "a URL, or none",
  parse: (given) => {
    if (given === "none") return Option.some(undefined)
    const isHttp = URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)
    return isHttp ? Option.some(given) : Option.none()
  },
}

/** A path made absolute; a leading `~/` is the user's home, also where no shell expands it. */
export const path: Parser<string> = {
  expected: "a path",
  takes: "a path",
  isPath: true,
  parse: (text) =>
    text.includes("\0")
      ? Option.none()
      : Option.some(text === ":memory:" ? text : resolve(text.replace(/^~(?=$|\/)/, () => homedir()))),
}

export const isAbsolutePath = (text: string): boolean => isAbsolute(text)

/** How logs are written. */
export type LogFormat = "auto" | "pretty" | "logfmt" | "json"
export const logFormat: Parser<LogFormat> = oneOf("auto", "pretty", "logfmt", "json")

const levels = {
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  none: LogLevel.None,
}

const levelName = oneOf("trace", "debug", "info", "warning", "error", "none")

/** The least that is logged. */
export const logLevel: Parser<LogLevel.LogLevel> = {
  expected: levelName.expected,
  takes: levelName.takes,
  parse: (text) => Option.map(levelName.parse(text), (name) => levels[name]),
}

/** What makes the vectors: an offered model, or `fake`, which needs none and finds nothing by meaning. */
export type ModelName = Models.ModelName | "fake"
export const modelName: Parser<ModelName> = oneOf(...Models.ModelName.literals, "fake")

/** The same, or `none`. */
export const orNone = <A>(some: Parser<A>): Parser<A | undefined> => ({
  ...some,
  expected: `${some.expected}, or none`,
  takes: `${some.takes}, or none`,
  parse: (text) => (text.toLowerCase() === "none" ? Option.some(undefined) : some.parse(text)),
})

/** The address of a server: no more than its scheme, host, port and folder. */
export const address: Parser<string> = {
  expected: "an address such as https://matrix.example.org",
  takes: "http(s)://…",
  parse: (text) =>
    Option.filter(
      Option.some(text),
      (given) => /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/i.test(given) && URL.canParse(given),
    ),
}

/** What nobody may see: it is in no error and no log. */
export const secret: Parser<Redacted.Redacted> = {
  expected: "a secret without line breaks or other control characters",
  takes: "a secret",
  isSecret: true,
  parse: (text) => (/[\p{Cc}]/u.test(text) ? Option.none() : Option.some(Redacted.make(text))),
}

/** A text of some form. `what` completes "it must be …". */
export const textOf = (what: string, isGood: (text: string) => boolean): Parser<string> => ({
  expected: what,
  takes: what,
  parse: (text) => Option.filter(Option.some(text), isGood),
})

/** Several of them, between commas or white space; `none` for no one. */
export const listOf = (what: string, isGood: (entry: string) => boolean): Parser<ReadonlyArray<string>> => ({
  expected: `${what}, between commas, or none`,
  takes: what,
  parse: (text) => {
    const entries = text.split(/[\s,]+/).filter((entry) => entry !== "")
    return text.toLowerCase() === "none"
      ? Option.some([])
      : Option.filter(Option.some(entries), (all) => all.length > 0 && all.every(isGood))
  },
})
