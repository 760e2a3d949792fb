/**
 * Brings a table of somebody else's in: what a host has saved before it came here. Rows are read a page at a time, and the
 * entities of a page, their boxes and the key of its last row are written in one transaction. So the embedding goes on in
 * the background while people read, whoever is killed goes on behind the last page, and nothing is done twice. What was
 * changed or deleted here since it was brought stays so, by whatever path or mapping its table is read again, unless that is
 * asked for. A row that cannot be an entity has an outcome too, with its key and the reason, and is looked at again.
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
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Brought from "./Adopting/Brought.js"
import type { AdoptionRefused, Mapping } from "./Adopting/Mapping.js"
import * as Progress from "./Adopting/Progress.js"
import type { Made } from "./Adopting/Row.js"
import * as Source from "./Adopting/Source.js"
import { mappingText } from "./Adopting/Table.js"
import * as Walk from "./Adopting/Walk.js"
import type { StorageError } from "./Domain/Errors.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import type { EntityOverlay } from "./EntityOverlay.js"
import { EntityService } from "./EntityService.js"
import { Storage } from "./Storage.js"

/** How rows are brought in. */
export interface Options {
  /**
   * From the first row, also where rows have been brought in before; what differs here is replaced, also where it was
   * changed here, and what was deleted here comes back.
   */
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
  | Kept
  | Skipped

/** The row was brought before, and its entity was changed or deleted here since (or has another key now): that stays. */
export interface Kept extends OfRow {
  readonly _tag: "Kept"
  readonly because: "changed" | "deleted"
}

/** The row is no entity here, and why; the next run looks at it again. */
export interface Skipped extends OfRow {
  readonly _tag: "Skipped"
  readonly reason: string
}

/** What would become of a row. */
export type RowCheck = (OfRow & { readonly _tag: "Sound" }) | Kept | Skipped

/** What a mapping comes to: names as the table has them. */
export interface Reading {
  readonly table: string
  /** Where types come from: a column, or one for all, where none was named the usual one. */
  readonly type: { readonly column: string } | { readonly name: string | undefined }
}

/** Brings the rows of a table in, or looks at what would come of them. */
export class Adopting extends Context.Tag("embedbox/Adopting")<
  Adopting,
  {
    /**
     * Brings the rows of a table in: those that were left out before, and those behind what was brought in before by the
     * same mapping. The file is only read. Each row has an outcome, in the order of keys; it is durable when it is told.
     * Waits where the queue is full. Without `again` no entity is replaced but one that this table brought and that is
     * still as it was brought.
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
    /** How the table would be read: that a name stands for a column, or for none. */
    readonly reading: (file: string, mapping: Mapping) => Effect.Effect<Reading, AdoptionRefused>
    /** What became of all rows so far, over all runs of this mapping. */
    readonly counts: (
      file: string,
      mapping: Mapping,
    ) => Effect.Effect<Progress.Counts, AdoptionRefused | StorageError>
  }
>() {}

/** The queue has no room for all of a page. */
class NoRoom extends Schema.TaggedError<NoRoom>()("NoRoom", {}) {}

const skipped = ({ key }: Source.Taken, reason: string): Skipped => ({ _tag: "Skipped", key, reason })

/** A row that may be written, and what it becomes. */
interface Writable {
  readonly _tag: "Writable"
  readonly row: Source.Taken
  readonly made: Made
}

/** Counts with these outcomes; rows that were left out before are counted already. */
const counted = (before: Progress.Counts, page: Walk.Page, outcomes: ReadonlyArray<RowOutcome>) => {
  const again = page.isRetried ? page.rows.length + page.gone.length : 0
  return outcomes.reduce(
    (sum, outcome) => {
      const name = outcome._tag === "Saved" ? outcome.change : outcome._tag === "Kept" ? "kept" : "skipped"
      return { ...sum, [name]: sum[name] + 1 }
    },
    { ...before, skipped: before.skipped - again },
  )
}

/** The service over the others. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const service = yield* EntityService
  const queue = yield* EmbeddingQueue
  const brought = yield* Brought.make

  const open = (file: string, mapping: Mapping) =>
    Effect.map(Source.open(file, mapping), (source) => ({
      source,
      progress: Progress.make(storage, source.file, mappingText(source.table)),
      name: JSON.stringify([source.file, source.table.name]),
    }))

  /** Of each row, that it may be written, or what becomes of it instead. */
  const judged = (rows: ReadonlyArray<Source.Taken>, name: string, isAgain: boolean) =>
    Effect.gen(function* () {
      const made = rows.flatMap(({ input }) => (Either.isRight(input) ? [input.right] : []))
      const verdicts = isAgain ? [] : [...(yield* brought.judge(made, name))]
      return rows.map((row): Writable | Kept | Skipped => {
        if (Either.isLeft(row.input)) return skipped(row, row.input.left)
        const verdict = verdicts.shift()
        if (verdict?._tag === "Keep") return { _tag: "Kept", key: row.key, because: verdict.because }
        if (verdict?._tag === "LeaveOut") return skipped(row, verdict.reason)
        return { _tag: "Writable", row, made: row.input.right }
      })
    })

