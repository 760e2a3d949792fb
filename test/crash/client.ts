/**
 * One client of the crash harness: writes through `EntityService` as fast as it is let, in several fibers, until it is
 * killed, and logs each operation before it begins and after it was acknowledged. Lines go to the file at once (a
 * synchronous write): what is in the page cache survives `kill -9`. It also reads what it wrote and says when that is
 * not there. It ends by itself when its standard input does, so that none outlives the harness.
 *
 * `client.ts <database> <log> <name> <seed>`
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import { EntityService } from "../../src/EntityService.js"
import { system } from "../support.js"
import { type Kind, type Line, now, textOf } from "./Log.js"
import * as Random from "../support/Random.js"

const [database = "", log = "", client = "", seed = "0"] = process.argv.slice(2)

// Enough of them that creates meet in one commit.
const fibers = 6
/** Keys of each fiber's own, and those that all clients fight over. */
const ownKeys = 15
/** Entities of one bulk create. */
const bulk = 5
const sharedKeys = 8

const file = Fs.openSync(log, "a")
const say = (line: Line) => Effect.sync(() => void Fs.writeSync(file, `${JSON.stringify(line)}\n`))

type Call = "create" | "createSync" | "upsert" | "update" | "patch" | "delete"
const calls: ReadonlyArray<Call | "createMany"> = [
  ...(["create", "create", "create", "createMany", "createSync", "upsert", "upsert", "upsert"] as const),
  ...(["update", "update", "patch", "delete", "delete"] as const),
]
const kindOf = (call: Call): Kind => (call === "delete" || call === "patch" ? call : "write")

const refusals = new Set(["EntityAlreadyExists", "EntityNotFound"])

const fiber = (index: number) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const random = Random.make(Random.derive(Number(seed), index))

    const perform = (
      call: Call,
      id: string,
      mark: string,
    ): Effect.Effect<void, { readonly _tag: string; readonly message: string }> => {
      const input = { id, content: textOf(mark), metadata: { mark } }
      switch (call) {
        case "create":
          return Effect.asVoid(service.createEntity(input))
        case "createSync":
          return Effect.asVoid(service.createEntitySync(input))
        case "upsert":
          return Effect.asVoid(service.upsertEntity(input))
        case "update":
          return Effect.asVoid(
            service.updateEntity(id, { content: input.content, metadata: input.metadata }, "base"),
          )
        case "patch":
          return Effect.asVoid(service.updateEntity(id, { metadata: { mark } }, "base"))
        case "delete":
          return service.deleteEntity(id, "base")
      }
    }

    /** Of a key that nobody else writes, the newest version is what was just written. */
    const readBack = (call: Call, id: string, mark: string) =>
      Effect.gen(function* () {
        const found = yield* Effect.either(service.getEntity(id, "base"))
        const seen = Either.match(found, {
          onLeft: ({ _tag }) => _tag,
          onRight: ({ metadata }) => String(metadata["mark"]),
        })
        const due = call === "delete" ? "EntityNotFound" : mark
        // A database that is busy tells nothing.
        if (seen !== due && seen !== "StorageError") {
          yield* say({ line: "wrong", mark, detail: `after ${call} of ${id} was read: ${seen}` })
        }
      })

    const begin = (call: Call | "createMany", id: string, mark: string) =>
      say({
        line: "begun",
        mark,
        client,
        kind: call === "createMany" ? "write" : kindOf(call),
        call,
        key: id,
        micros: now(),
      })

    const end = (
      mark: string,
      outcome: Either.Either<unknown, { readonly _tag: string; readonly message: string }>,
    ) =>
      say({
        line: "ended",
        mark,
        micros: now(),
        ...Either.match(outcome, {
          onRight: () => ({ result: "done" as const }),
          onLeft: (error) => ({
            result: refusals.has(error._tag) ? ("refused" as const) : ("failed" as const),
            detail: `${error._tag}: ${error.message}`,
          }),
        }),
      })

    const createMany = (ids: ReadonlyArray<string>, mark: string) =>
      Effect.gen(function* () {
        const inputs = ids.map((id, at) => ({
          id,
          content: textOf(`${mark}.${at}`),
          metadata: { mark: `${mark}.${at}` },
        }))
        yield* Effect.forEach(inputs, ({ id, metadata }) => begin("createMany", id, metadata.mark))
        const outcomes = yield* service.createEntities(inputs)
        yield* Effect.forEach(Arr.zip(inputs, outcomes), ([{ metadata }, outcome]) =>
          end(metadata.mark, outcome),
        )
      })

    for (let count = 0; ; count++) {
      const call = calls[random.below(calls.length)] ?? "upsert"
      const own = random.next() < 0.7
      const ownId = () => `${client.split(".")[0]}-${index}-${random.below(ownKeys)}`
      const id = own ? ownId() : `shared-${random.below(sharedKeys)}`
      const mark = `${client}.${index}.${count}`
      if (call === "createMany") yield* createMany([id, ...Array.from({ length: bulk - 1 }, ownId)], mark)
      else {
        yield* begin(call, id, mark)
        const outcome = yield* Effect.either(perform(call, id, mark))
        yield* end(mark, outcome)
        if (own && Either.isRight(outcome)) yield* readBack(call, id, mark)
      }
      // Others want the lock too.
      yield* Effect.sleep(random.below(8))
    }
  })

const main = Effect.gen(function* () {
  yield* EntityService
  process.stdout.write("ready\n")
  yield* Effect.forEach(
    Array.from({ length: fibers }, (_, index) => index),
    fiber,
    {
      concurrency: "unbounded",
      discard: true,
    },
  )
}).pipe(Effect.provide(system({ filename: database })))

process.stdin.on("end", () => process.exit(0)).resume()
NodeRuntime.runMain(main)
