/**
 * The way between a client's two pipes and `@effect/ai`'s server. That package has one of its own, which cannot be used:
 * there a line that is no JSON stays in the buffer and spoils all that follow, a character that lies across two pieces is
 * broken, ids that are text are lost, `arguments` must be given, and the end of standard input cuts off what is in work.
 * Here a bad line is answered and forgotten; requests have numbers of our own towards the server and their own ids
 * towards the client; as many are in work as may be, and no more are read meanwhile; and when the client has hung up, what
 * it asked for is done to its end before the server goes.
 */
import * as McpSchema from "@effect/ai/McpSchema"
import type { FromServerEncoded } from "@effect/rpc/RpcMessage"
import * as RpcServer from "@effect/rpc/RpcServer"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as JsonRpc from "./JsonRpc.js"
import * as Lines from "./Lines.js"

/** The two pipes. */
export interface Pipes {
  readonly input: Stream.Stream<Uint8Array, unknown>
  /** Answers whether somebody still listens. */
  readonly output: (text: string) => Effect.Effect<boolean>
}

/** A request in work. */
interface Waiting {
  readonly id: JsonRpc.Id
  readonly method: string
}

export interface Options {
  /** Longest line, in UTF-16 units: a note of the greatest length, each character of it escaped. */
  readonly mostLine: number
  /** Requests in work at a time. */
  readonly mostRequests: number
  /** How long what is in work may take when the client has hung up. */
  readonly drain: Duration.DurationInput
  /** What the assistant is told of the whole, when the conversation begins: the package's server has no word for it. */
  readonly instructions: string
}

export const defaults: Omit<Options, "instructions"> = {
  mostLine: 32 * 1024 * 1024,
  mostRequests: 64,
  drain: "10 seconds",
}

/** There is one client, whose pipes these are. */
const client = 0

const TypedFailure = Schema.Struct({
  error: Schema.Struct({ code: Schema.Int, message: Schema.String }),
})
const typedFailure = Schema.decodeUnknownOption(TypedFailure)

type Exit = Extract<FromServerEncoded, { readonly _tag: "Exit" }>["exit"]

/** How a request ended, as the client is told. */
const problemOf = (exit: Extract<Exit, { readonly _tag: "Failure" }>): JsonRpc.Problem => {
  const { cause } = exit
  const typed = typedFailure(cause)
  if (Option.isSome(typed)) return typed.value.error
  // Of parameters that do not fit, the server says so in words; whatever else it says is nobody's fault but ours.
  return cause._tag === "Die" && typeof cause.defect === "string"
    ? { code: JsonRpc.codes.params, message: cause.defect.replace(/\s*└─\s*/gu, ": ") }
    : { code: JsonRpc.codes.internal, message: "something went wrong in the server; its log says what" }
}

/** Parameters as the server takes them: what may be left out by the protocol is not missed. */
const paramsOf = (method: string, params: unknown): unknown =>
  method === "tools/call" && Predicate.isRecord(params)
    ? { ...params, arguments: params["arguments"] ?? {} }
    : params

