/**
 * What the commands share that bring many notes in: they leave the embedding to others, or stay until all of it is done,
 * and say how that went.
 */
import * as Effect from "effect/Effect"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import * as JobProgress from "../JobProgress.js"
import type * as Output from "./Output.js"
import * as Progress from "./Progress.js"
import { oneLine, pausedNotice, Screen } from "./Screen.js"

/** How the embedding went; nothing of it where it was left to others. */
export type Ended = Pick<typeof Output.Imported.Type, "embedded" | "failed">

/** Brings notes in, and gives every job to `follow`. */
export type BringIn<A, E, R> = (follow: (jobId: string) => Effect.Effect<void>) => Effect.Effect<A, E, R>

/** Brings in, and leaves the embedding to others. */
export const andLeave = <A, E, R>(bringIn: BringIn<A, E, R>) =>
  Effect.map(
    bringIn(() => Effect.void),
    (report): Ended & { readonly report: A } => ({ report, embedded: null, failed: null }),
  )

/** Brings in, and waits until all is embedded or has failed. */
export const andWait = <A, E, R>(bringIn: BringIn<A, E, R>) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const screen = yield* Screen
    const tracker = yield* JobProgress.make()
    yield* Progress.show(yield* Progress.ofJobs("embedding", tracker))
    const report = yield* bringIn(tracker.add)
    if ((yield* queue.workAhead).paused) yield* screen.write(pausedNotice)
    const failed = yield* tracker.finished
    return { report, embedded: (yield* tracker.progress).done, failed }
  }).pipe(Effect.scoped)

/** The lines that tell of it. Where notes were saved and left to others, `hint` says by whom they are embedded. */
export const summary = (
  screen: typeof Screen.Service,
  { embedded, failed }: Ended,
  { hint, saved }: { readonly saved: number; readonly hint: string },
): ReadonlyArray<string> => [
  ...(embedded === null ? [] : [`${embedded} embedded, ${failed?.length ?? 0} failed`]),
  ...(failed ?? []).map(({ entityId, reason }) =>
    screen.red(`  failed ${oneLine(entityId)}: ${oneLine(reason)}`),
  ),
  ...(embedded !== null || saved === 0 ? [] : [screen.dim(hint)]),
]
