import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { covers } from "../../src/Domain/Chunk.js"
import * as Http from "../../src/Embedder/Http.js"
import { settle } from "../support.js"
import { cosine } from "./support.js"

/** What the server was asked. */
interface Asked {
  readonly path: string | undefined
  readonly authorization: string | undefined
  readonly body: {
    readonly model: string
    readonly input: ReadonlyArray<string>
    readonly dimensions?: number
  }
}

/** How the server answers a request. */
type Behaviour = (asked: Asked, response: ServerResponse, nth: number) => void

const bodyOf = async (request: IncomingMessage) => {
  const parts: Array<Buffer> = []
  for await (const part of request) parts.push(Buffer.from(part))
  return JSON.parse(Buffer.concat(parts).toString("utf8"))
}

/** A direction per length of the text; not of unit length, as some providers give them. */
const vectorOf = (text: string): ReadonlyArray<number> => [text.length, 3, 0, 1]

const base64 = (numbers: ReadonlyArray<number>) =>
  Buffer.from(new Uint8Array(Float32Array.from(numbers).buffer)).toString("base64")

const send = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(typeof body === "string" ? body : JSON.stringify(body))
}

const answer = ({ body }: Asked, response: ServerResponse) =>
  send(response, 200, {
    data: body.input.map((text, index) => ({ index, embedding: base64(vectorOf(text)) })),
  })

/** A server of that behaviour on this machine, for the scope. */
const serve = (behaviour: Behaviour) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly asked: ReadonlyArray<Asked>; readonly close: () => void }>(
      (resume) => {
        const asked: Array<Asked> = []
        const server = createServer((request, response) => {
          void bodyOf(request).then((body) => {
            const one = { path: request.url, authorization: request.headers.authorization, body }
            asked.push(one)
            behaviour(one, response, asked.length)
            return undefined
          })
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" ? address?.port : undefined
          const close = () => {
            server.closeAllConnections()
            server.close()
          }
          resume(Effect.succeed({ url: `http://127.0.0.1:${port}/v1`, asked, close }))
        })
      },
    ),
    ({ close }) => Effect.sync(close),
  )

const key = "sk-very-secret-1234"

const embedderAt = (url: string, options: Partial<Http.Options> = {}) =>
  Http.make({
    url,
    model: "some-model",
    key: Redacted.make(key),
    dimensions: 4,
    window: 64,
    batchSize: 4,
    concurrency: 2,
    ...options,
  }).pipe(Effect.provide(FetchHttpClient.layer))

const failureOf = (behaviour: Behaviour, texts: ReadonlyArray<string> = ["a"]) =>
  Effect.gen(function* () {
    const { url } = yield* serve(behaviour)
    const { generateEmbeddings } = yield* embedderAt(url)
    return yield* Effect.flip(generateEmbeddings(texts))
  })

