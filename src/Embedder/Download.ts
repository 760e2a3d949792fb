/**
 * Fetches a model that fastembed knows, wrapped for what its downloader leaves out: it knows no checksum, no lock and no
 * parent folder, takes any folder that exists for a whole model, and keeps a bad archive for ever. So `Archive` brings
 * the archive, fastembed unpacks it in an empty folder of its own, and only what it could then load as a model is moved
 * into the cache; processes that want the same model wait for one of them. A failure says which model, which host, and
 * what to do.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { EmbeddingError } from "../Domain/Errors.js"
import * as ModelFolder from "./ModelFolder.js"
import { folderFiles, folderName, type Model } from "./models.js"

/** Where fastembed's archives are. */
export const host = "storage.googleapis.com"

/** How long a holder of the lock may give no sign of life. */
const lockTimeout = Duration.seconds(60)
const heartbeat = Duration.seconds(10)
const poll = Duration.seconds(1)

/** What fastembed threw while it downloaded or loaded. */
export class RetrieveError extends Schema.TaggedError<RetrieveError>()("RetrieveError", {
  cause: Schema.Defect,
}) {}

/** Brings a model into an empty folder: `<folder>/<archive>/…`. Resolves when it has loaded it from there. */
export type Retrieve<R = never> = (folder: string) => Effect.Effect<void, EmbeddingError | RetrieveError, R>

const unreachable = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
])

/** What the host's disk says; no network mends that. */
const unwritten = new Set(["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"])

const unwritable = (place: string) => (cause: PlatformError) =>
  new EmbeddingError({ fault: "host", reason: `${place} cannot be written: ${cause.message}`, cause })

const codeOf = (cause: unknown): string | undefined => {
  if (Predicate.hasProperty(cause, "code") && typeof cause.code === "string") return cause.code
  // Several addresses were tried: Node gathers what became of each.
  if (Predicate.hasProperty(cause, "errors") && Array.isArray(cause.errors)) return codeOf(cause.errors[0])
  return undefined
}

/** Why a download failed, as the user needs it. `folder` is where he may put the model by hand. */
export const toError =
  (model: Model, folder: string) =>
  (cause: unknown): EmbeddingError => {
    const code = codeOf(cause)
    if (code !== undefined && unwritten.has(code)) {
      const reason = `the model ${model.name} cannot be written below ${folder}: ${code}`
      return new EmbeddingError({ fault: "host", reason, cause })
    }
    const happened =
      code !== undefined && (unreachable.has(code) || code.startsWith("CERT_"))
        ? `${host} could not be reached (${code})`
        : `what came from ${host} is not the model (${cause instanceof Error ? cause.message : String(cause)})`
    return new EmbeddingError({
      fault: "provider",
      reason:
        `the model ${model.name} could not be downloaded: ${happened}. ` +
        `Try again with a network that reaches ${host}, or put ${folderFiles(model).join(", ")} into ${folder}, ` +
        `or use the bundled model (EMBEDBOX_MODEL=all-MiniLM-L6-v2), which needs no download`,
      cause,
    })
  }

/**
 * Holds a lock file for the scope. Its time of change is the holder's heartbeat, because a process id says nothing in
 * another container. Two that find the same dead lock may both go on: then both download, and one folder wins.
 */
const holdLock = (
  file: string,
  model: Model,
): Effect.Effect<void, EmbeddingError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const take = fs.writeFileString(file, "", { flag: "wx" }).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => error._tag === "SystemError" && error.reason === "AlreadyExists",
        () => Effect.succeed(false),
      ),
    )
    const removeDead = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { mtime } = yield* fs.stat(file)
      const age = Option.match(mtime, { onNone: () => 0, onSome: (changed) => now - changed.getTime() })
      if (age > Duration.toMillis(lockTimeout)) yield* fs.remove(file)
    }).pipe(Effect.ignore)

    const acquire = Effect.gen(function* () {
      if (yield* take) return
      yield* Effect.logInfo("another process is downloading the model").pipe(
        Effect.annotateLogs({ model: model.name, lock: file }),
      )
      yield* Effect.repeat(Effect.zipRight(removeDead, take), {
        until: (taken) => taken,
        schedule: Schedule.spaced(poll),
      })
    })
    yield* Effect.acquireRelease(Effect.interruptible(acquire), () => Effect.ignore(fs.remove(file)))
    yield* Effect.flatMap(Clock.currentTimeMillis, (now) => fs.utimes(file, now / 1000, now / 1000)).pipe(
      Effect.ignore,
      Effect.delay(heartbeat),
      Effect.forever,
      Effect.forkScoped,
    )
  }).pipe(Effect.mapError(unwritable(file)))

/** Has `retrieve` fill a folder inside the empty one, and moves the model's files out of it. */
const build =
  <R>(model: Model, archive: string, folder: string, retrieve: Retrieve<R>) =>
  (empty: string) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const within = path.join(empty, archive)
      yield* retrieve(empty)
      yield* Effect.forEach(
        folderFiles(model),
        (name) => fs.rename(path.join(within, name), path.join(empty, name)),
        { discard: true },
      )
      yield* fs.remove(within, { recursive: true, force: true })
    }).pipe(
      Effect.mapError((error) =>
        error._tag === "EmbeddingError"
          ? error
          : toError(model, folder)(error._tag === "RetrieveError" ? error.cause : error),
      ),
    )

/** A model's folder, and how it came to be there. */
export interface Found {
  readonly folder: string
  readonly outcome: ModelFolder.Outcome
}

/** Where the beginning of a model's archive lies until it is whole. */
export const partOf = (cacheDir: string, model: Model): Effect.Effect<string, never, Path.Path> =>
  Effect.map(Path.Path, (path) => path.resolve(cacheDir, "models", `.${folderName(model)}.part`))

/** The folder of a model that is downloaded, fetched when it is not there or damaged. */
export const ensure = <R = never>(options: {
  readonly cacheDir: string
  readonly model: Model
  readonly archive: string
  readonly retrieve: Retrieve<R>
}): Effect.Effect<Found, EmbeddingError, Exclude<R, Scope.Scope> | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* (): Effect.fn.Return<
    Found,
    EmbeddingError,
    R | FileSystem.FileSystem | Path.Path | Scope.Scope
  > {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { archive, cacheDir, model, retrieve } = options
    const parent = path.resolve(cacheDir, "models")
    const folder = path.join(parent, folderName(model))
    // A folder that is whole needs no lock, and so no right to write either.
    const before = yield* Effect.mapError(ModelFolder.inspect(folder), unwritable(folder))
    if (before === "intact") return { folder, outcome: "present" }
    if (before === "unsealed") return { folder, outcome: "placed by hand" }
    yield* Effect.mapError(fs.makeDirectory(parent, { recursive: true }), unwritable(parent))
    yield* holdLock(path.join(parent, `.${folderName(model)}.lock`), model)
    const outcome = yield* ModelFolder.ensure({
      folder,
      byHand: true,
      build: build(model, archive, folder, retrieve),
    })
    return { folder, outcome }
  }).pipe(Effect.scoped)
