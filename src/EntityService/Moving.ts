/**
 * How an entity gets another key. What is stored keeps its vectors, because their text does not depend on the key: row,
 * vectors and full-text are written under the new one and taken from the old one, in one transaction. What still waits is
 * boxed anew under its new key, so that its embedding is made once, and whoever has the old box in hand finds it gone.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { EntityKey } from "../Domain/Entity.js"
import { EntityAlreadyExists, EntityNotFound } from "../Domain/Errors.js"
import type { Receipt } from "../Domain/Job.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import { EntityOverlay, viewOf } from "../EntityOverlay.js"
import { EntityRegistry } from "../EntityRegistry.js"
import { EntityRepository } from "../EntityRepository.js"
import { Storage } from "../Storage.js"

export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const overlay = yield* EntityOverlay
  const registry = yield* EntityRegistry

  const move = (from: EntityKey, to: EntityKey) =>
    Effect.gen(function* () {
      const [there, taken] = yield* overlay.layersOf([from, to])
      if (there === undefined || taken === undefined) return yield* new EntityNotFound(from)
      // What cannot be read is there all the same.
      if (taken._tag === "Left" || Option.isSome(viewOf(taken.right)))
        return yield* new EntityAlreadyExists(to)
      const { live, stored } = yield* there
      const its = viewOf({ live, stored })
      const flaw = Option.flatMapNullable(its, (view) =>
        registry.flawOf(to.entityType, { ...view, id: to.entityId }),
      )
      if (Option.isSome(flaw)) return yield* flaw.value
      const renamed = { entityType: to.entityType, id: to.entityId }
      if (Option.isSome(live)) {
        const { content, job } = live.value
        const options = {
          priority: job.priority,
          maxRetries: job.maxRetries,
          ...(job.batchId === null ? {} : { batchId: job.batchId }),
        }
        // Its place is made before the new box asks for one.
        yield* queue.deleteBoxes(from)
        const boxed = yield* queue.enqueue({ ...content, ...renamed }, options)
        yield* repository.remove(from)
        yield* repository.indexText({ ...content, ...renamed }, boxed.generation)
        return { entityId: to.entityId, jobId: boxed.jobId } satisfies Receipt
      }
      if (Option.isNone(stored)) return yield* new EntityNotFound(from)
      const { entity, inputHash } = stored.value
      const { generation, jobId } = yield* queue.enterStored(to)
      yield* repository.move(from, {
        entity: { ...entity, ...renamed },
        generation,
        inputHash,
        jobId,
      })
      return { entityId: to.entityId, jobId } satisfies Receipt
    }).pipe(storage.write, Effect.withSpan("EntityService.moveEntity"))

  return { move }
})
