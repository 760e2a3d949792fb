/** `embedbox backup`: copies the database and says what is in the copy. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Backup from "../Backup.js"
import { Access } from "./Access.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given {
  readonly file: string
  readonly json: boolean
}

const size = (bytes: number) =>
  bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`

export const run = ({ file, json }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const copy = yield* Effect.provide(Backup.make(file), access.database)
    if (json) return yield* Output.print(Output.BackedUp, copy)
    const { bytes, entities, failed, path, waiting } = copy
    yield* Console.log(
      `${screen.green("saved")} ${path} ${screen.dim(`${size(bytes)}: ${entities} embedded, ${waiting} waiting, ${failed} failed`)}`,
    )
  })
