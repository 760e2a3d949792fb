/** `embedbox add`: saves one note and prints its receipt; nobody waits for the model. */
import * as fs from "node:fs/promises"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { maxContentBytes } from "../Domain/Entity.js"
import { InvalidEntity } from "../Domain/Errors.js"
import { reasonOf } from "../Domain/FileTrouble.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import { WrongUsage } from "./Failure.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given {
  readonly file: string
  readonly id: Option.Option<string>
  readonly type: string
  readonly title: Option.Option<string>
  readonly priority: number
  readonly json: boolean
}

const tooLarge = new InvalidEntity({
  field: "content",
  reason: `is too large: at most ${maxContentBytes} bytes are taken`,
})

/** Standard input to its end, or to where it is too much. */
const readStdin = Effect.tryPromise({
  try: async () => {
    const parts: Array<Buffer> = []
    let size = 0
    for await (const part of process.stdin) {
      const bytes = Buffer.from(part)
      size += bytes.byteLength
      if (size > maxContentBytes) return undefined
      parts.push(bytes)
    }
    return Buffer.concat(parts)
  },
  catch: (cause) =>
    new WrongUsage({
      reason: `standard input cannot be read: ${reasonOf(cause)}`,
      advice: "name a file instead",
    }),
})

const readFile = (file: string) =>
  Effect.tryPromise({
    try: async () => ((await fs.stat(file)).size > maxContentBytes ? undefined : fs.readFile(file)),
    catch: (cause) =>
      new WrongUsage({
        reason: `the file ${file} cannot be read: ${reasonOf(cause)}`,
        advice: "name a file of text, or - for standard input",
      }),
  })

const read = (file: string) =>
  Effect.gen(function* () {
    const bytes = yield* file === "-" ? readStdin : readFile(file)
    if (bytes === undefined) return yield* tooLarge
    return yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => new InvalidEntity({ field: "content", reason: "is not valid UTF-8" }),
    })
  })

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const content = yield* read(given.file)
    const receipt = yield* Effect.flatMap(EntityService, (service) =>
      service.createEntityAsync(
        {
          id: Option.getOrUndefined(given.id),
          entityType: given.type,
          content,
          metadata: Option.match(given.title, { onNone: () => undefined, onSome: (title) => ({ title }) }),
        },
        { priority: given.priority },
      ),
    ).pipe(Effect.provide(access.services))
    if (given.json) return yield* Output.print(Output.Added, receipt)
    yield* Console.log(`${screen.green("saved")} ${receipt.entityId} ${screen.dim(`job ${receipt.jobId}`)}`)
  })
