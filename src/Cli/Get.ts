/** `embedbox get`: the newest version of a note, whether it is embedded or not. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import * as Output from "./Output.js"
import { Screen } from "./Screen.js"

export interface Given {
  readonly id: string
  readonly type: Option.Option<string>
  readonly json: boolean
}

export const run = ({ id, json, type }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const view = yield* Effect.provide(
      Effect.flatMap(EntityService, (service) => service.getEntity(id, Option.getOrUndefined(type))),
      access.services,
    )
    if (!json && view.embedding.state !== "ready") {
      yield* screen.write(`embedbox: not embedded yet (${view.embedding.state})\n`)
    }
    // The text alone, so that it can be piped; everything else is in the JSON.
    return yield* json ? Output.print(Output.Gotten, view) : Console.log(view.content)
  })
