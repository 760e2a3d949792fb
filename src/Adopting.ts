/**
 * Brings a table of somebody else's in: what a host has saved before it came here. Rows are read a page at a time, and the
 * entities of a page, their boxes and the key of its last row are written in one transaction. So the embedding goes on in
 * the background while people read, whoever is killed goes on behind the last page, and nothing is done twice, not even an
 * entity that was changed here meanwhile. A row that cannot be an entity has an outcome too, with its key and the reason.
 *
 * @example
 * import { Adopting } from "embedbox"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * export const leftOut = Effect.flatMap(Adopting.Adopting, (adopting) =>
 *   adopting.adopt("old.sqlite", { table: "notes", id: "id", content: "body" }).pipe(
 *     Stream.filter((outcome) => outcome._tag === "Skipped"),
 *     Stream.runCollect,
 *   ),
 * )
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { AdoptionRefused, type Mapping, textOf } from "./Adopting/Mapping.js"
import * as Progress from "./Adopting/Progress.js"
import * as Source from "./Adopting/Source.js"
import { defaultEntityType } from "./Domain/Entity.js"
import type { StorageError } from "./Domain/Errors.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityService } from "./EntityService.js"
import { Storage } from "./Storage.js"

/** How rows are brought in. */
export interface Options {
  /** From the first row, also where rows have been brought in before; what differs here is replaced. */
  readonly again?: boolean | undefined
  /** The higher number is embedded first. Default 0. */
  readonly priority?: number | undefined
  /** The batch that the jobs belong to. */
  readonly batchId?: string | undefined
}

/** A row, by its key in the table. */
interface OfRow {
  readonly key: string
}

/** What became of a row. */
export type RowOutcome =
  | (OfRow & {
      readonly _tag: "Saved"
      readonly entityType: string
      readonly entityId: string
      readonly change: "created" | "updated" | "unchanged"
      readonly jobId: string
    })
  | (OfRow & { readonly _tag: "Skipped"; readonly reason: string })

/** What would become of a row: whether it can be an entity. */
export type RowCheck =
  | (OfRow & { readonly _tag: "Sound" })
  | (OfRow & { readonly _tag: "Skipped"; readonly reason: string })

/** Brings the rows of a table in, or looks at what would come of them. */
export class Adopting extends Context.Tag("embedbox/Adopting")<
  Adopting,
  {
    /**
     * Brings the rows of a table in, those behind what was brought in before by the same mapping. The file is only read.
     * Each row has an outcome, in the order of keys; it is durable when it is told. Waits where the queue is full.
     */
    readonly adopt: (
      file: string,
      mapping: Mapping,
      options?: Options,
    ) => Stream.Stream<RowOutcome, AdoptionRefused | StorageError>
    /** Looks at the same rows, and writes nothing. */
    readonly survey: (
      file: string,
      mapping: Mapping,
      options?: Pick<Options, "again">,
    ) => Stream.Stream<RowCheck, AdoptionRefused | StorageError>
    /** What became of all rows so far, over all runs of this mapping. */
    readonly counts: (
      file: string,
      mapping: Mapping,
    ) => Effect.Effect<Progress.Counts, AdoptionRefused | StorageError>
  }
>() {}

/** Rows of a page: one transaction, in which the event loop stands still. */
const mostRows = 50

/** The queue has no room for all of a page. */
class NoRoom extends Schema.TaggedError<NoRoom>()("NoRoom", {}) {}

const skipped = ({ key }: Source.Taken, reason: string): RowOutcome & RowCheck => ({
  _tag: "Skipped",
  key,
  reason,
})

const counted = (before: Progress.Counts, outcomes: ReadonlyArray<RowOutcome>): Progress.Counts =>
  outcomes.reduce((sum, outcome) => {
    const name = outcome._tag === "Skipped" ? "skipped" : outcome.change
    return { ...sum, [name]: sum[name] + 1 }
  }, before)

