import { assert, describe, it } from "@effect/vitest"
import { defaultModel, folderName, ModelName, models } from "../../src/Embedder/models.js"

describe("models", () => {
  it("every name has its model, and no two share a vector space or a folder", () => {
    const all = ModelName.literals.map((name) => models[name])
    assert.deepStrictEqual(
      all.map(({ name }) => name),
      [...ModelName.literals],
    )
    assert.strictEqual(new Set(all.map(({ fingerprint }) => fingerprint)).size, all.length)
    assert.strictEqual(new Set(all.map(folderName)).size, all.length)
  })

  it("the fingerprint of the default says what made the vectors", () => {
    // Another value makes everybody embed everything anew: change it on purpose only.
    assert.strictEqual(
      models[defaultModel].fingerprint,
      "fastembed|all-MiniLM-L6-v2|9599e3f6e223|384d|mean|unit|markdown-1",
    )
  })
})
