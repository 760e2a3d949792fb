/**
 * Puts a model's folder into the cache whole or not at all. Whoever makes one works in a hidden sibling folder, whose
 * files are written through to the disk and then appear under their real name by one rename, together with a manifest
 * of their hashes. So a process that dies leaves nothing that looks like a model, two that race both end with a whole
 * folder (the slower one uses the faster one's), and a folder that was damaged later is known as such and made again.
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { EmbeddingError } from "../Domain/Errors.js"

/** The file beside the model's own that lists their hashes. */
export const manifestFile = "manifest.json"

const Manifest = Schema.parseJson(
  Schema.Struct({ sha256: Schema.Record({ key: Schema.String, value: Schema.String }) }),
)
const decodeManifest = Schema.decode(Manifest)
const encodeManifest = Schema.encode(Manifest)

/** `unsealed` is a folder with files but without our manifest: somebody put it there by hand. */
export type Condition = "missing" | "unsealed" | "damaged" | "intact"

/** How long the remains of a process that died while making a folder are left alone. */
const leftoverAge = Duration.days(1)

const hashOf = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const hash = yield* Stream.runFold(
      fs.stream(file, { chunkSize: 1 << 20 }),
      createHash("sha256"),
      (hash, bytes) => hash.update(bytes),
    )
    return hash.digest("hex")
  })

/** Compares a folder with its manifest. Reads every file: a model is loaded seldom, and never wrong. */
export const inspect = (
  folder: string,
): Effect.Effect<Condition, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (!(yield* fs.exists(folder))) return "missing"
    const manifest = path.join(folder, manifestFile)
    if (!(yield* fs.exists(manifest))) return "unsealed"
    const listed = yield* Effect.option(Effect.flatMap(fs.readFileString(manifest), decodeManifest))
    if (Option.isNone(listed)) return "damaged"
    for (const [name, expected] of Object.entries(listed.value.sha256)) {
      const actual = yield* Effect.option(hashOf(path.join(folder, name)))
      if (Option.isNone(actual) || actual.value !== expected) return "damaged"
    }
    return "intact"
  })

const sync = (name: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* fs.open(name, { flag: "r" })
      yield* file.sync
    }),
  )

/** Writes the manifest and brings everything to the disk. */
const seal = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const names = (yield* fs.readDirectory(folder)).toSorted()
    const hashes = yield* Effect.forEach(names, (name) =>
      Effect.map(hashOf(path.join(folder, name)), (hash): [string, string] => [name, hash]),
    )
    const manifest = yield* Effect.orDie(encodeManifest({ sha256: Object.fromEntries(hashes) }))
    yield* fs.writeFileString(path.join(folder, manifestFile), manifest)
    yield* Effect.forEach([...names, manifestFile], (name) => sync(path.join(folder, name)), {
      discard: true,
    })
    // Made readable for everybody: folders of this kind are born private, and a cache may be shared.
    yield* fs.chmod(folder, 0o755)
    // Not every system can write a folder through; the files themselves are what counts.
    yield* Effect.ignore(sync(folder))
  })

const removeLeftovers = (parent: string, prefix: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const now = yield* Clock.currentTimeMillis
    const names = (yield* fs.readDirectory(parent)).filter((name) => name.startsWith(prefix))
    yield* Effect.forEach(names, (name) =>
      Effect.gen(function* () {
        const leftover = path.join(parent, name)
        const { mtime } = yield* fs.stat(leftover)
        const age = Option.match(mtime, { onNone: () => 0, onSome: (changed) => now - changed.getTime() })
        if (age > Duration.toMillis(leftoverAge)) yield* fs.remove(leftover, { recursive: true, force: true })
      }),
    )
  }).pipe(Effect.ignore)

/** The host's file system said no. */
const fromPlatform = (folder: string) => (cause: PlatformError) =>
  new EmbeddingError({
    fault: "host",
    reason: `the model folder ${folder} cannot be made: ${cause.message}`,
    cause,
  })

/** What `ensure` found or did. */
export type Outcome = "present" | "placed by hand" | "made"

/**
 * Sees to it that `folder` holds a whole model: takes it as it is, or has `build` fill an empty folder that then takes
 * its place. `byHand` accepts a folder without manifest, for models that a user may have to bring there himself.
 */
export const ensure = <R>(options: {
  readonly folder: string
  readonly byHand: boolean
  readonly build: (folder: string) => Effect.Effect<void, EmbeddingError, R>
}): Effect.Effect<Outcome, EmbeddingError, R | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { folder } = options
    const condition = yield* inspect(folder)
    if (condition === "intact") return "present"
    if (condition === "unsealed" && options.byHand) return "placed by hand"

    const parent = path.dirname(folder)
    const prefix = `.${path.basename(folder)}-`
    yield* fs.makeDirectory(parent, { recursive: true })
    yield* removeLeftovers(parent, prefix)
    const workFolder = Effect.acquireRelease(fs.makeTempDirectory({ directory: parent, prefix }), (made) =>
      Effect.ignore(fs.remove(made, { recursive: true, force: true })),
    )

    if (condition !== "missing") {
      yield* Effect.logWarning("the model folder is damaged and is made again").pipe(
        Effect.annotateLogs({ folder }),
      )
      // Moved aside first: removing it in place would show others half of it.
      const aside = path.join(yield* workFolder, "damaged")
      yield* Effect.ignore(fs.rename(folder, aside))
    }

    const made = yield* workFolder
    yield* options.build(made)
    yield* seal(made)
    yield* fs.rename(made, folder).pipe(
      // Somebody was faster. What he put there is as good as ours, provided that it is whole.
      Effect.catchAll((error) =>
        Effect.flatMap(inspect(folder), (now) => (now === "intact" ? Effect.void : Effect.fail(error))),
      ),
    )
    yield* Effect.ignore(sync(parent))
    return "made"
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) =>
      error._tag === "EmbeddingError" ? error : fromPlatform(options.folder)(error),
    ),
    Effect.withSpan("ModelFolder.ensure", { attributes: { folder: options.folder } }),
  )