/** The service over the others. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const service = yield* EntityService
  const queue = yield* EmbeddingQueue

  const open = (file: string, mapping: Mapping) =>
    Effect.gen(function* () {
      const source = yield* Source.open(file, mapping)
      const progress = Progress.make(storage, source.file, textOf(mapping))
      return { source, progress, before: yield* progress.load }
    })

  /** Saves what rows hold, and answers for each. Within a transaction. */
  const save = (rows: ReadonlyArray<Source.Taken>, options: Options) =>
    Effect.gen(function* () {
      const inputs = rows.flatMap(({ input }) => (Either.isRight(input) ? [input.right] : []))
      const receipts = yield* service.upsertEntities(inputs, {
        priority: options.priority,
        batchId: options.batchId,
      })
      const left = [...receipts]
      return yield* Effect.forEach(rows, (row): Effect.Effect<RowOutcome, NoRoom | StorageError> => {
        if (Either.isLeft(row.input)) return Effect.succeed(skipped(row, row.input.left))
        const receipt = left.shift()
        if (receipt === undefined) return Effect.dieMessage("a write without an answer")
        if (Either.isRight(receipt)) {
          const { change, entityId, jobId } = receipt.right
          const entityType = row.input.right.entityType ?? defaultEntityType
          return Effect.succeed({ _tag: "Saved", key: row.key, entityType, entityId, change, jobId })
        }
        switch (receipt.left._tag) {
          case "InvalidEntity":
            return Effect.succeed(skipped(row, receipt.left.message))
          case "QueueFull":
            return new NoRoom()
          default:
            return receipt.left
        }
      })
    })

  const adopt = (file: string, mapping: Mapping, options: Options = {}) =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const { before, progress, source } = yield* open(file, mapping)

        /** As many of the rows as there is room for, at least one. */
        const write = (
          rows: ReadonlyArray<Source.Taken>,
          counts: Progress.Counts,
        ): Effect.Effect<readonly [ReadonlyArray<RowOutcome>, Progress.Progress], StorageError> =>
          Effect.gen(function* () {
            const outcomes = yield* save(rows, options)
            const position = rows.at(-1)?.position ?? null
            const after = { position, counts: counted(counts, outcomes) }
            yield* progress.save(after)
            return [outcomes, after] as const
          }).pipe(
            storage.write,
            Effect.catchTag("NoRoom", () =>
              rows.length > 1
                ? write(rows.slice(0, Math.ceil(rows.length / 2)), counts)
                : Effect.zipRight(queue.awaitRoom, write(rows, counts)),
            ),
          )

        const start = options.again === true ? { position: null, counts: Progress.noCounts } : before
        return Stream.unfoldEffect(start, ({ counts, position }) =>
          Effect.gen(function* () {
            const rows = yield* source.page(position ?? undefined, mostRows)
            if (rows.length === 0) {
              yield* progress.end
              return Option.none()
            }
            return Option.some(yield* write(rows, counts))
          }),
        ).pipe(Stream.mapConcat((outcomes) => outcomes))
      }),
    ).pipe(Stream.withSpan("Adopting.adopt"))

  const survey = (file: string, mapping: Mapping, options: Pick<Options, "again"> = {}) =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const { before, source } = yield* open(file, mapping)
        return Stream.unfoldEffect(options.again === true ? null : before.position, (position) =>
          Effect.map(source.page(position ?? undefined, mostRows), (rows) =>
            Option.map(Option.fromNullable(rows.at(-1)), (last) => [rows, last.position] as const),
          ),
        ).pipe(
          Stream.mapConcat((rows) => rows),
          Stream.map(
            (row): RowCheck =>
              Either.isLeft(row.input) ? skipped(row, row.input.left) : { _tag: "Sound", key: row.key },
          ),
        )
      }),
    )

  return Adopting.of({
    adopt,
    survey,
    counts: (file, mapping) => Effect.scoped(Effect.map(open(file, mapping), ({ before }) => before.counts)),
  })
})

/** The same as a Layer; a shell has it already. */
export const layer: Layer.Layer<Adopting, never, Storage | EmbeddingQueue | EntityService> = Layer.effect(
  Adopting,
  make,
)

export { AdoptionRefused, type Mapping } from "./Adopting/Mapping.js"
export type { Counts } from "./Adopting/Progress.js"
