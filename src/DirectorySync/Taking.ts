/**
 * What is done about a group of files that were read. `Verdict` says what; here it is done: what needs no text written is
 * done one by one, everything else is written together, and then it is remembered how file and entity agree now. A run
 * that is cut off in between finds at the next look that they agree already.
 */
import * as path from "node:path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type EntityKey, keyText } from "../Domain/Entity.js"
import { type InvalidEntity, StorageError } from "../Domain/Errors.js"
import { reasonOf } from "../Domain/FileTrouble.js"
import { EntityService } from "../EntityService.js"
import * as Current from "./Current.js"
import * as Files from "./Files.js"
import * as FrontMatter from "../Domain/FrontMatter.js"
import type { Known } from "./Manifest.js"
import type * as NoteFile from "./NoteFile.js"
import type { FileOutcome, SyncOutcome } from "./Outcome.js"
import { type Mode, type Verdict, verdictOf } from "./Verdict.js"
import type * as Walk from "./Walk.js"

/** A file with what it holds. */
export interface Item {
  readonly found: Walk.Found
  readonly note: NoteFile.NoteFile
}

/** What became of a file, and what is to be remembered and forgotten of it. */
export interface Settled {
  readonly outcomes: ReadonlyArray<SyncOutcome>
  readonly row?: Known | undefined
  readonly forget?: ReadonlyArray<string>
}

/** What a run knows. */
export interface Run {
  readonly folder: string
  readonly mode: Mode
  readonly deletions: boolean
  readonly priority: number | undefined
  /** All that is remembered, by path. */
  readonly known: ReadonlyMap<string, Known>
  /** Takes one of those whose file is gone and had this text. */
  readonly claimGone: (fileHash: string) => Effect.Effect<Option.Option<Known>>
  /** The batch of what is written: it is there before its first job. */
  readonly batch: Effect.Effect<string, StorageError>
}

/** A file, and what is known about it. */
interface Look extends Current.Current {
  readonly item: Item
  readonly verdict: Verdict
}

export const skipped = (
  at: string,
  kind: NoteFile.Refused["kind"],
  reason: string,
): FileOutcome & { readonly _tag: "Skipped" } => ({ _tag: "Skipped", path: at, kind, reason })

export const savedAs = (
  { entityId, entityType, path }: Walk.Found,
  change: (FileOutcome & { readonly _tag: "Saved" })["change"],
  jobId: string,
): FileOutcome => ({ _tag: "Saved", path, entityId, entityType, change, jobId })

const flawText = ({ field, reason }: InvalidEntity) => `${field} ${reason}`

const settledAs = (outcome: SyncOutcome): Settled => ({ outcomes: [outcome] })

