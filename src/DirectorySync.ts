/**
 * Keeps a folder of notes and the entities of the box in step. The folder is people's: a file says whose it is by where it
 * stands (`Layout`), what it is about by the fields at its head (`FrontMatter`), and it is never changed but by a whole
 * new version. What file and entity were like when they last agreed is remembered (`Manifest`); all that is decided, is
 * decided by comparing with that. Runs are streams of outcomes, one for each file, because the caller decides what to
 * show and what to add up.
 *
 * @example
 * import { DirectorySync } from "embedbox"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * export const imported = Effect.flatMap(DirectorySync.DirectorySync, (folders) =>
 *   folders.importFolder("/home/anna/notes").pipe(
 *     Stream.filter((outcome) => outcome._tag === "Saved"),
 *     Stream.runCount,
 *   ),
 * )
 */
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { defaultEntityType, EntityType } from "./Domain/Entity.js"
import { InvalidEntity, type StorageError } from "./Domain/Errors.js"
import * as Layout from "./DirectorySync/Layout.js"
import * as Manifest from "./DirectorySync/Manifest.js"
import type * as NoteFile from "./DirectorySync/NoteFile.js"
import type {
  ExportOutcome,
  FileOutcome,
  FolderOptions,
  ImportOptions,
  SyncOptions,
  SyncOutcome,
} from "./DirectorySync/Outcome.js"
import * as Syncing from "./DirectorySync/Syncing.js"
import { type FolderUnwatchable, type Pace } from "./DirectorySync/Watching.js"
import * as Watching from "./DirectorySync/Watching.js"
import type { FolderUnreadable } from "./DirectorySync/Walk.js"
import type { EmbeddingQueue } from "./EmbeddingQueue.js"
import type { EntityOverlay } from "./EntityOverlay.js"
import type { EntityRepository } from "./EntityRepository.js"
import type { EntityService } from "./EntityService.js"
import { Storage } from "./Storage.js"

export type {
  EntityOutcome,
  ExportOutcome,
  FileOutcome,
  FolderOptions,
  ImportOptions,
  SyncOptions,
  SyncOutcome,
} from "./DirectorySync/Outcome.js"
export { FolderUnwatchable, type Pace } from "./DirectorySync/Watching.js"
export { FolderUnreadable } from "./DirectorySync/Walk.js"
export type { Batch, Counts } from "./DirectorySync/Manifest.js"

/** What is taken for a note, the preferred first where two files would have the same id. */
export const extensions = [".md", ".markdown", ".txt"]

/** Imports, exports and keeps in step. */
export class DirectorySync extends Context.Tag("embedbox/DirectorySync")<
  DirectorySync,
  {
    /**
     * Imports every note below `folder`: one outcome per file, in the order of the walk. A field that a file does not have
     * is no opinion: what stands there stays. A type that is none is `InvalidEntity`.
     */
    readonly importFolder: (
      folder: string,
      options?: ImportOptions,
    ) => Stream.Stream<FileOutcome, FolderUnreadable | InvalidEntity | StorageError>
    /**
     * Writes the newest version of every entity into its file. Metadata stands at the head of a file, what the system knows
     * (times, hashes, jobs) nowhere. A file that was changed since is not replaced: see `Conflict`. Entities whose type has no
     * folder are counted at the end: see `NoFolder`.
     */
    readonly exportFolder: (
      folder: string,
      options?: FolderOptions,
    ) => Stream.Stream<ExportOutcome, InvalidEntity | StorageError>
    /** Both ways: see `Syncing`. */
    readonly syncFolder: (
      folder: string,
      options?: SyncOptions,
    ) => Stream.Stream<SyncOutcome, FolderUnreadable | InvalidEntity | StorageError>
    /** The same for as long as the stream is run, whenever something changed on either side: see `Watching`. */
    readonly watchFolder: (
      folder: string,
      options?: SyncOptions & { readonly pace?: Partial<Pace> | undefined },
    ) => Stream.Stream<SyncOutcome, FolderUnreadable | FolderUnwatchable | InvalidEntity | StorageError>
    /** What a run did and how its jobs stand. */
    readonly batch: (batchId: string) => Effect.Effect<Option.Option<Manifest.Batch>, StorageError>
  }
>() {}

const decodeType = Schema.decodeUnknown(EntityType)

const layoutOf = ({ entityType = defaultEntityType, types = [] }: FolderOptions) =>
  Effect.gen(function* () {
    return Layout.makeLayout(
      yield* Effect.forEach(types, (type) => decodeType(type)),
      yield* decodeType(entityType),
    )
  }).pipe(Effect.mapError(() => new InvalidEntity({ field: "entityType", reason: "must be a name" })))

const isFileOutcome = (outcome: SyncOutcome): outcome is FileOutcome =>
  outcome._tag === "Saved" || outcome._tag === "Skipped"

/** Makes the service. */
export const make = Effect.gen(function* () {
  const manifest = Manifest.make(yield* Storage)
  const { exporting, importing, run: sync } = yield* Syncing.make(manifest)
  const watching = yield* Watching.make

  /** A run over a folder as it is laid out. */
  const over = <A, E>(
    options: FolderOptions,
    run: (layout: Layout.Layout, taken: ReadonlyArray<string>) => Stream.Stream<A, E>,
  ) => Stream.unwrap(Effect.map(layoutOf(options), (layout) => run(layout, options.extensions ?? extensions)))

  return DirectorySync.of({
    importFolder: (folder, options = {}) =>
      over(options, (layout, extensions) =>
        Stream.filter(
          importing.run(
            path.resolve(folder),
            {
              layout,
              extensions,
              mode: options.existing === "keep" ? "keep" : "import",
              deletions: false,
              priority: options.priority,
            },
            () => Stream.empty,
          ),
          isFileOutcome,
        ),
      ),
    exportFolder: (folder, options = {}) =>
      over(options, (layout) =>
        Stream.concat(exporting.run(path.resolve(folder), { layout }), exporting.leftOut(layout)),
      ),
    syncFolder: (folder, { deletions = false, ...options } = {}) =>
      over(options, (layout, extensions) => sync(path.resolve(folder), { layout, extensions, deletions })),
    watchFolder: (folder, { deletions = false, pace: given = {}, ...options } = {}) =>
      over(options, (layout, extensions) => {
        const root = path.resolve(folder)
        const pace = { ...Watching.defaultPace, ...given }
        const quietMillis = Duration.toMillis(pace.quiet)
        const memory: NoteFile.Memory = new Map()
        return watching.watch(
          root,
          sync(root, { layout, extensions, deletions, quietMillis, memory }),
          pace,
          Effect.sync(() => memory.clear()),
        )
      }),
    batch: manifest.batch,
  })
})

/** The service over what it stands on, as a Layer. */
export const layer: Layer.Layer<
  DirectorySync,
  never,
  Storage | EmbeddingQueue | EntityOverlay | EntityRepository | EntityService
> = Layer.effect(DirectorySync, make)
