/**
 * What a provider of the `/v1/embeddings` kind answers, and whose fault it is when that is no vector. Statuses mean what
 * they mean at OpenAI, Ollama, TEI, LM Studio and vLLM: a text that is refused is the text's fault, everything that
 * another text would meet as well is the provider's. What is told of an answer never holds the key.
 */
import * as Schema from "effect/Schema"
import { EmbeddingError } from "../../Domain/Errors.js"
import * as Vector from "../../Domain/Vector.js"
import { normalise } from "../Vectors.js"

/** Checked by a loop: a Schema for each of some ten thousand numbers would keep the event loop busy. */
const Numbers = Schema.declare(
  (value): value is ReadonlyArray<number> =>
    Array.isArray(value) && value.every((one) => typeof one === "number"),
  { identifier: "Numbers" },
)

const Answer = Schema.Struct({
  data: Schema.Array(Schema.Struct({ index: Schema.Int, embedding: Schema.Union(Schema.String, Numbers) })),
})

/** The part of an answer that is read. */
export const decode = Schema.decodeUnknown(Answer)

/** The provider does not do what it should: no text is to blame. */
export const provider = (reason: string, retryAfterMillis?: number): EmbeddingError =>
  new EmbeddingError({
    fault: "provider",
    reason,
    ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
  })

const item = (reason: string) => new EmbeddingError({ fault: "item", reason })

const numbersOf = (embedding: string | ReadonlyArray<number>): Float32Array =>
  typeof embedding === "string"
    ? // A copy, since a Buffer's memory need not be aligned.
      Vector.fromBytes(new Uint8Array(Buffer.from(embedding, "base64")))
    : Float32Array.from(embedding)

/** The unit vectors of `count` texts in the order of the texts, whatever the order of the answer. */
export const vectorsOf = (
  { data }: typeof Answer.Type,
  count: number,
  dimensions: number,
): ReadonlyArray<Float32Array> | EmbeddingError => {
  const places = new Set(data.map(({ index }) => index))
  const isComplete = places.size === count && [...places].every((index) => index >= 0 && index < count)
  if (data.length !== count || !isComplete) {
    return provider(`the provider gave ${data.length} vectors for ${count} texts`)
  }
  const vectors: Array<Float32Array> = []
  for (const { embedding, index } of data) {
    if (typeof embedding === "string" && Buffer.byteLength(embedding, "base64") % 4 !== 0) {
      return provider("the provider gave a vector that is cut off")
    }
    const numbers = numbersOf(embedding)
    if (numbers.length !== dimensions) {
      return provider(
        `the provider gives vectors of ${numbers.length} dimensions, and ${dimensions} are expected`,
      )
    }
    const vector = normalise(numbers)
    const flaw = Vector.flawOf([vector], 1, dimensions)
    if (flaw !== undefined) return item(flaw)
    vectors[index] = vector
  }
  return vectors
}

/** `Retry-After`: seconds, or a date. */
export const retryAfterMillis = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined
  const seconds = Number(header)
  if (header.trim() !== "" && Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** What becomes of a status that is not 200. */
export type Refusal =
  | { readonly _tag: "TooLarge"; readonly error: EmbeddingError }
  | { readonly _tag: "Wait"; readonly error: EmbeddingError }
  | { readonly _tag: "Final"; readonly error: EmbeddingError }

/** Reads a refusal. `said` is the beginning of what the provider says of it. */
export const refusalOf = (options: {
  readonly status: number
  readonly said: string
  readonly retryAfterMillis: number | undefined
}): Refusal => {
  const { said, status } = options
  const words = said === "" ? `HTTP ${status}` : `HTTP ${status}: ${said}`
  switch (status) {
    case 413:
      return { _tag: "TooLarge", error: item(`the provider refuses so much text (${words})`) }
    case 400:
    case 422:
      return { _tag: "Final", error: item(`the provider refuses the text (${words})`) }
    case 401:
    case 403:
      return {
        _tag: "Final",
        error: provider(`the provider refuses the key: see EMBEDBOX_EMBEDDINGS_KEY (${words})`),
      }
    case 404:
      return {
        _tag: "Final",
        error: provider(
          `the provider knows no such address or model: see EMBEDBOX_EMBEDDINGS_URL and EMBEDBOX_EMBEDDINGS_MODEL (${words})`,
        ),
      }
    case 429:
      return {
        _tag: "Wait",
        error: provider(`the provider asks for patience (${words})`, options.retryAfterMillis),
      }
    default:
      return {
        _tag: status >= 500 || status === 408 || status === 424 ? "Wait" : "Final",
        error: provider(`the provider failed (${words})`, options.retryAfterMillis),
      }
  }
}