export const make = Effect.gen(function* () {
  const service = yield* EntityService
  const currentOf = yield* Current.make

  const looks = (items: ReadonlyArray<Item>, { known, mode }: Run) =>
    Effect.map(
      currentOf(
        items.map(({ found }) => found),
        known,
      ),
      (currents) =>
        Arr.zipWith(items, currents, (item, about): Look => {
          const verdict = about.key === undefined ? "write" : verdictOf(item.note, { ...about, mode })
          return { item, ...about, verdict }
        }),
    )

  /** Whose text this was, under another path or another key. */
  const originOf = ({ found, note }: Item, { claimGone, known }: Run) => {
    const here = known.get(found.path)
    return here?.fileHash === note.hash ? Effect.succeedSome(here) : claimGone(note.hash)
  }

  const move = (item: Item, from: Known, to: EntityKey) =>
    service.moveEntity(from, to).pipe(
      Effect.map(({ jobId }) =>
        Option.some<Settled>({
          outcomes: [savedAs(item.found, "moved", jobId)],
          row: { ...from, ...to, path: item.found.path },
          forget: from.path === item.found.path ? [] : [from.path],
        }),
      ),
      // Deleted meanwhile, or its new place is taken: then it is written like any other.
      Effect.catchTags({
        EntityNotFound: () => Effect.succeedNone,
        EntityAlreadyExists: () => Effect.succeedNone,
        QueueFull: () => Effect.succeedNone,
        InvalidEntity: (error) =>
          Effect.succeedSome(settledAs(skipped(item.found.path, "quarantined", flawText(error)))),
      }),
    )

  const removeFile = (
    { found: { entityId, entityType, path: at }, note }: Item,
    { deletions, folder }: Run,
  ): Effect.Effect<Settled> =>
    deletions
      ? Effect.match(Files.removeIf(path.join(folder, at), note.hash), {
          onFailure: ({ error }) =>
            settledAs(skipped(at, "skipped", `cannot be removed: ${reasonOf(error)}`)),
          onSuccess: (isGone) =>
            isGone
              ? {
                  outcomes: [{ _tag: "Removed", side: "file", path: at, entityType, entityId }],
                  forget: [at],
                }
              : settledAs(skipped(at, "transient", "its note was deleted, but it was changed meanwhile")),
        })
      : Effect.succeed(settledAs(skipped(at, "skipped", "its note was deleted; the file is kept")))

  /** What can be done, or told, without writing the text. */
  const settle = ({ current, item, key, verdict }: Look, run: Run) => {
    const told = (outcome: FileOutcome) => Effect.succeedSome(settledAs(outcome))
    switch (verdict) {
      case "unchanged":
      case "kept":
        return current === undefined || current instanceof StorageError
          ? Effect.succeedNone
          : told(savedAs(item.found, verdict, current.embedding.jobId))
      case "unreadable":
        return current instanceof StorageError
          ? told(skipped(item.found.path, "skipped", current.reason))
          : Effect.succeedNone
      case "deleted":
        return Effect.asSome(removeFile(item, run))
      case "conflict":
        return Effect.succeedNone
      case "write": {
        if (key === undefined || current !== undefined) return Effect.succeedNone
        return Effect.flatMap(
          originOf(item, run),
          Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (origin) =>
              keyText(origin) === keyText(key) ? Effect.succeedNone : move(item, origin, key),
          }),
        )
      }
    }
  }

  /** Keeps what loses: both sides were changed, and the file wins. Where it cannot be kept, it does not lose. */
  const keepLoser = ({ current, item: { found }, verdict }: Look, { folder }: Run) =>
    verdict !== "conflict" || current === undefined || current instanceof StorageError
      ? Effect.succeed(Either.right<ReadonlyArray<SyncOutcome>>([]))
      : Effect.match(Files.keepBeside(folder, found.path, FrontMatter.fileOf(current)), {
          onFailure: ({ error }) =>
            Either.left(
              skipped(
                found.path,
                "skipped",
                `both sides changed, and one cannot be kept: ${reasonOf(error)}`,
              ),
            ),
          onSuccess: (kept) => {
            const { entityId, entityType, path: at } = found
            return Either.right<ReadonlyArray<SyncOutcome>>([
              { _tag: "Conflict", path: at, entityType, entityId, kept },
            ])
          },
        })

  const writeAll = (all: ReadonlyArray<Look>, { batch, priority }: Run) =>
    Effect.gen(function* () {
      if (all.length === 0) return []
      const written = yield* service.upsertEntities(
        all.map(({ item: { found, note } }) => ({
          id: found.entityId,
          entityType: found.entityType,
          content: note.content,
          metadata: note.fields,
        })),
        { metadata: "merge", batchId: yield* batch, priority },
      )
      return yield* Effect.forEach(all, ({ item, key }, at) =>
        Either.match(written[at] ?? Either.left(undefined), {
          onLeft: (error): Effect.Effect<Settled, StorageError> => {
            if (error === undefined) return Effect.dieMessage("a write without an answer")
            if (error._tag === "StorageError" && error.trouble !== "InvalidRow") return Effect.fail(error)
            const reason = error._tag === "InvalidEntity" ? flawText(error) : error.message
            return Effect.succeed(settledAs(skipped(item.found.path, "quarantined", reason)))
          },
          onRight: ({ change, contentHash, jobId }) =>
            Effect.succeed<Settled>({
              outcomes: [savedAs(item.found, change, jobId)],
              row: key && { ...key, path: item.found.path, fileHash: item.note.hash, contentHash },
            }),
        }),
      )
    })

  /** What became of each, in order. Those that wrote have a job in the batch of the run. */
  const take = (items: ReadonlyArray<Item>, run: Run): Effect.Effect<ReadonlyArray<Settled>, StorageError> =>
    Effect.gen(function* () {
      const settled = new Map<Item, Settled>()
      const toWrite: Array<Look> = []
      const losers = new Map<Item, ReadonlyArray<SyncOutcome>>()
      for (const look of yield* looks(items, run)) {
        const done = yield* settle(look, run)
        if (Option.isSome(done)) {
          settled.set(look.item, done.value)
          continue
        }
        const loser = yield* keepLoser(look, run)
        if (Either.isLeft(loser)) settled.set(look.item, settledAs(loser.left))
        else {
          losers.set(look.item, loser.right)
          toWrite.push(look)
        }
      }
      for (const [at, done] of (yield* writeAll(toWrite, run)).entries()) {
        const item = toWrite[at]?.item
        if (item === undefined) continue
        settled.set(item, { ...done, outcomes: [...(losers.get(item) ?? []), ...done.outcomes] })
      }
      return items.flatMap((item) => settled.get(item) ?? [])
    })

  return { take }
})
