import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Entity, EntityId, EntityType } from "../../src/Domain/Entity.js"
import { contentHash } from "../../src/Domain/Hash.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import { plainBackoff, system } from "../support.js"

/** An entity as the service would box it. */
export const note = (id: string, content = `text of ${id}`, entityType = "base"): Entity => ({
  entityType: EntityType.make(entityType),
  id: EntityId.make(id),
  content,
  metadata: {},
  contentHash: contentHash(content, {}),
  created: 0,
  updated: 0,
})

/** A fresh queue per test, with backoff that can be named. */
export const withQueue = Effect.provide(system({ queue: { backoff: plainBackoff, leaseMillis: 30_000 } }))

/** Claims one job, which must be there. */
export const claimOne = Effect.flatMap(EmbeddingQueue, (queue) => Effect.flatMap(queue.dequeue, Effect.orDie))

/** The job as it stands. */
export const jobOf = (jobId: string) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    return (yield* Effect.orDie(Effect.flatten(queue.getJob(jobId)))).job
  })

/** The ids of all that can be claimed now, in the order in which it is. */
export const drainIds = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  const claims = yield* queue.dequeueBatch(1000)
  return claims.map((claim) => claim.content.id as string)
})

export const idOf = <A extends { readonly content: Entity }>(claim: Option.Option<A>) =>
  Option.getOrUndefined(Option.map(claim, (one) => one.content.id as string))
