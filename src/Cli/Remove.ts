/** `embedbox rm`: deletes notes, and says which there were not. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { EntityNotFound } from "../Domain/Errors.js"
import { counted } from "../Domain/Phrases.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import { SomeFailed } from "./Failure.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

export interface Given {
  readonly ids: ReadonlyArray<string>
  readonly type: Option.Option<string>
  readonly json: boolean
}

/** One after the other: each is gone, or was not there. */
const removeAll = ({ ids, type }: Given) =>
  Effect.flatMap(EntityService, (service) =>
    Effect.forEach(ids, (id) =>
      service.deleteEntity(id, Option.getOrUndefined(type)).pipe(
        Effect.as(Either.right(id)),
        Effect.catchTag("EntityNotFound", () => Effect.succeed(Either.left(id))),
      ),
    ),
  )

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const [missing, removed] = Arr.separate(yield* Effect.provide(removeAll(given), access.services))
    if (given.json) yield* Output.print(Output.Removed, { removed, missing })
    else if (removed.length > 0)
      yield* screen.done(`${screen.green("removed")} ${counted(removed.length, "note")}`)
    const [first] = missing
    if (first === undefined) return
    if (removed.length === 0)
      return yield* new EntityNotFound({
        entityType: Option.getOrUndefined(given.type),
        entityId: first,
      })
    yield* screen.write(`embedbox: there was no ${missing.map((id) => `"${oneLine(id)}"`).join(", ")}\n`)
    return yield* new SomeFailed({ count: missing.length })
  })
