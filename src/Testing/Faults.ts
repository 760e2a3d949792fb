/**
 * Failures to order, one for each party that can be at fault, for `FakeEmbedder.FakeControl`: who pays differs, and a host
 * that shows or counts failures has to see each of them once. Take `failNext` for one that passes, `failWhen` for one
 * that stays.
 *
 * @example
 * import { Faults, FakeEmbedder } from "embedbox/testing"
 * import * as Effect from "effect/Effect"
 *
 * export const outage = Effect.flatMap(FakeEmbedder.FakeControl, (fake) =>
 *   fake.failNext(Faults.provider("the model is down", 5_000), 3),
 * )
 */
import { EmbeddingError } from "../Domain/Errors.js"

/** The text is to blame: an attempt is spent, and after the last one the job has failed. */
export const item = (reason = "this text cannot be embedded") => new EmbeddingError({ fault: "item", reason })

/** The provider is to blame: the queue waits, no attempt is spent. It may say when to ask again, in milliseconds. */
export const provider = (reason = "the provider is down", retryAfterMillis?: number) =>
  new EmbeddingError({
    fault: "provider",
    reason,
    ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
  })

/** This machine is to blame: the queue waits, no attempt is spent. */
export const host = (reason = "this machine is in trouble") => new EmbeddingError({ fault: "host", reason })

/** The process that computed died: a crash is counted, and the texts are tried one by one. */
export const crash = (reason = "the process of the model died") =>
  new EmbeddingError({ fault: "host", reason, crashed: true })
