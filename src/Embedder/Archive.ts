/**
 * Brings a large file here over HTTP, and only whole. What has come stays on the disk under a name of its own, so that a
 * connection that breaks, or a process that ends, costs no more than what was on its way: the next try asks for the
 * rest, under the condition that the file is still the same one. The end is held against the length and, where the
 * server tells it (as Google's storage does), the MD5 of the whole.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"

/** It did not come whole. `cause` is the innermost error, with the system's code where it has one. */
export class ArchiveError extends Schema.TaggedError<ArchiveError>()("ArchiveError", {
  reason: Schema.String,
  /** What was got stays, and trying again goes on from there. */
  resumable: Schema.Boolean,
  cause: Schema.optionalWith(Schema.Defect, { exact: true }),
}) {
  override get message() {
    return this.reason
  }
}

/** How long nothing may come. */
const silence = Duration.seconds(60)
/** How often progress is told. */
const progressEvery = Duration.seconds(5)

const retries = Schedule.exponential("1 second").pipe(Schedule.intersect(Schedule.recurs(4)))

const innermost = (error: unknown): unknown =>
  Predicate.hasProperty(error, "cause") && error.cause instanceof Error ? innermost(error.cause) : error

const brokenOff = (error: unknown) => {
  const cause = innermost(error)
  return new ArchiveError({
    reason: cause instanceof Error ? cause.message : String(cause),
    resumable: true,
    cause,
  })
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`

/** How much of the file there is in all, and where this answer begins; nothing when it is no part of the file. */
const extentOf = ({ headers, status }: HttpClientResponse, have: number) => {
  if (status === 200) {
    const length = Number(headers["content-length"])
    return { from: 0, total: Number.isInteger(length) ? length : undefined }
  }
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers["content-range"] ?? "") ?? []
  return status === 206 && Number(from) === have ? { from: have, total: Number(total) } : undefined
}

const md5Of = ({ headers }: HttpClientResponse): string | undefined =>
  /md5=([^,\s]+)/.exec(headers["x-goog-hash"] ?? "")?.[1]

/**
 * Fetches `url` into `file`. Until it is whole it lies in `part`; whoever calls sees to it that he is the only one.
 */
export const fetch = (options: {
  readonly url: string
  readonly file: string
  readonly part: string
}): Effect.Effect<void, ArchiveError, HttpClient.HttpClient | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const client = yield* HttpClient.HttpClient
    const { file, part, url } = options
    const etagFile = `${part}.etag`

    const forget = Effect.forEach([part, etagFile], (name) => fs.remove(name, { force: true }), {
      discard: true,
    })
    const begun = Effect.all({
      size: Effect.map(fs.stat(part), ({ size }) => Number(size)),
      etag: fs.readFileString(etagFile),
    }).pipe(Effect.orElseSucceed(() => ({ size: 0, etag: "" })))

    const progress = (from: number, total: number | undefined) =>
      Effect.gen(function* () {
        let have = from
        let told = yield* Clock.currentTimeMillis
        return (bytes: Uint8Array) =>
          Effect.gen(function* () {
            have += bytes.length
            const now = yield* Clock.currentTimeMillis
            if (now - told < Duration.toMillis(progressEvery)) return
            told = now
            const share =
              total === undefined ? "" : ` of ${megabytes(total)} (${Math.floor((100 * have) / total)} %)`
            yield* Effect.logInfo(`downloading: ${megabytes(have)}${share}`).pipe(
              Effect.annotateLogs({ url }),
            )
          })
      })

    const checkSum = (expected: string) =>
      Effect.gen(function* () {
        const hash = yield* Stream.runFold(
          fs.stream(part, { chunkSize: 1 << 20 }),
          createHash("md5"),
          (hash, bytes) => hash.update(bytes),
        )
        if (hash.digest("base64") === expected) return
        yield* forget
        yield* new ArchiveError({ reason: "it came damaged (its MD5 is another)", resumable: false })
      })

    const attempt = Effect.gen(function* () {
      const { etag, size } = yield* begun
      const rest = size > 0 && etag !== "" ? { range: `bytes=${size}-`, "if-range": etag } : {}
      const response = yield* client.execute(
        HttpClientRequest.get(url).pipe(
          // What is counted are the bytes of the file.
          HttpClientRequest.setHeaders({ "accept-encoding": "identity", ...rest }),
        ),
      )
      const extent = extentOf(response, size)
      if (extent === undefined) {
        // An answer that does not fit what is here: begin anew.
        if (response.status === 206 || response.status === 416) yield* forget
        return yield* new ArchiveError({
          reason: `HTTP ${response.status}`,
          resumable: response.status === 206 || response.status === 416 || response.status >= 500,
        })
      }
      const { from, total } = extent
      if (from === 0) yield* fs.writeFile(part, new Uint8Array())
      yield* fs.writeFileString(etagFile, response.headers["etag"] ?? "")
      if (from > 0) yield* Effect.logInfo(`going on with a download after ${megabytes(from)}`)
      const tell = yield* progress(from, total)
      yield* response.stream.pipe(
        Stream.timeoutFail(() => brokenOff(new Error("nothing came for a minute")), silence),
        Stream.tap(tell),
        Stream.run(fs.sink(part, { flag: "a" })),
      )
      const { size: got } = yield* fs.stat(part)
      if (total !== undefined && Number(got) !== total) {
        return yield* brokenOff(new Error(`${got} of ${total} bytes came`))
      }
      const md5 = md5Of(response)
      if (md5 !== undefined) yield* checkSum(md5)
      yield* fs.rename(part, file)
      yield* forget
    }).pipe(
      Effect.scoped,
      Effect.catchTags({
        RequestError: (error) => brokenOff(error),
        ResponseError: (error) => brokenOff(error),
        SystemError: (error) =>
          new ArchiveError({ reason: error.message, resumable: false, cause: innermost(error) }),
        BadArgument: (error) => new ArchiveError({ reason: error.message, resumable: false, cause: error }),
      }),
    )

    yield* Effect.retry(attempt, { schedule: retries, while: ({ resumable }) => resumable })
  })
