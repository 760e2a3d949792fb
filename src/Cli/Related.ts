/** `embedbox related`: notes like one that is known, by their vectors; no model is started. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import * as Search from "./Search.js"

export interface Given {
  readonly id: string
  readonly type: Option.Option<string>
  readonly types: ReadonlyArray<string>
  readonly excludedTypes: ReadonlyArray<string>
  readonly limit: number
  readonly json: boolean
}

export const run = ({ excludedTypes, id, json, limit, type, types }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const answer = yield* Effect.flatMap(EntityService, (service) =>
      service.related(id, {
        entityType: Option.getOrUndefined(type),
        entityTypes: types,
        excludedTypes,
        limit,
      }),
    ).pipe(Effect.provide(access.services))
    yield* Search.print(answer, { from: 0, json })
  })
