/**
 * The client-server API, as much as the bot needs of it: one function per endpoint, each with the access token that it
 * is to bear. Nothing is remembered or tried again here. Ids are percent-encoded, answers are checked by Schema, and
 * whatever goes wrong is a `MatrixError`.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Request from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { MatrixError } from "./Errors.js"
import * as Events from "./Events.js"
import type { Mxc } from "./Ids.js"
import type { Content } from "./Message.js"

type Token = Redacted.Redacted

/** How long an answer may take, beyond the time for which the homeserver was asked to wait. */
const patience = Duration.seconds(30)

/** The same for a file. */
const patienceForFiles = Duration.minutes(2)

const segment = encodeURIComponent

const room = (roomId: string) => `/_matrix/client/v3/rooms/${segment(roomId)}`

/** Delta seconds or a date, as HTTP has it. Nothing where it is neither. */
export const retryAfterOf = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

/** Why there was no answer at all, from the bottom of what `fetch` throws. */
const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  if (cause.cause !== undefined && cause.cause !== cause) return reasonOf(cause.cause)
  return Predicate.hasProperty(cause, "code") ? String(cause.code) : cause.message
}

/** A file, and what its server calls it. */
export type Bytes = Uint8Array

export const make = (homeserver: string) =>
  Effect.gen(function* () {
    const base = homeserver.replace(/\/+$/, "")
    const http = (yield* HttpClient.HttpClient).pipe(
      // The homeserver has no use for our spans.
      HttpClient.withTracerPropagation(false),
      HttpClient.withTracerDisabledWhen(() => true),
    )

    const silence = (request: string) => (error: HttpClientError.HttpClientError) =>
      new MatrixError({
        request,
        status: 0,
        errcode: null,
        reason: error._tag === "RequestError" ? reasonOf(error.cause ?? error) : error.reason,
        retryAfterMillis: null,
      })

    const refusalOf = (request: string, response: HttpClientResponse.HttpClientResponse) =>
      Effect.gen(function* () {
        const said = yield* Effect.option(Effect.flatMap(response.json, Schema.decodeUnknown(Events.Refusal)))
        const now = yield* Clock.currentTimeMillis
        const refusal = Option.getOrUndefined(said)
        return yield* new MatrixError({
          request,
          status: response.status,
          errcode: refusal?.errcode ?? null,
          reason: refusal?.error ?? "",
          // The specification prefers the header over the member, which is the older way.
          retryAfterMillis:
            retryAfterOf(response.headers["retry-after"], now) ?? refusal?.retry_after_ms ?? null,
        })
      })

    /** What `read` makes of the answer, within the time. */
    const ask = <A>(
      name: string,
      request: Request.HttpClientRequest,
      token: Token | undefined,
      read: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<A, MatrixError>,
      within: Duration.Duration = patience,
    ): Effect.Effect<A, MatrixError> =>
      http
        .execute(
          request.pipe(
            Request.prependUrl(base),
            Request.acceptJson,
            token === undefined ? (same) => same : Request.bearerToken(token),
          ),
        )
        .pipe(
          Effect.mapError(silence(name)),
          Effect.flatMap((response) =>
            response.status >= 200 && response.status < 300 ? read(response) : refusalOf(name, response),
          ),
          Effect.timeoutFail({
            duration: within,
            onTimeout: () =>
              new MatrixError({
                request: name,
                status: 0,
                errcode: null,
                reason: `no answer within ${Duration.format(within)}`,
                retryAfterMillis: null,
              }),
          }),
        )

    const asJson =
      <A, I>(name: string, schema: Schema.Schema<A, I>) =>
      (response: HttpClientResponse.HttpClientResponse) =>
        Effect.mapError(
          Effect.flatMap(response.json, Schema.decodeUnknown(schema)),
          (error) =>
            new MatrixError({
              request: name,
              status: response.status,
              errcode: null,
              // Not the answer itself: it may hold a token.
              reason: `the answer is not what Matrix has (${error._tag})`,
              retryAfterMillis: null,
            }),
        )

    const json = <A, I>(
      name: string,
      request: Request.HttpClientRequest,
      token: Token | undefined,
      schema: Schema.Schema<A, I>,
      within?: Duration.Duration,
    ) => ask(name, request, token, asJson(name, schema), within)

    /** Nothing in the answer matters; it is read all the same, or its connection would stay taken. */
    const isThere = (response: HttpClientResponse.HttpClientResponse) => Effect.ignore(response.text)

    const fileOf =
      (name: string, most: number) =>
      (response: HttpClientResponse.HttpClientResponse): Effect.Effect<Bytes | "too large", MatrixError> =>
        Number(response.headers["content-length"] ?? 0) > most
          ? Effect.succeed("too large")
          : response.stream.pipe(
              // One chunk more than is taken shows that there is too much, and the rest is not fetched.
              Stream.mapAccum(0, (before, chunk) => [before + chunk.byteLength, [before, chunk] as const]),
              Stream.takeUntil(([before, chunk]) => before + chunk.byteLength > most),
              Stream.runCollect,
              Effect.mapError(silence(name)),
              Effect.map((chunks) => {
                const all = Buffer.concat(Array.from(chunks, ([, chunk]) => chunk))
                return all.byteLength > most ? "too large" : all
              }),
            )

    return {
      /** Signs in with a password, on the device that is named. */
      login: (user: string, password: Redacted.Redacted, deviceId: string) =>
        json(
          "login",
          Request.post("/_matrix/client/v3/login").pipe(
            Request.bodyUnsafeJson({
              type: "m.login.password",
              identifier: { type: "m.id.user", user },
              password: Redacted.value(password),
              device_id: deviceId,
              initial_device_display_name: "Embedbox",
            }),
          ),
          undefined,
          Events.LoggedIn,
        ),

      /** Whose token it is. */
      whoAmI: (token: Token) =>
        json("whoami", Request.get("/_matrix/client/v3/account/whoami"), token, Events.WhoAmI),

      /** What happened since; waits up to `wait` where nothing did. */
      sync: (
        token: Token,
        {
          filter,
          since,
          wait,
        }: { readonly since: string | undefined; readonly wait: Duration.Duration; readonly filter: object },
      ) =>
        json(
          "sync",
          Request.get("/_matrix/client/v3/sync").pipe(
            Request.setUrlParams({
              filter: JSON.stringify(filter),
              timeout: String(Duration.toMillis(wait)),
              ...(since === undefined ? {} : { since }),
            }),
          ),
          token,
          Events.Sync,
          // The first answer of a large account takes long.
          Duration.sum(wait, since === undefined ? Duration.minutes(5) : patience),
        ),

      /** A page of what was said before `from`, newest first, at most back to `to`. */
      messages: (token: Token, roomId: string, from: string, to: string | undefined, filter: object) =>
        json(
          "messages",
          Request.get(`${room(roomId)}/messages`).pipe(
            Request.setUrlParams({
              dir: "b",
              limit: "100",
              from,
              filter: JSON.stringify(filter),
              ...(to === undefined ? {} : { to }),
            }),
          ),
          token,
          Events.Messages,
        ),

      event: (token: Token, roomId: string, eventId: string) =>
        json(
          "event",
          Request.get(`${room(roomId)}/event/${segment(eventId)}`),
          token,
          Schema.Struct({ ...Events.RoomEvent.fields, room_id: Schema.optional(Schema.String) }),
        ),

      /** Sends a message. The same transaction id, on the same device, is the same message. */
      send: (token: Token, roomId: string, txnId: string, content: Content) =>
        json(
          "send",
          Request.put(`${room(roomId)}/send/m.room.message/${segment(txnId)}`).pipe(
            Request.bodyUnsafeJson(content),
          ),
          token,
          Events.Sent,
        ),

      join: (token: Token, roomId: string) =>
        ask("join", Request.post(`${room(roomId)}/join`).pipe(Request.bodyUnsafeJson({})), token, isThere),

      leave: (token: Token, roomId: string) =>
        ask("leave", Request.post(`${room(roomId)}/leave`).pipe(Request.bodyUnsafeJson({})), token, isThere),

      joinedMembers: (token: Token, roomId: string) =>
        json("joined_members", Request.get(`${room(roomId)}/joined_members`), token, Events.JoinedMembers),

      displayName: (token: Token, userId: string) =>
        json(
          "profile",
          Request.get(`/_matrix/client/v3/profile/${segment(userId)}/displayname`),
          token,
          Events.Profile,
        ),

      /** A file, or word that it has more than `most` bytes. Servers before v1.11 have it elsewhere. */
      download: (token: Token, { media, server }: Mxc, most: number) => {
        const at = (path: string) =>
          ask(
            "download",
            Request.get(`${path}/${segment(server)}/${segment(media)}`),
            token,
            fileOf("download", most),
            patienceForFiles,
          )
        return Effect.catchIf(
          at("/_matrix/client/v1/media/download"),
          (error) => error.isUnknownEndpoint,
          () => at("/_matrix/media/v3/download"),
        )
      },
    }
  })

export type Client = Effect.Effect.Success<ReturnType<typeof make>>

/** The HTTP client that the interface runs on. */
export const http = FetchHttpClient.layer