  /** Saves what may be written, and answers for each. Within a transaction. */
  const save = (rows: ReadonlyArray<Source.Taken>, name: string, options: Options) =>
    Effect.gen(function* () {
      const all = yield* judged(rows, name, options.again === true)
      const inputs = all.flatMap((one) => (one._tag === "Writable" ? [one.made] : []))
      const receipts = [
        ...(yield* service.upsertEntities(inputs, {
          priority: options.priority,
          batchId: options.batchId,
        })),
      ]
      const saved: Array<Brought.Memory> = []
      const outcomes = yield* Effect.forEach(all, (one): Effect.Effect<RowOutcome, NoRoom | StorageError> => {
        if (one._tag !== "Writable") return Effect.succeed(one)
        const receipt = receipts.shift()
        if (receipt === undefined) return Effect.dieMessage("a write without an answer")
        if (Either.isRight(receipt)) {
          const { change, contentHash, entityId, jobId } = receipt.right
          const { entityType } = one.made
          saved.push({ entityType, entityId, contentHash, source: name })
          return Effect.succeed({ _tag: "Saved", key: one.row.key, entityType, entityId, change, jobId })
        }
        switch (receipt.left._tag) {
          case "InvalidEntity":
            return Effect.succeed(skipped(one.row, receipt.left.message))
          case "QueueFull":
            return new NoRoom()
          default:
            return receipt.left
        }
      })
      yield* brought.remember(saved)
      return outcomes
    })

  const adopt = (file: string, mapping: Mapping, options: Options = {}) =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const { name, progress, source } = yield* open(file, mapping)

        /** The outcomes of a page, each half of it by itself where there is no room for both. */
        const write = (page: Walk.Page): Stream.Stream<RowOutcome, StorageError> =>
          Effect.gen(function* () {
            const outcomes = yield* save(page.rows, name, options)
            const before = yield* progress.load
            const isLeftOut = (_: unknown, at: number) => outcomes[at]?._tag === "Skipped"
            const positions = page.rows.map(({ position }) => position)
            yield* progress.save({
              position: (page.isRetried ? undefined : positions.at(-1)) ?? before.position,
              counts: counted(page.isFirst ? Progress.noCounts : before.counts, page, outcomes),
              leftOut: positions.filter(isLeftOut),
              settled: [...page.gone, ...positions.filter((_, at) => !isLeftOut(_, at))],
              isFirst: page.isFirst,
            })
            return Stream.fromIterable(outcomes)
          }).pipe(
            storage.write,
            Effect.catchTag("NoRoom", () =>
              page.rows.length > 1
                ? Effect.succeed(Stream.flatMap(Stream.fromIterable(Walk.halves(page)), write))
                : Effect.as(queue.awaitRoom, write(page)),
            ),
            Stream.unwrap,
          )

        return Walk.pages({ source, progress }, options.again === true).pipe(
          Stream.flatMap(write),
          Stream.concat(Stream.drain(Stream.fromEffect(progress.end))),
        )
      }),
    ).pipe(Stream.withSpan("Adopting.adopt"))

  const survey = (file: string, mapping: Mapping, { again = false }: Pick<Options, "again"> = {}) =>
    Stream.unwrapScoped(
      Effect.map(open(file, mapping), ({ name, progress, source }) =>
        Walk.pages({ source, progress }, again).pipe(
          Stream.mapEffect(({ rows }) => judged(rows, name, again)),
          Stream.mapConcat((all) => all),
          Stream.map(
            (one): RowCheck => (one._tag === "Writable" ? { _tag: "Sound", key: one.row.key } : one),
          ),
        ),
      ),
    )

  return Adopting.of({
    adopt,
    survey,
    reading: (file, mapping) =>
      Effect.scoped(
        Effect.map(Source.open(file, mapping), ({ table: { name, type } }) => ({ table: name, type })),
      ),
    counts: (file, mapping) =>
      Effect.scoped(
        Effect.flatMap(open(file, mapping), ({ progress }) =>
          Effect.map(progress.load, ({ counts }) => counts),
        ),
      ),
  })
})

/** The same as a Layer; a shell has it already. */
export const layer: Layer.Layer<Adopting, never, Storage | EmbeddingQueue | EntityOverlay | EntityService> =
  Layer.effect(Adopting, make)

export { AdoptionRefused, type Mapping } from "./Adopting/Mapping.js"
export type { Counts } from "./Adopting/Progress.js"
