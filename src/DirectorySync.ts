/**
 * Brings a folder of notes into the box. Files are walked in a fixed order, read a few at a time, and written one
 * after the other, so that neither 100,000 files nor their contents are ever in memory and two runs do the same. A
 * file that cannot be a note is an outcome with its reason, never an error: one bad file does not stop an import.
 * The result is a stream, because the caller decides what to show and what to add up.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { defaultEntityType, type EntityInput, maxContentBytes } from "./Domain/Entity.js"
import type { AmbiguousEntityId, EntityNotFound, QueueFull, StorageError } from "./Domain/Errors.js"
import { reasonOf } from "./Domain/FileTrouble.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityService } from "./EntityService.js"

/** What is taken for a note, the preferred first where two files would have the same id. */
export const extensions = [".md", ".markdown", ".txt"]

/** The folder itself cannot be read; what is below it can only be skipped. */
export class FolderUnreadable extends Schema.TaggedError<FolderUnreadable>()("FolderUnreadable", {
  folder: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `the folder ${this.folder} cannot be read: ${this.reason}`
  }
}

/** What became of one file. `path` is relative to the folder, with forward slashes. */
export type FileOutcome =
  | {
      readonly _tag: "Saved"
      readonly path: string
      readonly entityId: string
      readonly entityType: string
      /** `kept`: the entity was there already and was not to be replaced. */
      readonly change: "created" | "updated" | "unchanged" | "kept"
      /** The job that embeds or embedded it. */
      readonly jobId: string
      readonly millis: number
    }
  | { readonly _tag: "Skipped"; readonly path: string; readonly reason: string }

export interface ImportOptions {
  /** The type of every entity. Default `base`. */
  readonly entityType?: string | undefined
  /** What to do about entities that exist: make them equal to their file (the default), or leave them. */
  readonly existing?: "replace" | "keep" | undefined
  /** The higher number is embedded first. Default 0. */
  readonly priority?: number | undefined
  /** What is taken for a note, the preferred first. Default `extensions`. */
  readonly extensions?: ReadonlyArray<string> | undefined
}

/** Files that are read ahead of the one being written: at most this many contents are in memory. */
const readAhead = 8

// ---- walking -----------------------------------------------------------------------------------------------

interface Found {
  readonly file: string
  readonly path: string
  readonly entityId: string
}

type Seen = Found | (FileOutcome & { readonly _tag: "Skipped" })

const skipped = (at: string, reason: string): FileOutcome & { readonly _tag: "Skipped" } => ({
  _tag: "Skipped",
  path: at,
  reason,
})

const inOrder = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

const list = (folder: string) =>
  Effect.tryPromise({
    try: () => fs.readdir(folder, { withFileTypes: true }),
    catch: (cause) => new FolderUnreadable({ folder, reason: reasonOf(cause) }),
  })

/** Neither hidden folders nor installed packages hold anybody's notes. */
const isEntered = (name: string) => !name.startsWith(".") && name !== "node_modules"

/** The notes below a folder, depth first, in the order of their names. Symbolic links are not followed. */
const walk = (
  root: string,
  below: string,
  taken: ReadonlyArray<string>,
): Stream.Stream<Seen, FolderUnreadable> =>
  Effect.map(list(path.join(root, below)), (entries) => {
    const at = (name: string) => (below === "" ? name : `${below}/${name}`)
    const notes = entries
      .filter((entry) => entry.isFile() && taken.includes(path.extname(entry.name).toLowerCase()))
      .map(({ name }) => {
        const extension = path.extname(name)
        return {
          name,
          rank: taken.indexOf(extension.toLowerCase()),
          entityId: at(name.slice(0, -extension.length)),
        }
      })
      .toSorted((a, b) => a.rank - b.rank || inOrder(a.name, b.name))
    const owners = new Map<string, string>()
    for (const note of notes) if (!owners.has(note.entityId)) owners.set(note.entityId, note.name)
    const seen = new Map(
      notes.map(({ entityId, name }): readonly [string, Seen] => {
        const owner = owners.get(entityId)
        return [
          name,
          owner === name || owner === undefined
            ? { file: path.join(root, below, name), path: at(name), entityId }
            : skipped(at(name), `has the same id as ${at(owner)}`),
        ]
      }),
    )
    return Stream.fromIterable(entries.toSorted((a, b) => inOrder(a.name, b.name))).pipe(
      Stream.flatMap((entry) => {
        const one = seen.get(entry.name)
        if (one !== undefined) return Stream.succeed(one)
        return entry.isDirectory() && isEntered(entry.name)
          ? Stream.catchAll(walk(root, at(entry.name), taken), ({ reason }) =>
              Stream.succeed(skipped(`${at(entry.name)}/`, `cannot be read: ${reason}`)),
            )
          : Stream.empty
      }),
    )
  }).pipe(Stream.unwrap)

