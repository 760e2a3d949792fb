/**
 * `--meta key=value`, as people write it. The value is read as JSON where it is a number, true, false or null, and as text
 * otherwise; in quotes it is text whatever it looks like.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Scalar } from "../Domain/Search.js"

export interface Pair {
  readonly key: string
  readonly value: Scalar
}

const Value = Schema.parseJson(Schema.Union(Schema.String, Schema.Finite, Schema.Boolean, Schema.Null))

const decode = Schema.decodeEither(Value)

/** `key=value`; keys may have dots and blanks, but no `=`. */
export const Pair: Schema.Schema<Pair, string> = Schema.transformOrFail(
  Schema.String,
  Schema.Struct({
    key: Schema.String,
    value: Schema.Union(Schema.String, Schema.Finite, Schema.Boolean, Schema.Null),
  }),
  {
    strict: true,
    decode: (word, _, ast) => {
      const at = word.indexOf("=")
      const text = word.slice(at + 1)
      return at < 1
        ? ParseResult.fail(new ParseResult.Type(ast, word, "--meta takes key=value"))
        : ParseResult.succeed({ key: word.slice(0, at), value: Either.getOrElse(decode(text), () => text) })
    },
    encode: ({ key, value }) => ParseResult.succeed(`${key}=${JSON.stringify(value)}`),
  },
)

/** As a filter takes them; of two with the same key the last one counts. */
export const toFilter = (pairs: ReadonlyArray<Pair>): { readonly [key: string]: Scalar } =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]))
