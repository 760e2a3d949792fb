/**
 * From the folder into the box. Files are walked in a fixed order, read a few at a time, and written in groups of bounded
 * size, so that neither the contents of 100,000 files are in memory nor each of them costs a transaction, and two runs do
 * the same. Whether a file changed is told by the hash of its text and never by its time. One whose text stood under a
 * path that is gone was renamed: its entity moves, and nothing is embedded. Each file has an outcome, and none is an error.
 */
import * as path from "node:path"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { EntityId, type EntityKey, EntityType, keyText } from "../Domain/Entity.js"
import { StorageError } from "../Domain/Errors.js"
import { EntityOverlay, type EntityView, viewOf } from "../EntityOverlay.js"
import { EntityService } from "../EntityService.js"
import type { Layout } from "./Layout.js"
import { type Counts, type Known, type Manifest, noCounts } from "./Manifest.js"
import * as NoteFile from "./NoteFile.js"
import type { FileOutcome, ImportOptions } from "./Outcome.js"
import * as Walk from "./Walk.js"

/** Files that are read ahead of the group being written. */
const readAhead = 8

/** A group: so much text in UTF-16 units, or so many files. */
const group = { weight: 512 * 1024, most: 100 }

/** A file with what it holds. */
interface Item {
  readonly found: Walk.Found
  readonly note: NoteFile.NoteFile
}

type Read = Item | (FileOutcome & { readonly _tag: "Skipped" })

const skipped = (at: string, kind: NoteFile.Refused["kind"], reason: string): Read & FileOutcome => ({
  _tag: "Skipped",
  path: at,
  kind,
  reason,
})

const isKey = Schema.is(Schema.Struct({ entityType: EntityType, entityId: EntityId }))

/** The key of a file, where it is one. */
const keyIn = ({ entityId, entityType }: Walk.Found): ReadonlyArray<EntityKey> => {
  const key = { entityType, entityId }
  return isKey(key) ? [key] : []
}

/** What an outcome counts as. */
const countOf = (outcome: FileOutcome): keyof Counts => {
  if (outcome._tag === "Skipped") return outcome.kind === "quarantined" ? "quarantined" : "skipped"
  return outcome.change === "kept" ? "unchanged" : outcome.change
}

