import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { createHash } from "node:crypto"
import { createServer, type ServerResponse } from "node:http"
import * as Archive from "../../src/Embedder/Archive.js"
import { settle } from "../support.js"
import { files, quiet, temporaryFolder } from "./support.js"

const whole = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7_919) % 251))
const md5 = createHash("md5").update(whole).digest("base64")

/** Answers the nth request. */
type Behaviour = (nth: number, response: ServerResponse, range: string | undefined) => void

const serve = (behaviour: Behaviour) =>
  Effect.acquireRelease(
    Effect.async<{
      readonly url: string
      readonly ranges: ReadonlyArray<string | undefined>
      readonly close: () => void
    }>((resume) => {
      const ranges: Array<string | undefined> = []
      const server = createServer((request, response) => {
        const { "if-range": condition, range } = request.headers
        // The condition is what makes it safe to ask for a rest.
        const asked = condition === '"one"' ? range : undefined
        ranges.push(range)
        behaviour(ranges.length, response, asked)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? address?.port : undefined
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}/model.tar.gz`, ranges, close }))
      })
    }),
    ({ close }) => Effect.sync(close),
  )

const give = (response: ServerResponse, range: string | undefined, headers: Record<string, string> = {}) => {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0)
  response.writeHead(from === 0 ? 200 : 206, {
    etag: '"one"',
    "content-length": String(whole.length - from),
    "x-goog-hash": `crc32c=AAAAAA==,md5=${md5}`,
    ...(from === 0 ? {} : { "content-range": `bytes ${from}-${whole.length - 1}/${whole.length}` }),
    ...headers,
  })
  response.end(whole.subarray(from))
}

/** Sends the beginning and hangs up. */
const breakOff = (response: ServerResponse, length: number) => {
  response.writeHead(200, { etag: '"one"', "content-length": String(whole.length) })
  response.write(whole.subarray(0, length), () => response.socket?.destroy())
}

const download = (url: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const folder = yield* temporaryFolder
    return { folder, url, file: path.join(folder, "model.tar.gz"), part: path.join(folder, ".part") }
  })

/** Runs it while time passes, so that it tries again. */
const patiently = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* Effect.repeat(Effect.zipRight(settle, TestClock.adjust("500 millis")), {
      until: () => fiber.unsafePoll() !== null,
    })
    return yield* Fiber.join(fiber)
  })

const environment = Layer.mergeAll(files, FetchHttpClient.layer, quiet)

layer(environment)("Archive", (it) => {
  it.scoped("goes on where a connection broke off, and leaves the whole file and nothing else", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { ranges, url } = yield* serve((nth, response, range) =>
        nth === 1 ? breakOff(response, 100_000) : give(response, range),
      )
      const { file, folder, part } = yield* download(url)
      yield* patiently(Archive.fetch({ url, file, part }))
      assert.isTrue(whole.equals(yield* fs.readFile(file)))
      assert.deepStrictEqual(yield* fs.readDirectory(folder), ["model.tar.gz"])
      assert.isUndefined(ranges[0])
      assert.match(ranges[1] ?? "", /^bytes=[1-9]\d*-$/)
    }),
  )

  it.scoped("a later process goes on with what an earlier one left", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { ranges, url } = yield* serve((_, response, range) => give(response, range))
      const { file, part } = yield* download(url)
      yield* fs.writeFile(part, whole.subarray(0, 250_000))
      yield* fs.writeFileString(`${part}.etag`, '"one"')
      yield* Archive.fetch({ url, file, part })
      assert.deepStrictEqual(ranges, ["bytes=250000-"])
      assert.isTrue(whole.equals(yield* fs.readFile(file)))
    }),
  )

  it.scoped("begins anew when it is another file by now, or nobody can say", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      for (const etag of ['"another"', ""]) {
        const { url } = yield* serve((_, response, range) => give(response, range))
        const { file, part } = yield* download(url)
        yield* fs.writeFile(part, new Uint8Array(1_000))
        yield* fs.writeFileString(`${part}.etag`, etag)
        yield* Archive.fetch({ url, file, part })
        assert.isTrue(whole.equals(yield* fs.readFile(file)))
      }
    }),
  )

  it.scoped("a file that is not what the server says it is, is thrown away", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { url } = yield* serve((_, response, range) =>
        give(response, range, { "x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA==" }),
      )
      const { file, folder, part } = yield* download(url)
      const error = yield* Effect.flip(Archive.fetch({ url, file, part }))
      assert.include(error.reason, "damaged")
      assert.deepStrictEqual(yield* fs.readDirectory(folder), [])
    }),
  )

  it.scoped("a refusal is final, and a server in trouble is asked again a few times", () =>
    Effect.gen(function* () {
      for (const [status, times] of [
        [404, 1],
        [503, 5],
      ] as const) {
        const { ranges, url } = yield* serve((_, response) => response.writeHead(status).end())
        const { file, part } = yield* download(url)
        const error = yield* patiently(Effect.flip(Archive.fetch({ url, file, part })))
        assert.deepStrictEqual([error.reason, ranges.length], [`HTTP ${status}`, times])
      }
    }),
  )

  it.scoped("tells the system's code of a server that is not there", () =>
    Effect.gen(function* () {
      const { close, url } = yield* serve(() => {})
      close()
      const { file, part } = yield* download(url)
      const error = yield* patiently(Effect.flip(Archive.fetch({ url, file, part })))
      assert.strictEqual(Reflect.get(Object(error.cause), "code"), "ECONNREFUSED")
    }),
  )
})
