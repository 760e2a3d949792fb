/**
 * Messages of JSON-RPC 2.0 as MCP has them, from text and to text. What comes is anybody's text: whatever is no message
 * is answered with the code that the protocol has for it, and never an exception.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** What a client calls its request; text or number, and answered as it came. */
export const Id = Schema.Union(Schema.String, Schema.Number.pipe(Schema.finite()))
export type Id = typeof Id.Type

/** What went wrong, in the words of the protocol. */
export interface Problem {
  readonly code: number
  readonly message: string
}

export const codes = {
  parse: -32_700,
  request: -32_600,
  method: -32_601,
  params: -32_602,
  internal: -32_603,
} as const

/** A request has an id, a notification has none. */
const Message = Schema.parseJson(
  Schema.Struct({
    jsonrpc: Schema.Literal("2.0"),
    id: Schema.optional(Id),
    method: Schema.optional(Schema.String),
    params: Schema.optional(Schema.Unknown),
  }),
)
export type Message = typeof Message.Type

const decode = Schema.decodeEither(Message)
const json = Schema.decodeOption(Schema.parseJson())
const identified = Schema.decodeUnknownOption(Schema.Struct({ id: Id }))

/** The message of a line; or what to answer, to whom as far as that can be told. */
export const read = (
  line: string,
): Either.Either<Message, { readonly id: Id | null; readonly problem: Problem }> =>
  Either.mapLeft(decode(line), () => {
    const value = json(line)
    if (Option.isNone(value)) {
      return { id: null, problem: { code: codes.parse, message: "this line is not JSON" } }
    }
    return {
      id: Option.match(identified(value.value), { onNone: () => null, onSome: ({ id }) => id }),
      problem: {
        code: codes.request,
        message: Array.isArray(value.value)
          ? "batches are not taken: send each message on a line of its own"
          : "this is no message of JSON-RPC 2.0: it takes jsonrpc, method and, for a request, an id that is text or a number",
      },
    }
  })

/** An answer as a line. */
export const result = (id: Id, value: unknown): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id, result: value ?? {} })}\n`

/** The answer that there is none, as a line. */
export const failure = (id: Id | null, problem: Problem): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id, error: problem })}\n`