export const make = (manifest: Manifest) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const overlay = yield* EntityOverlay

    /** The newest versions of these, by key; or why one cannot be read. */
    const newest = (keys: ReadonlyArray<EntityKey>) =>
      Effect.map(
        overlay.layersOf(keys),
        (layers) =>
          new Map(
            keys.flatMap((key, at): ReadonlyArray<readonly [string, EntityView | StorageError]> => {
              const layered = layers[at]
              if (layered === undefined) return []
              if (Either.isLeft(layered)) return [[keyText(key), layered.left]]
              return Option.match(viewOf(layered.right), {
                onNone: () => [],
                onSome: (view) => [[keyText(key), view]],
              })
            }),
          ),
      )

    const run = (
      folder: string,
      {
        layout,
        extensions,
        options,
      }: {
        readonly layout: Layout
        readonly extensions: ReadonlyArray<string>
        readonly options: ImportOptions
      },
    ): Stream.Stream<FileOutcome, Walk.FolderUnreadable | StorageError> =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { isComplete, seen } = yield* Walk.walk(folder, { extensions, layout })
          const known = yield* manifest.load(folder)
          const paths = new Set(seen.map((one) => one.path))
          // What stood elsewhere and is there no more, by its text. Where not all could be seen, nothing is known to be gone.
          const gone = new Map<string, Array<Known>>()
          for (const row of isComplete ? known.values() : []) {
            if (!paths.has(row.path)) gone.set(row.fileHash, [...(gone.get(row.fileHash) ?? []), row])
          }
          const counts = yield* Ref.make(noCounts)
          // Only a run that writes is a batch, and it is there before its first job.
          const batch = yield* Effect.cached(manifest.begin(folder))

          /** Whose text this was, under another path or another key. */
          const originOf = ({ found, note }: Item): Known | undefined => {
            const here = known.get(found.path)
            if (here !== undefined && here.fileHash === note.hash) return here
            return gone.get(note.hash)?.shift()
          }

          const move = (item: Item, origin: Known, to: EntityKey) =>
            Effect.map(
              Effect.option(service.moveEntity(origin, to)),
              Option.map(({ jobId }) => ({
                outcome: savedAs(item, "moved", jobId),
                row: { ...origin, ...to, path: item.found.path },
                forget: origin.path === item.found.path ? [] : [origin.path],
              })),
            )

          /** What can be told, or moved, without writing the text. */
          const settle = (item: Item, there: ReadonlyMap<string, EntityView | StorageError>) =>
            Effect.gen(function* () {
              const { found, note } = item
              const key = { entityType: found.entityType, entityId: found.entityId }
              if (!isKey(key)) return Option.none<Settled>()
              const current = there.get(keyText(key))
              const row = known.get(found.path)
              if (current === undefined) {
                const origin = originOf(item)
                return origin === undefined || keyText(origin) === keyText(key)
                  ? Option.none<Settled>()
                  : yield* move(item, origin, key)
              }
              const isSame = row !== undefined && row.fileHash === note.hash && keyText(row) === keyText(key)
              if (current instanceof StorageError) {
                return options.existing === "keep"
                  ? Option.some({
                      outcome: skipped(found.path, "skipped", current.reason),
                    })
                  : Option.none<Settled>()
              }
              if (isSame) return Option.some({ outcome: savedAs(item, "unchanged", current.embedding.jobId) })
              if (options.existing === "keep") {
                return Option.some({ outcome: savedAs(item, "kept", current.embedding.jobId) })
              }
              return Option.none<Settled>()
            })

          const write = (items: ReadonlyArray<Item>) =>
            items.length === 0
              ? Effect.succeed([])
              : Effect.gen(function* () {
                  const batchId = yield* batch
                  const outcomes = yield* service.upsertEntities(
                    items.map(({ found, note }) => ({
                      id: found.entityId,
                      entityType: found.entityType,
                      content: note.content,
                      metadata: note.fields,
                    })),
                    { metadata: "merge", batchId, priority: options.priority },
                  )
                  return yield* Effect.forEach(items, (item, at) => {
                    const outcome = outcomes[at]
                    return outcome === undefined
                      ? Effect.dieMessage("a write without an answer")
                      : Either.match(outcome, {
                          onLeft: (error): Effect.Effect<Settled, StorageError> =>
                            error._tag === "StorageError" && error.trouble !== "InvalidRow"
                              ? Effect.fail(error)
                              : Effect.succeed({
                                  outcome: skipped(
                                    item.found.path,
                                    "quarantined",
                                    error._tag === "InvalidEntity"
                                      ? `${error.field} ${error.reason}`
                                      : error.message,
                                  ),
                                }),
                          onRight: ({ change, contentHash, jobId }) => {
                            const { entityId, entityType, path } = item.found
                            const key = { entityType, entityId }
                            return Effect.succeed({
                              outcome: savedAs(item, change, jobId),
                              row: isKey(key)
                                ? { ...key, path, fileHash: item.note.hash, contentHash }
                                : undefined,
                            })
                          },
                        })
                  })
                })

          const take = (read: ReadonlyArray<Read>) =>
            Effect.gen(function* () {
              const items = read.filter((one): one is Item => "found" in one)
              const there = yield* newest(items.flatMap(({ found }) => keyIn(found)))
              const settled = new Map<Read, Settled>()
              for (const item of items) {
                const done = yield* settle(item, there)
                if (Option.isSome(done)) settled.set(item, done.value)
              }
              const rest = items.filter((item) => !settled.has(item))
              for (const [at, done] of (yield* write(rest)).entries()) {
                const item = rest[at]
                if (item !== undefined) settled.set(item, done)
              }
              const all = read.flatMap((one) =>
                "found" in one ? (settled.get(one) ?? []) : { outcome: one },
              )
              yield* manifest.update(
                folder,
                all.flatMap(({ row }) => row ?? []),
                all.flatMap(({ forget = [] }) => forget),
              )
              const outcomes = all.map(({ outcome }) => outcome)
              const total = yield* Ref.updateAndGet(counts, (before) =>
                outcomes.reduce((sum, one) => ({ ...sum, [countOf(one)]: sum[countOf(one)] + 1 }), before),
              )
              if (rest.length > 0) yield* manifest.count(yield* batch, total, false)
              return outcomes
            })

          const finish = Effect.gen(function* () {
            const total = yield* Ref.get(counts)
            if (total.created + total.updated > 0) yield* manifest.count(yield* batch, total, true)
          })

          return Stream.fromIterable(seen).pipe(
            Stream.mapEffect((one) => readOne(folder, one), { concurrency: readAhead }),
            Stream.transduce(
              Sink.foldWeighted({
                initial: Chunk.empty<Read>(),
                maxCost: group.weight,
                cost: (_, one) => group.weight / group.most + ("note" in one ? one.note.content.length : 0),
                body: (some, one) => Chunk.append(some, one),
              }),
            ),
            Stream.mapEffect((some) => take(Chunk.toReadonlyArray(some))),
            Stream.flattenIterables,
            Stream.concat(Stream.drain(Stream.fromEffect(finish))),
          )
        }),
      )

    return { run }
  })

/** What became of a file, and what is to be remembered and forgotten of it. */
interface Settled {
  readonly outcome: FileOutcome
  readonly row?: Known | undefined
  readonly forget?: ReadonlyArray<string>
}

const savedAs = (
  { found: { entityId, entityType, path } }: Item,
  change: (FileOutcome & { readonly _tag: "Saved" })["change"],
  jobId: string,
): FileOutcome => ({ _tag: "Saved", path, entityId, entityType, change, jobId })

const readOne = (folder: string, one: Walk.Found | Walk.LeftOut): Effect.Effect<Read> =>
  one._tag === "LeftOut"
    ? Effect.succeed(skipped(one.path, "skipped", one.reason))
    : Effect.map(NoteFile.read(path.join(folder, one.path)), (read) =>
        read._tag === "Refused" ? skipped(one.path, read.kind, read.reason) : { found: one, note: read },
      )
