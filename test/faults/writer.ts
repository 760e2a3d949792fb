/**
 * A client that creates notes until the database refuses some, and says on standard output, line by line and at once,
 * what it was told: `kept <id>` or `refused <trouble> <reason>`. Run by `fileSize.test.ts` under a limit.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Logger from "effect/Logger"
import { writeSync } from "node:fs"
import { EntityService } from "../../src/EntityService.js"
import { system } from "../support.js"

const [, , filename = ""] = process.argv

const say = (line: string) => Effect.sync(() => void writeSync(1, `${line}\n`))

/** About three pages of the file. */
const textOf = (id: string) => `${id} ${"some words of a note ".repeat(400)}`

const most = 2_000

const main = Effect.gen(function* () {
  const service = yield* EntityService
  let [next, refused] = [0, 0]
  const writer = Effect.gen(function* () {
    while (next < most && refused < 20) {
      const id = `w${next++}`
      const told = yield* Effect.either(service.createEntity({ id, content: textOf(id) }))
      if (Either.isRight(told)) yield* say(`kept ${id}`)
      else {
        refused++
        yield* say(
          `refused ${told.left._tag === "StorageError" ? told.left.trouble : "-"} ${told.left.message}`,
        )
      }
    }
  })
  yield* Effect.all([writer, writer, writer, writer], { concurrency: "unbounded" })
  // What is there can still be read by the one who could not write.
  const readable = yield* service.getEntity("w0")
  yield* say(`read ${readable.id}`)
})

await Effect.runPromise(
  main.pipe(
    Effect.provide(system({ filename })),
    Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
  ),
)
writeSync(1, "done\n")