describe("a provider over HTTP", () => {
  it.scopedLive("is asked in batches, with model and key, and answers in the order of the texts", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve(({ body }, response) =>
        send(response, 200, {
          // In another order, and once as numbers and once in base64.
          data: body.input
            .map((text, index) => ({
              index,
              embedding: index % 2 === 0 ? vectorOf(text) : base64(vectorOf(text)),
            }))
            .toReversed(),
        }),
      )
      const { dimensions, generateEmbeddings } = yield* embedderAt(`${url}/`)
      const texts = Array.from({ length: 10 }, (_, at) => "x".repeat(at + 1))
      const vectors = yield* generateEmbeddings(texts)
      assert.strictEqual(vectors.length, 10)
      for (const [at, vector] of vectors.entries()) {
        const expected = Float32Array.from(vectorOf(texts[at] ?? ""))
        assert.closeTo(cosine(vector, vector), 1, 1e-6)
        assert.closeTo(cosine(vector, expected), Math.sqrt(cosine(expected, expected)), 1e-5)
        assert.strictEqual(vector.length, dimensions)
      }
      assert.deepStrictEqual(asked.map(({ body }) => body.input.length).toSorted(), [2, 4, 4])
      for (const { authorization, body, path } of asked) {
        assert.deepStrictEqual([path, authorization], ["/v1/embeddings", `Bearer ${key}`])
        assert.strictEqual(body.model, "some-model")
        assert.isUndefined(body.dimensions)
      }
      assert.deepStrictEqual(yield* generateEmbeddings([]), [])
    }),
  )

  it.scopedLive("has as many requests in flight as it may, and a question goes beside them", () =>
    Effect.gen(function* () {
      const waiting: Array<() => void> = []
      const { asked, url } = yield* serve((one, response) => {
        if (one.body.input[0] === "question: q") answer(one, response)
        else waiting.push(() => answer(one, response))
      })
      const { embedQuery, generateEmbeddings } = yield* embedderAt(url, {
        batchSize: 1,
        queryPrefix: "question: ",
        passagePrefix: "passage: ",
      })
      const fiber = yield* Effect.fork(generateEmbeddings(["a", "b", "c"]))
      yield* Effect.repeat(settle, { until: () => asked.length === 2 })
      yield* embedQuery("q")
      assert.deepStrictEqual(
        asked.map(({ body }) => body.input[0]),
        ["passage: a", "passage: b", "question: q"],
      )
      while (waiting.length > 0 || asked.length < 4) {
        waiting.shift()?.()
        yield* settle
      }
      yield* Fiber.join(fiber)
    }),
  )

  it.scopedLive("halves a batch that is too large, down to the text that is", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve((one, response) =>
        one.body.input.length > 1 || one.body.input[0] === "huge"
          ? send(response, 413, { error: "too large" })
          : answer(one, response),
      )
      const { generateEmbeddings } = yield* embedderAt(url)
      assert.strictEqual((yield* generateEmbeddings(["a", "b", "c", "d"])).length, 4)
      assert.deepStrictEqual(
        asked.map(({ body }) => body.input.length),
        [4, 2, 1, 1, 2, 1, 1],
      )
      const error = yield* Effect.flip(generateEmbeddings(["a", "huge"]))
      assert.strictEqual(error.fault, "item")
      assert.include(error.reason, "413")
    }),
  )

  it.scoped("waits as long as it is asked to where that is short, and else tells the worker", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve((one, response, nth) =>
        nth === 1
          ? send(response, 429, {}, { "retry-after": "2" })
          : nth === 2
            ? send(response, 503, "")
            : nth === 3
              ? answer(one, response)
              : send(response, 429, { error: "slow down" }, { "retry-after": "90" }),
      )
      const { generateEmbeddings } = yield* embedderAt(url)
      const fiber = yield* Effect.fork(generateEmbeddings(["a"]))
      yield* Effect.repeat(settle, { until: () => asked.length === 1 })
      yield* settle
      yield* TestClock.adjust("1999 millis")
      yield* settle
      assert.strictEqual(asked.length, 1)
      while (asked.length < 3) {
        yield* TestClock.adjust("1 seconds")
        yield* settle
      }
      assert.strictEqual((yield* Fiber.join(fiber)).length, 1)

      const error = yield* Effect.flip(generateEmbeddings(["b"]))
      assert.strictEqual(asked.length, 4)
      assert.deepStrictEqual([error.fault, error.retryAfterMillis], ["provider", 90_000])
      assert.include(error.reason, "slow down")
    }),
  )

  it.scopedLive("says whose fault a failure is", () =>
    Effect.gen(function* () {
      const refused = (status: number) =>
        failureOf((_, response) => send(response, status, { error: { message: `the key ${key} is wrong` } }))
      for (const [status, fault] of [
        [400, "item"],
        [422, "item"],
        [401, "provider"],
        [403, "provider"],
        [404, "provider"],
        [418, "provider"],
      ] as const) {
        const error = yield* refused(status)
        assert.deepStrictEqual([status, error.fault], [status, fault])
        assert.include(error.reason, String(status))
        assert.notInclude(JSON.stringify(error) + String(error.stack), key)
      }
      assert.include((yield* refused(401)).reason, "EMBEDBOX_EMBEDDINGS_KEY")

      const given = (data: ReadonlyArray<unknown>) =>
        failureOf((_, response) => send(response, 200, { data }), ["a", "b"])
      const right = { index: 0, embedding: [1, 0, 0, 0] }
      for (const [data, fault] of [
        [[right], "provider"],
        [[right, right], "provider"],
        [[right, { index: 2, embedding: [1, 0, 0, 0] }], "provider"],
        [[right, { index: 1, embedding: [1, 0, 0] }], "provider"],
        [[right, { index: 1, embedding: "AAAA" }], "provider"],
        [[right, { index: 1, embedding: ["1", 0, 0, 0] }], "provider"],
        [[right, { index: 1, embedding: [0, 0, 0, 0] }], "item"],
      ] as const) {
        assert.strictEqual((yield* given(data)).fault, fault, JSON.stringify(data))
      }
      assert.strictEqual((yield* failureOf((_, response) => send(response, 200, "<html>"))).fault, "provider")
    }),
  )

  it.scoped("who cannot be reached or does not answer in time is at fault, and no log has the key", () =>
    Effect.gen(function* () {
      const logged: Array<string> = []
      const spy = Logger.replace(
        Logger.defaultLogger,
        Logger.make((entry) => void logged.push(Logger.logfmtLogger.log(entry))),
      )
      yield* Effect.gen(function* () {
        const { asked, close, url } = yield* serve(() => {})
        const { generateEmbedding } = yield* embedderAt(url)
        const fiber = yield* Effect.fork(Effect.flip(generateEmbedding("a")))
        for (let nth = 1; nth <= 3; nth++) {
          yield* Effect.repeat(settle, { until: () => asked.length === nth })
          yield* TestClock.adjust("1 minutes")
          yield* settle
          yield* TestClock.adjust("1 seconds")
        }
        const late = yield* Fiber.join(fiber)
        assert.include(late.reason, "in time")
        close()
        const gone = yield* Effect.fork(Effect.flip(generateEmbedding("a")))
        yield* Effect.repeat(Effect.zipRight(settle, TestClock.adjust("1 seconds")), {
          until: () => gone.unsafePoll() !== null,
        })
        const error = yield* Fiber.join(gone)
        assert.strictEqual(error.fault, "provider")
        assert.include(error.reason, "could not be reached")
        yield* Effect.logError("it failed", error)
      }).pipe(Effect.provide(spy))
      assert.isAbove(logged.length, 0)
      assert.notInclude(logged.join("\n"), key)
    }),
  )

  it.scopedLive(
    "cuts text by its bytes, asks for shorter vectors where told, and takes long questions apart",
    () =>
      Effect.gen(function* () {
        const { asked, url } = yield* serve(answer)
        const { embedQuery, split } = yield* embedderAt(url, { shorten: true })
        const passage = { title: "Bread", text: "flour and water ".repeat(100) }
        const [pieces = []] = yield* split([passage])
        const texts = pieces.map(({ end, start }) => ({ start, text: passage.text.slice(start, end) }))
        assert.isTrue(covers(texts, passage.text))
        for (const { text } of texts) assert.isAtMost(Buffer.byteLength(text), 64 * 3)
        const [chinese = []] = yield* split([{ title: "", text: "面包和水".repeat(100) }])
        for (const { end, start } of chinese) assert.isAtMost(end - start, 64)
        yield* embedQuery("how ".repeat(200))
        assert.isAbove(asked.flatMap(({ body }) => body.input).length, 1)
        assert.strictEqual(asked[0]?.body.dimensions, 4)
      }),
  )

  it.effect("another model, prefix or window is another vector space", () =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach(
        [{}, { model: "other" }, { dimensions: 8 }, { passagePrefix: "passage: " }, { window: 128 }],
        (options) => Effect.map(embedderAt("http://localhost/v1", options), ({ fingerprint }) => fingerprint),
      )
      assert.strictEqual(new Set(all).size, all.length)
      const moved = yield* embedderAt("http://elsewhere/v1", { queryPrefix: "q: " })
      assert.strictEqual(moved.fingerprint, all[0])
    }),
  )
})