/** The protocol for the server, and the end of the conversation. */
export const make = (pipes: Pipes, options: Options) =>
  Effect.gen(function* () {
    /** Requests in work: our number, and what the client asked. */
    const waiting = new Map<string, Waiting>()
    let count = 0
    const room = yield* Effect.makeSemaphore(options.mostRequests)
    const idle = yield* Effect.makeLatch(true)
    const ended = yield* Deferred.make<void>()

    const gone = yield* Deferred.make<void>()

    /** When nobody hears any more there is nothing more to hear either. */
    const say = (line: string) =>
      Effect.flatMap(pipes.output(line), (heard) =>
        heard ? Effect.void : Effect.asVoid(Deferred.succeed(gone, undefined)),
      )

    /** Takes a request off the list, if it is still there. */
    const settle = (number: string) =>
      Effect.suspend(() =>
        waiting.delete(number)
          ? Effect.zipRight(room.release(1), waiting.size === 0 ? idle.open : Effect.void)
          : Effect.void,
      )

    const withInstructions = (method: string, value: unknown) =>
      method === "initialize" && Predicate.isRecord(value)
        ? { ...value, instructions: options.instructions }
        : value

    const answer = (number: string, exit: Exit) =>
      Effect.suspend(() => {
        const asked = waiting.get(number)
        if (asked === undefined) return Effect.void
        const { id, method } = asked
        const line =
          exit._tag === "Success"
            ? JsonRpc.result(id, withInstructions(method, exit.value))
            : JsonRpc.failure(id, problemOf(exit))
        // Not before it is said: it is what the end waits for.
        return Effect.ensuring(say(line), settle(number))
      })

    const numberOf = (id: unknown) => [...waiting].find(([, known]) => known.id === id)?.[0]

    const protocol = yield* RpcServer.Protocol.make((forward) =>
      Effect.gen(function* () {
        const ask = (id: JsonRpc.Id, method: string, params: unknown) =>
          Effect.gen(function* () {
            if (numberOf(id) !== undefined) {
              return yield* say(
                JsonRpc.failure(id, {
                  code: JsonRpc.codes.request,
                  message: "a request with this id is in work: use another for each",
                }),
              )
            }
            yield* room.take(1)
            const number = `${++count}`
            waiting.set(number, { id, method })
            yield* idle.close
            yield* forward(client, {
              _tag: "Request",
              id: number,
              tag: method,
              payload: paramsOf(method, params),
              headers: [],
            })
          })

        const cancel = (params: unknown) =>
          Effect.gen(function* () {
            const number = Predicate.hasProperty(params, "requestId") ? numberOf(params.requestId) : undefined
            if (number === undefined) return
            // Who cancels wants no answer.
            yield* settle(number)
            yield* forward(client, { _tag: "Interrupt", requestId: number })
          })

        const hear = ({ id, method, params }: JsonRpc.Message) => {
          // An answer to what was never asked.
          if (method === undefined) return Effect.void
          if (id === undefined) {
            return method === "notifications/cancelled" ? cancel(params) : Effect.void
          }
          return McpSchema.ClientRequestRpcs.requests.has(method)
            ? ask(id, method, params)
            : say(
                JsonRpc.failure(id, {
                  code: JsonRpc.codes.method,
                  message: `there is no method ${method.slice(0, 100)}`,
                }),
              )
        }

        const hearLine = (line: Lines.Line) => {
          if ("tooLong" in line) {
            return say(
              JsonRpc.failure(null, {
                code: JsonRpc.codes.request,
                message: `a message may have at most ${options.mostLine} characters`,
              }),
            )
          }
          if (line.text.trim() === "") return Effect.void
          return Either.match(JsonRpc.read(line.text), {
            onLeft: ({ id, problem }) => say(JsonRpc.failure(id, problem)),
            onRight: hear,
          })
        }

        const hangUp = idle.await.pipe(
          Effect.timeoutOption(options.drain),
          Effect.zipRight(Deferred.succeed(ended, undefined)),
        )

        yield* Lines.of(pipes.input, options.mostLine).pipe(
          Stream.interruptWhenDeferred(gone),
          Stream.runForEach(hearLine),
          Effect.catchAll((error) => Effect.logWarning("standard input cannot be read", error)),
          Effect.zipRight(hangUp),
          Effect.forkScoped,
        )

        return {
          disconnects: yield* Mailbox.make<number>(),
          send: (_, message) =>
            message._tag !== "Exit"
              ? Effect.logDebug("a message that nobody waits for", message._tag)
              : answer(message.requestId, message.exit),
          end: () => Effect.void,
          clientIds: Effect.succeed(new Set([client])),
          initialMessage: Effect.succeedNone,
          supportsAck: false,
          supportsTransferables: false,
          supportsSpanPropagation: false,
        }
      }),
    )

    return { protocol, ended: Deferred.await(ended) }
  })
