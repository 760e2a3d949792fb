/**
 * `embedbox adopt`: brings the rows of a table in, and with `--wait` stays until all of them are embedded. What is left out
 * is told as it is met: a long run must not keep its troubles for its end.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Adopting, type Mapping, type RowCheck, type RowOutcome } from "../Adopting.js"
import { counted } from "../Domain/Phrases.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import * as JobProgress from "../JobProgress.js"
import { Access } from "./Access.js"
import { SomeFailed } from "./Failure.js"
import * as Output from "./Output.js"
import * as Progress from "./Progress.js"
import { oneLine, pausedNotice, Screen } from "./Screen.js"

export interface Given {
  readonly source: string
  readonly table: string
  readonly id: string
  readonly content: string
  readonly type: Option.Option<string>
  readonly metadata: ReadonlyArray<string>
  readonly metadataJson: Option.Option<string>
  readonly created: Option.Option<string>
  readonly updated: Option.Option<string>
  readonly again: boolean
  readonly dryRun: boolean
  readonly wait: boolean
  readonly json: boolean
}

type Document = typeof Output.Adopted.Type
type Rows = Omit<Document, "dryRun" | "table" | "embedded" | "failed">

const mappingOf = (given: Given): Mapping => ({
  table: given.table,
  id: given.id,
  content: given.content,
  type: Option.getOrUndefined(given.type),
  metadata: given.metadata,
  metadataJson: Option.getOrUndefined(given.metadataJson),
  created: Option.getOrUndefined(given.created),
  updated: Option.getOrUndefined(given.updated),
})

/** Rows of which a document tells. */
const mostRefused = 1000

const none: Rows = { rows: 0, created: 0, updated: 0, unchanged: 0, skipped: 0, refused: [] }

const add = (sum: Rows, outcome: RowOutcome | RowCheck): Rows => {
  const rows = sum.rows + 1
  switch (outcome._tag) {
    case "Sound":
      return { ...sum, rows }
    case "Saved":
      return { ...sum, rows, [outcome.change]: sum[outcome.change] + 1 }
    case "Skipped": {
      const { key, reason } = outcome
      const refused = sum.refused.length < mostRefused ? [...sum.refused, { key, reason }] : sum.refused
      return { ...sum, rows, skipped: sum.skipped + 1, refused }
    }
  }
}

/** Adds all up, and tells of each that is left out. */
const sumOf = <E, R>(outcomes: Stream.Stream<RowOutcome | RowCheck, E, R>, json: boolean) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    return yield* outcomes.pipe(
      Stream.tap((outcome) =>
        outcome._tag === "Skipped" && !json
          ? Console.log(screen.yellow(`left out ${oneLine(outcome.key)}: ${oneLine(outcome.reason)}`))
          : Effect.void,
      ),
      Stream.runFold(none, add),
    )
  })

const bringIn = (given: Given, follow: (jobId: string) => Effect.Effect<void>) =>
  Effect.flatMap(Adopting, (adopting) => {
    const { again, json, source } = given
    return given.dryRun
      ? sumOf(adopting.survey(source, mappingOf(given), { again }), json)
      : sumOf(
          Stream.tap(adopting.adopt(source, mappingOf(given), { again }), (outcome) =>
            outcome._tag === "Saved" ? follow(outcome.jobId) : Effect.void,
          ),
          json,
        )
  })

const andLeave = (given: Given) =>
  Effect.map(
    bringIn(given, () => Effect.void),
    (rows) => ({ rows, embedded: null, failed: null }),
  )

const andWait = (given: Given) =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const screen = yield* Screen
    const tracker = yield* JobProgress.make()
    yield* Progress.show(yield* Progress.ofJobs("embedding", tracker))
    const rows = yield* bringIn(given, tracker.add)
    if ((yield* queue.workAhead).paused) yield* screen.write(pausedNotice)
    const failed = yield* tracker.finished
    return { rows, embedded: (yield* tracker.progress).done, failed }
  }).pipe(Effect.scoped)

const summary = (
  screen: typeof Screen.Service,
  { dryRun, table }: Given,
  { created, rows, skipped, unchanged, updated }: Rows,
  { embedded, failed }: Pick<Document, "embedded" | "failed">,
) => [
  dryRun
    ? `${counted(rows, "row")} of ${oneLine(table)} to bring in, ${skipped} of them cannot be notes`
    : `${counted(rows, "row")} of ${oneLine(table)}: ${created} new, ${updated} changed, ${unchanged} unchanged, ${skipped} left out`,
  ...(embedded === null ? [] : [`${embedded} embedded, ${failed?.length ?? 0} failed`]),
  ...(failed ?? []).map(({ entityId, reason }) =>
    screen.red(`  failed ${oneLine(entityId)}: ${oneLine(reason)}`),
  ),
  ...(embedded !== null || created + updated === 0
    ? []
    : [screen.dim("They are embedded in the background by the daemon, or here by --wait.")]),
]

export const run = (given: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const { rows, ...ended } =
      given.wait && !given.dryRun
        ? yield* Effect.provide(andWait(given), access.working)
        : yield* Effect.provide(andLeave(given), access.services)
    yield* given.json
      ? Output.print(Output.Adopted, { dryRun: given.dryRun, table: given.table, ...rows, ...ended })
      : screen.done(summary(screen, given, rows, ended).join("\n"))
    const count = (ended.failed?.length ?? 0) + rows.skipped
    if (count > 0) return yield* new SomeFailed({ count })
  })
