/**
 * Both ways in one run: what changed in the folder is taken first, since a file wins over its entity where both changed;
 * then what is gone from the folder is done with; then what changed in the box is written. A deletion goes to the other
 * side only where that is wished, only of what is there as it was when both agreed, and never where nothing is left in
 * the folder, because then it is the disk that is gone.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StorageError } from "../Domain/Errors.js"
import { EntityService } from "../EntityService.js"
import { Storage } from "../Storage.js"
import type { Seen } from "./Importing.js"
import * as Files from "./Files.js"
import * as Exporting from "./Exporting.js"
import * as Importing from "./Importing.js"
import type { Layout } from "./Layout.js"
import type { Known, Manifest } from "./Manifest.js"
import type { SyncOutcome } from "./Outcome.js"
import * as Taking from "./Taking.js"
import type { FolderUnreadable } from "./Walk.js"

export const make = (manifest: Manifest) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const service = yield* EntityService
    const importing = yield* Importing.make(manifest)
    const exporting = yield* Exporting.make(manifest)

    /** What became of the entity of a file that is gone: `changed` since they agreed, it is written anew. */
    const removeEntity = (folder: string, row: Known, deletions: boolean) =>
      Effect.flatMap(Files.isAbsent(path.join(folder, row.path)), (isGone) =>
        // It is there, and only left out: nobody deleted it.
        isGone ? removeGone(row, deletions) : Effect.succeed("kept" as const),
      )

    const removeGone = (row: Known, deletions: boolean) =>
      storage
        .write(
          Effect.gen(function* () {
            const entity = yield* service.getEntity(row.entityId, row.entityType)
            if (entity.contentHash !== row.contentHash) return "changed" as const
            if (!deletions) return "kept" as const
            yield* service.deleteEntity(row.entityId, row.entityType)
            return "removed" as const
          }),
        )
        .pipe(
          Effect.catchTags({
            EntityNotFound: () => Effect.succeed("gone" as const),
            AmbiguousEntityId: Effect.die,
          }),
        )

    const afterImport = (folder: string, layout: Layout, deletions: boolean) => (seen: Seen) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const isEmptied = seen.gone.length > 0 && !seen.hasNotes
          const settled = yield* Effect.forEach(seen.gone, (row) =>
            Effect.map(removeEntity(folder, row, deletions && !isEmptied), (what) => ({ row, what })),
          )
          yield* manifest.update(
            folder,
            [],
            settled.flatMap(({ row, what }) => (what === "kept" ? [] : [row.path])),
          )
          const told = settled.flatMap(
            ({ row: { entityId, entityType, path }, what }): ReadonlyArray<SyncOutcome> =>
              what === "removed" ? [{ _tag: "Removed", side: "entity", path, entityType, entityId }] : [],
          )
          const warning =
            isEmptied && deletions
              ? [
                  Taking.skipped(
                    "",
                    "transient",
                    "nothing is left in the folder: no note was deleted (is it mounted?)",
                  ),
                ]
              : []
          const deleted = settled.flatMap(({ row, what }) => (what === "kept" ? [row] : []))
          return Stream.concat(
            Stream.fromIterable<SyncOutcome>([...warning, ...told]),
            // An emptied folder is not filled again: that is for whoever emptied it to wish.
            isEmptied ? Stream.empty : exporting.run(folder, { layout, deleted }),
          )
        }),
      )

    const run = (
      folder: string,
      settings: Omit<Importing.Settings, "mode" | "priority">,
    ): Stream.Stream<SyncOutcome, FolderUnreadable | StorageError> =>
      importing.run(
        folder,
        { ...settings, mode: "sync", priority: undefined },
        afterImport(folder, settings.layout, settings.deletions),
      )

    return { importing, exporting, run }
  })
