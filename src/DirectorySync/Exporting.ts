/**
 * From the box into the folder: the newest version of every entity, embedded or not, since what waits is what was written
 * last. A file is replaced only where it is what it was when it and its entity last agreed; where it is not, it stays, and
 * the version that would have replaced it stands beside it. What an entity's file says already is not written again.
 */
import * as path from "node:path"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { keyOf, keyText } from "../Domain/Entity.js"
import type { StorageError } from "../Domain/Errors.js"
import { reasonOf } from "../Domain/FileTrouble.js"
import type { EntityView } from "../EntityOverlay.js"
import { EntityService } from "../EntityService.js"
import * as Files from "./Files.js"
import * as FrontMatter from "../Domain/FrontMatter.js"
import { type Layout, pathOf } from "./Layout.js"
import type { Known, Manifest } from "./Manifest.js"
import * as NoteFile from "./NoteFile.js"
import type { EntityOutcome, ExportOutcome } from "./Outcome.js"

/** Entities that are read together. */
const pageSize = 100

/** Of a file that nobody has made. */
const extension = ".md"

export interface Settings {
  readonly layout: Layout
  /**
   * Where a file is gone and its note is what it was, the file is made anew, unless it is said here which were deleted: then
   * any other went since the folder was looked at, and the next look decides what that means.
   */
  readonly deleted?: ReadonlyArray<Known>
}

const folded = (at: string) => at.normalize("NFC").toLowerCase()

/** What became of an entity, and what is to be remembered. */
interface Settled {
  readonly outcome: EntityOutcome
  readonly row?: Known
}

export const make = (manifest: Manifest) =>
  Effect.gen(function* () {
    const service = yield* EntityService

    /** All entities of these types, a page at a time. */
    const entities = (entityTypes: ReadonlyArray<string>) =>
      Stream.paginateChunkEffect(
        Option.none<{ readonly entityType: string; readonly entityId: string }>(),
        (after) =>
          Effect.map(
            Effect.catchTag(
              service.listEntities({ entityTypes, limit: pageSize, after: Option.getOrUndefined(after) }),
              "InvalidEntity",
              Effect.die,
            ),
            (page) => {
              const last = page.at(-1)
              const next =
                page.length < pageSize || last === undefined
                  ? Option.none()
                  : Option.some(Option.some(keyOf(last)))
              return [Chunk.of(page), next]
            },
          ),
      )

    const run = (folder: string, { deleted, layout }: Settings): Stream.Stream<EntityOutcome, StorageError> =>
      Stream.unwrap(
        Effect.gen(function* () {
          const known = yield* manifest.load(folder)
          const byKey = new Map([...known.values()].map((row) => [keyText(row), row] as const))
          /** Paths by what a system takes for the same. */
          const taken = new Map([...known.keys()].map((at) => [folded(at), at] as const))
          const isDeleted = new Set(deleted?.map(({ path }) => path))

          const settle = (entity: EntityView) =>
            Effect.gen(function* () {
              const key = keyOf(entity)
              const { entityId, entityType } = key
              const no = (reason: string): Settled => ({
                outcome: { _tag: "Unexported", entityType, entityId, reason },
              })
              const row = byKey.get(keyText(key))
              const at =
                row?.path ??
                Option.getOrUndefined(Option.map(pathOf(key, layout), (stem) => `${stem}${extension}`))
              if (at === undefined) return no("its type has no folder here")
              const owner = row === undefined ? taken.get(folded(at)) : undefined
              if (owner !== undefined)
                return no(
                  owner === at
                    ? `its file would be ${at}, which is that of another note`
                    : `its file would be ${at}, which some systems take for ${owner}`,
                )
              // Two of this run may want the same file: the first has it.
              taken.set(folded(at), at)
              const done = (change: "created" | "updated" | "unchanged", fileHash: string): Settled => ({
                outcome: { _tag: "Exported", path: at, entityType, entityId, change },
                row: { ...key, path: at, fileHash, contentHash: entity.contentHash },
              })
              const file = path.join(folder, at)
              if (row?.contentHash === entity.contentHash) {
                // A change of the file is for an import to take, or was refused by one.
                if (!(yield* Files.isAbsent(file)))
                  return { outcome: done("unchanged", row.fileHash).outcome }
                if (isDeleted.has(at)) return no(`its file ${at} was deleted; the note is kept`)
                if (deleted !== undefined) return no(`its file ${at} is gone since the folder was looked at`)
              }
              yield* Files.checkInside(folder, at)
              const there = yield* Files.hashOf(file)
              const text = FrontMatter.fileOf(entity)
              const hash = NoteFile.hashOf(text)
              if (there === hash) return done("unchanged", hash)
              if (there === Files.absent || there === row?.fileHash) {
                yield* NoteFile.write(file, text)
                return done(there === Files.absent ? "created" : "updated", hash)
              }
              const kept = yield* Files.keepBeside(folder, at, text)
              const settled: Settled = {
                outcome: { _tag: "Conflict", path: at, entityType, entityId, kept },
                // What was kept is not kept again; the file is taken when it can be.
                row: { ...key, path: at, fileHash: row?.fileHash ?? "", contentHash: entity.contentHash },
              }
              return settled
            }).pipe(
              Effect.catchAll(({ error }) =>
                Effect.succeed<Settled>({
                  outcome: {
                    _tag: "Unexported",
                    entityType: entity.entityType,
                    entityId: entity.id,
                    reason: `its file cannot be written: ${reasonOf(error)}`,
                  },
                }),
              ),
            )

          const page = (some: ReadonlyArray<EntityView>) =>
            Effect.gen(function* () {
              const settled = yield* Effect.forEach(some, settle)
              const rows = settled.flatMap(({ row }) => row ?? [])
              yield* manifest.update(
                folder,
                rows.filter((row) => !isSame(byKey.get(keyText(row)), row)),
              )
              return settled.map(({ outcome }) => outcome)
            })

          return entities([...layout.types]).pipe(Stream.mapEffect(page), Stream.flattenIterables)
        }),
      )

    /** How many entities a run over this layout leaves out, of each type. */
    const leftOut = ({ types }: Layout): Stream.Stream<ExportOutcome, StorageError> =>
      Stream.fromIterableEffect(
        Effect.map(manifest.countsOutside([...types]), (counts) =>
          counts.map((of) => ({ _tag: "NoFolder" as const, ...of })),
        ),
      )

    return { run, leftOut }
  })

const isSame = (a: Known | undefined, b: Known) =>
  a?.path === b.path && a.fileHash === b.fileHash && a.contentHash === b.contentHash