// ---- reading -----------------------------------------------------------------------------------------------

const utf8 = new TextDecoder("utf-8", { fatal: true })

const tooLarge = (bytes: number) => `is too large: ${bytes} bytes, at most ${maxContentBytes} are taken`

/** The text of a note, or why it is none. */
const read = (found: Found) =>
  Effect.gen(function* () {
    const { size } = yield* Effect.tryPromise(() => fs.stat(found.file))
    if (size > maxContentBytes) return skipped(found.path, tooLarge(size))
    const bytes = yield* Effect.tryPromise(() => fs.readFile(found.file))
    if (bytes.byteLength > maxContentBytes) return skipped(found.path, tooLarge(bytes.byteLength))
    const content = yield* Effect.try(() => utf8.decode(bytes)).pipe(Effect.option)
    if (content._tag === "None") return skipped(found.path, "is not valid UTF-8")
    if (content.value.trim() === "") return skipped(found.path, "is empty")
    return { ...found, content: content.value }
  }).pipe(
    Effect.catchAll(({ error }) => Effect.succeed(skipped(found.path, `cannot be read: ${reasonOf(error)}`))),
  )

// ---- writing -----------------------------------------------------------------------------------------------

type Written = { readonly change: "created" | "updated" | "unchanged" | "kept"; readonly jobId: string }

const write = (
  service: typeof EntityService.Service,
  input: EntityInput & { readonly id: string; readonly entityType: string },
  { existing = "replace", priority }: ImportOptions,
) => {
  if (existing === "replace") return service.upsertEntity(input, { priority })
  const kept: Effect.Effect<Written, AmbiguousEntityId | EntityNotFound | StorageError> = Effect.map(
    service.getEntity(input.id, input.entityType),
    ({ embedding }) => ({ change: "kept", jobId: embedding.jobId }),
  )
  return service.createEntityAsync(input, { priority }).pipe(
    Effect.map(({ jobId }): Written => ({ change: "created", jobId })),
    Effect.catchTag("EntityAlreadyExists", () => kept),
  )
}

/**
 * Imports every note below `folder`: one outcome per file, in the order of the walk. The id of an entity is the path
 * of its file below the folder, without the extension; of files that differ in the extension only, the first of
 * the extensions is taken and the others are skipped.
 */
export const importFolder = (
  folder: string,
  options: ImportOptions = {},
): Stream.Stream<FileOutcome, FolderUnreadable | StorageError, EntityService | EmbeddingQueue> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const service = yield* EntityService
      const queue = yield* EmbeddingQueue
      /** An import is in no hurry. */
      const writeWhenRoom = (
        input: Parameters<typeof write>[1],
      ): Effect.Effect<Written, Exclude<Effect.Effect.Error<ReturnType<typeof write>>, QueueFull>> =>
        Effect.catchTag(write(service, input, options), "QueueFull", () =>
          Effect.zipRight(
            queue.awaitRoom,
            Effect.suspend(() => writeWhenRoom(input)),
          ),
        )
      const entityType = options.entityType ?? defaultEntityType
      return walk(path.resolve(folder), "", options.extensions ?? extensions).pipe(
        Stream.mapEffect((one) => ("file" in one ? read(one) : Effect.succeed(one)), {
          concurrency: readAhead,
        }),
        Stream.mapEffect((one): Effect.Effect<FileOutcome, StorageError> => {
          if (!("content" in one)) return Effect.succeed(one)
          const { content, entityId, path: at } = one
          return writeWhenRoom({ id: entityId, entityType, content }).pipe(
            Effect.timed,
            Effect.map(
              ([took, { change, jobId }]): FileOutcome => ({
                _tag: "Saved",
                path: at,
                entityId,
                entityType,
                change,
                jobId,
                millis: Duration.toMillis(took),
              }),
            ),
            Effect.catchTags({
              InvalidEntity: ({ field, reason }) => Effect.succeed(skipped(at, `${field} ${reason}`)),
              // Deleted by somebody between the two looks: the next import will bring it back.
              EntityNotFound: () => Effect.succeed(skipped(at, "was deleted meanwhile")),
              AmbiguousEntityId: (error) => Effect.succeed(skipped(at, error.message)),
              // What stands there is to be kept and cannot be read: that is no matter of the other files.
              StorageError: (error) =>
                error.trouble === "InvalidRow"
                  ? Effect.succeed(skipped(at, error.reason))
                  : Effect.fail(error),
            }),
          )
        }),
      )
    }),
  )
