/**
 * A consistent copy of the database, made while others work on it: SQLite writes one snapshot into a new file and
 * holds up nobody. The copy grows beside its target under another name and gets its own when it is whole and on the
 * disk, so whoever sees the target may trust it; a target that is there already is never replaced.
 *
 * @example
 * import { Backup, Shell } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const copied = Effect.provide(Backup.make("notes-copy.sqlite"), Shell.layerWithoutWorker)
 */
import * as fs from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { v4 as randomId } from "uuid"
import { reasonOf } from "./Domain/FileTrouble.js"
import { Storage } from "./Storage.js"

/** No copy was made, and nothing was left behind. */
export class BackupRefused extends Schema.TaggedError<BackupRefused>()("BackupRefused", {
  path: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/** A copy, and what is in it. */
export const Copy = Schema.Struct({
  path: Schema.String,
  bytes: Schema.Int,
  /** Entities that are embedded and stored. */
  entities: Schema.Int,
  /** Boxes that wait for their embedding, or were in a worker's hand. */
  waiting: Schema.Int,
  /** Boxes whose embedding failed. */
  failed: Schema.Int,
})
export interface Copy extends Schema.Schema.Type<typeof Copy> {}

const Counts = Schema.NonEmptyArray(Schema.Struct(Copy.omit("path", "bytes").fields))

/** Asks the copy itself, opened read-only: also a proof that it opens. */
const countIn = (file: string) =>
  Effect.flatMap(
    SqliteClient.make({ filename: file, readonly: true, disableWAL: true }),
    (sql) => sql`SELECT (SELECT count(*) FROM entities) AS entities,
      (SELECT count(*) FROM embedding_queue WHERE status IN ('pending', 'processing')) AS waiting,
      (SELECT count(*) FROM embedding_queue WHERE status = 'failed') AS failed`,
  ).pipe(
    Effect.flatMap(Schema.decodeUnknown(Counts)),
    Effect.map(([counts]) => counts),
    Effect.scoped,
    Effect.provide(Reactivity.layer),
  )

const codeOf = (cause: unknown) => (Predicate.hasProperty(cause, "code") ? cause.code : undefined)

/** Copies the database to `target`, which must not exist, in a folder that does. */
export const make = (target: string) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const path = resolve(target)
    const refusal = new BackupRefused({
      path,
      reason: "it exists already, and a backup never replaces anything",
    })
    const touch = <A>(work: () => PromiseLike<A>) =>
      Effect.tryPromise({
        try: work,
        catch: (cause) =>
          codeOf(cause) === "EEXIST"
            ? refusal
            : new BackupRefused({ path, reason: `it cannot be written: ${reasonOf(cause)}` }),
      })

    /** SQLite leaves a copy to the system's leisure; a backup must outlive the power. */
    const flush = (file: string) =>
      Effect.acquireUseRelease(
        touch(() => fs.open(file, "r")),
        (handle) => touch(() => handle.sync()),
        (handle) => Effect.promise(() => handle.close()),
      )

    const folder = yield* touch(() => fs.readdir(dirname(path)))
    if (folder.includes(basename(path))) return yield* refusal

    const draft = yield* Effect.acquireRelease(
      Effect.sync(() => join(dirname(path), `.${basename(path)}.${randomId()}.tmp`)),
      (file) => Effect.ignore(touch(() => fs.rm(file, { force: true }))),
    )
    // Made by us, for our eyes only and to learn of a folder that is not there; SQLite fills an empty file.
    yield* Effect.acquireUseRelease(
      touch(() => fs.open(draft, "wx", 0o600)),
      () => Effect.void,
      (handle) => Effect.promise(() => handle.close()),
    )
    yield* storage.read(storage.sql`VACUUM INTO ${draft}`)
    const counts = yield* storage.read(countIn(draft))
    yield* flush(draft)
    const { size } = yield* touch(() => fs.stat(draft))
    // A link cannot replace anything, whoever was faster; some disks have none.
    yield* touch(() => fs.link(draft, path)).pipe(
      Effect.catchIf(
        (error) => error !== refusal,
        () => touch(() => fs.rename(draft, path)),
      ),
    )
    yield* flush(dirname(path))
    const copy: Copy = { path, bytes: size, ...counts }
    return copy
  }).pipe(Effect.scoped, Effect.withSpan("Backup.make"))
