/**
 * What adoptions have brought, and what may be done with a row by that: what was changed or deleted here since is newer than
 * any table of before, and what no adoption brought is somebody's own. Neither is written over unasked. It is decided by the
 * key of the entity and what it was like when it was brought; so it does not matter how file, table and columns were named.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EntityId, type EntityKey, EntityType, keyList, keyText } from "../Domain/Entity.js"
import { contentHash } from "../Domain/Hash.js"
import { EntityOverlay, viewOf } from "../EntityOverlay.js"
import { Storage } from "../Storage.js"
import type { Made } from "./Row.js"

/** What is to be done with a row. */
export type Verdict =
  | { readonly _tag: "Write" }
  /** It was brought before, and what has become of it here stays. */
  | { readonly _tag: "Keep"; readonly because: "changed" | "deleted" }
  | { readonly _tag: "LeaveOut"; readonly reason: string }

const write: Verdict = { _tag: "Write" }
const leaveOut = (reason: string): Verdict => ({
  _tag: "LeaveOut",
  reason: `id: ${reason}; it is replaced only where that is asked for (again)`,
})

/** What an entity was like when it was brought, and the table that it came from. */
const Memory = Schema.Struct({
  entityType: EntityType,
  entityId: EntityId,
  contentHash: Schema.String,
  source: Schema.String,
})
export type Memory = typeof Memory.Type
const decode = Schema.decodeUnknown(Schema.Array(Memory))

/** The key of what a row becomes. */
export const keyOf = ({ entityType, id }: Made): EntityKey => ({ entityType, entityId: id })

export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const overlay = yield* EntityOverlay
  const { statement } = storage

  const memories = (keys: ReadonlyArray<EntityKey>) =>
    Effect.flatMap(
      statement`SELECT entity_type AS "entityType", entity_id AS "entityId", content_hash AS "contentHash", source
        FROM json_each(${keyList(keys)}) AS wanted CROSS JOIN adopted
        WHERE entity_type = wanted.value ->> 0 AND entity_id = wanted.value ->> 1`,
      decode,
    ).pipe(
      storage.read,
      Effect.map((rows) => new Map(rows.map((row) => [keyText(row), row]))),
    )

  /** What is to be done with each row of a source, in their order. Within the transaction that does it, where one does. */
  const judge = (rows: ReadonlyArray<Made>, source: string) =>
    Effect.gen(function* () {
      const keys = rows.map(keyOf)
      const known = yield* memories(keys)
      const layers = yield* overlay.layersOf(keys)
      return rows.map((row, at): Verdict => {
        const layered = layers[at]
        const memory = known.get(keyText(keyOf(row)))
        if (layered !== undefined && Either.isLeft(layered)) {
          return leaveOut("what is here under it cannot be read")
        }
        const here = Option.getOrUndefined(
          Option.flatMap(Option.fromNullable(layered), ({ right }) => viewOf(right)),
        )
        if (here === undefined) return memory === undefined ? write : { _tag: "Keep", because: "deleted" }
        if (here.contentHash === contentHash(row.content, row.metadata)) return write
        if (memory === undefined) return leaveOut("a note that was not taken over is here under it")
        if (memory.contentHash !== here.contentHash) return { _tag: "Keep", because: "changed" }
        return memory.source === source ? write : leaveOut("what another table held is here under it")
      })
    })

  /** Keeps in mind what rows were like when they were brought. Within the transaction that brings them. */
  const remember = (memories: ReadonlyArray<Memory>) => {
    const list = memories.map(({ contentHash, entityId, entityType, source }) => [
      entityType,
      entityId,
      contentHash,
      source,
    ])
    return statement`INSERT INTO adopted (entity_type, entity_id, content_hash, source)
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(${JSON.stringify(list)}) WHERE true
      ON CONFLICT (entity_type, entity_id) DO UPDATE SET
        content_hash = excluded.content_hash, source = excluded.source`
  }

  return { judge, remember }
})
