/** What the box has for the files of a folder. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EntityId, type EntityKey, EntityType, keyText } from "../Domain/Entity.js"
import type { StorageError } from "../Domain/Errors.js"
import { EntityOverlay, type EntityView, viewOf } from "../EntityOverlay.js"
import type { Known } from "./Manifest.js"
import type * as Walk from "./Walk.js"

/** What is there of a file's entity, and what is remembered of both. */
export interface Current {
  /** None where its path makes no good one: whoever writes it says why. */
  readonly key: EntityKey | undefined
  readonly row: Known | undefined
  readonly current: EntityView | StorageError | undefined
}

const isKey = Schema.is(Schema.Struct({ entityType: EntityType, entityId: EntityId }))

const keyIn = ({ entityId, entityType }: Walk.Found): EntityKey | undefined => {
  const key = { entityType, entityId }
  return isKey(key) ? key : undefined
}

export const make = Effect.map(
  EntityOverlay,
  (overlay) => (files: ReadonlyArray<Walk.Found>, known: ReadonlyMap<string, Known>) =>
    Effect.gen(function* () {
      const keys = files.flatMap((found) => keyIn(found) ?? [])
      const layers = new Map(keys.map((key, at) => [keyText(key), at] as const))
      const read = yield* overlay.layersOf(keys)
      return files.map((found): Current => {
        const key = keyIn(found)
        if (key === undefined) return { key, row: undefined, current: undefined }
        const layered = read[layers.get(keyText(key)) ?? -1]
        const current =
          layered === undefined
            ? undefined
            : Either.match(layered, {
                onLeft: (error) => error,
                onRight: (there) => Option.getOrUndefined(viewOf(there)),
              })
        const remembered = known.get(found.path)
        const row = remembered !== undefined && keyText(remembered) === keyText(key) ? remembered : undefined
        return { key, row, current }
      })
    }),
)
