/**
 * From the folder into the box. Files are walked in a fixed order, read a few at a time, and written in groups of bounded
 * size, so that neither the contents of 100,000 files are in memory nor each of them costs a transaction, and two runs do
 * the same. Whether a file changed is told by the hash of its text and never by its time. One whose text stood under a
 * path that is gone was renamed: its entity moves, and nothing is embedded. Each file has an outcome, and none is an error.
 */
import * as path from "node:path"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { StorageError } from "../Domain/Errors.js"
import * as Files from "./Files.js"
import * as Glancing from "./Glancing.js"
import type { Layout } from "./Layout.js"
import { type Counts, type Known, type Manifest, noCounts } from "./Manifest.js"
import * as NoteFile from "./NoteFile.js"
import type { SyncOutcome } from "./Outcome.js"
import * as Taking from "./Taking.js"
import type { Mode } from "./Verdict.js"
import * as Walk from "./Walk.js"

/** Files that are read at once, ahead of the group being written. */
const readAhead = 8

/** A group: so much text in UTF-16 units, or so many files. */
const group = { weight: 512 * 1024, most: 100 }

/** How a run takes files. */
export interface Settings {
  readonly layout: Layout
  readonly extensions: ReadonlyArray<string>
  readonly mode: Mode
  readonly deletions: boolean
  readonly priority: number | undefined
  /** Files younger than this are not read yet. */
  readonly quietMillis?: number
  /** What was read already, and need not be read again as long as it is the same. */
  readonly memory?: NoteFile.Memory | undefined
}

/** What a run saw of the folder. */
export interface Seen {
  readonly known: ReadonlyMap<string, Known>
  /** What is remembered of files that are not there any more; nothing where not all of the folder could be seen. */
  readonly gone: ReadonlyArray<Known>
  /** There is at least one note. */
  readonly hasNotes: boolean
}

const isItem = (one: Glancing.Read | Glancing.Glance): one is Taking.Item => "note" in one

const readSome = (
  folder: string,
  some: ReadonlyArray<Walk.Found | Walk.LeftOut>,
  memory?: NoteFile.Memory,
  quietMillis?: number,
): Effect.Effect<ReadonlyArray<Glancing.Read | Glancing.Glance>> => {
  const found = some.filter((one) => one._tag === "Found")
  const files = found.map((one) => path.join(folder, one.path))
  return Effect.map(NoteFile.glanceAll(files, memory, quietMillis), (notes) => {
    const of = new Map(Arr.zip(found, notes))
    return some.flatMap((one): ReadonlyArray<Glancing.Read | Glancing.Glance> => {
      if (one._tag === "LeftOut") return [Taking.skipped(one.path, "skipped", one.reason)]
      const note = of.get(one)
      if (note === undefined) return []
      return note._tag === "Same"
        ? [{ _tag: "Glance", found: one, hash: note.hash }]
        : [Glancing.readAs(one, note)]
    })
  })
}

/** What an outcome counts as. */
const countOf = (outcome: SyncOutcome): keyof Counts | undefined => {
  switch (outcome._tag) {
    case "Skipped":
      return outcome.kind === "quarantined" ? "quarantined" : "skipped"
    case "Saved":
      return outcome.change === "kept" ? "unchanged" : outcome.change
    case "Removed":
      return "removed"
    default:
      return undefined
  }
}

const counted = (before: Counts, outcomes: ReadonlyArray<SyncOutcome>): Counts =>
  outcomes.reduce((sum, outcome) => {
    const name = countOf(outcome)
    return name === undefined ? sum : { ...sum, [name]: sum[name] + 1 }
  }, before)

export const make = (manifest: Manifest) =>
  Effect.gen(function* () {
    const { take } = yield* Taking.make
    const glancing = yield* Glancing.make

    /** The outcomes of a run; `then` goes on where the last file has one, with what was seen. */
    const run = <E>(
      folder: string,
      { deletions, extensions, layout, memory, mode, priority, quietMillis }: Settings,
      then: (seen: Seen) => Stream.Stream<SyncOutcome, E>,
    ): Stream.Stream<SyncOutcome, Walk.FolderUnreadable | StorageError | E> =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { isComplete, seen } = yield* Walk.walk(folder, { extensions, layout })
          const known = yield* manifest.load(folder)
          const paths = new Set(seen.map((one) => one.path))
          const gone = isComplete ? [...known.values()].filter((row) => !paths.has(row.path)) : []
          const byText = new Map(Object.entries(Arr.groupBy(known.values(), ({ fileHash }) => fileHash)))
          const moved = new Set<Known>()
          // Asked of the disk and not of the walk, which may have met a file under both its names.
          const claimGone = (fileHash: string) =>
            Effect.map(
              Effect.findFirst(byText.get(fileHash) ?? [], (row) =>
                moved.has(row) ? Effect.succeed(false) : Files.isAbsent(path.join(folder, row.path)),
              ),
              Option.map((row) => {
                moved.add(row)
                return row
              }),
            )
          const counts = yield* Ref.make(noCounts)
          const begun = yield* Ref.make(false)
          const batch = yield* Effect.cached(Effect.zipLeft(manifest.begin(folder), Ref.set(begun, true)))
          const about = { folder, mode, deletions, priority, known, claimGone, batch }

          /** Writes down how far it is, where there is a batch: only a run that writes is one. */
          const count = (total: Counts, isOver: boolean) =>
            Effect.whenEffect(
              Effect.flatMap(batch, (batchId) => manifest.count(batchId, total, isOver)),
              Ref.get(begun),
            )

          const takeGroup = (group: ReadonlyArray<Glancing.Read | Glancing.Glance>) =>
            Effect.gen(function* () {
              const read = yield* glancing.settle(group, about)
              const items = read.filter(isItem)
              const settled = yield* take(items, about)
              yield* manifest.update(
                folder,
                settled.flatMap(({ row }) => row ?? []),
                settled.flatMap(({ forget = [] }) => forget),
              )
              const of = new Map(items.map((item, at) => [item, settled[at]?.outcomes ?? []] as const))
              const outcomes = read.flatMap((one) => (isItem(one) ? (of.get(one) ?? []) : [one]))
              const total = yield* Ref.updateAndGet(counts, (before) => counted(before, outcomes))
              yield* count(total, false)
              return outcomes
            })

          return Stream.fromIterable(seen).pipe(
            Stream.grouped(readAhead),
            Stream.mapEffect((some) => readSome(folder, Chunk.toReadonlyArray(some), memory, quietMillis), {
              concurrency: 2,
            }),
            Stream.flattenIterables,
            Stream.transduce(
              Sink.foldWeighted({
                initial: Chunk.empty<Glancing.Read | Glancing.Glance>(),
                maxCost: group.weight,
                cost: (_, one) => group.weight / group.most + (isItem(one) ? one.note.content.length : 0),
                body: (some, one) => Chunk.append(some, one),
              }),
            ),
            Stream.mapEffect((some) => takeGroup(Chunk.toReadonlyArray(some))),
            Stream.flattenIterables,
            Stream.concat(
              Stream.suspend(() =>
                then({
                  known,
                  gone: gone.filter((row) => !moved.has(row)),
                  hasNotes: seen.some(({ _tag }) => _tag === "Found"),
                }),
              ),
            ),
            Stream.concat(
              Stream.drain(Stream.fromEffect(Effect.flatMap(Ref.get(counts), (total) => count(total, true)))),
            ),
          )
        }),
      )

    return { run }
  })
