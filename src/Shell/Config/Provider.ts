/** Settings: a server that makes the vectors in the model's place. */
import type * as Redacted from "effect/Redacted"
import * as Values from "../Values.js"
import type { TableOf } from "./Setting.js"

export interface Settings {
  /** A provider of embeddings; nothing: the model runs here. */
  readonly embeddingsUrl: string | undefined
  readonly embeddingsModel: string
  /** Nothing where there is no provider. */
  readonly embeddingsDimensions: number | undefined
  readonly embeddingsKey: Redacted.Redacted | undefined
  readonly embeddingsShorten: boolean
  readonly embeddingsWindow: number
  readonly embeddingsQueryPrefix: string
  readonly embeddingsPassagePrefix: string
  readonly embeddingsBatchSize: number
  readonly embeddingsConcurrency: number
}

export const settings: TableOf<Settings> = {
  embeddingsUrl: {
    variable: "EMBEDBOX_EMBEDDINGS_URL",
    fallback: "none",
    meaning:
      "Has a server make the vectors instead of `EMBEDBOX_MODEL`: OpenAI, Ollama, TEI, LM Studio, vLLM or whatever answers `POST <url>/embeddings`, for instance `http://localhost:11434/v1`.",
    value: Values.urlOrNone,
  },
  embeddingsModel: {
    variable: "EMBEDBOX_EMBEDDINGS_MODEL",
    fallback: "none",
    meaning: "The name of the server's model. Needed with a URL.",
    value: Values.name,
  },
  embeddingsDimensions: {
    variable: "EMBEDBOX_EMBEDDINGS_DIMENSIONS",
    fallback: "none",
    meaning: "Length of that model's vectors. Needed with a URL; other vectors are refused.",
    value: Values.countOrNone(1, 65_536),
  },
  embeddingsKey: {
    variable: "EMBEDBOX_EMBEDDINGS_KEY",
    fallback: "none",
    meaning: "The key that the server wants as a bearer token. It is never logged.",
    value: Values.orNone(Values.secret),
  },
  embeddingsShorten: {
    variable: "EMBEDBOX_EMBEDDINGS_SHORTEN",
    fallback: "off",
    meaning: "Asks the server for vectors of those dimensions, where its model can give shorter ones.",
    value: Values.onOrOff,
  },
  embeddingsWindow: {
    variable: "EMBEDBOX_EMBEDDINGS_WINDOW",
    fallback: "512",
    meaning:
      "Tokens of text that the server's model takes; longer text is cut, by an estimate of 3 bytes a token.",
    value: Values.count(64, 1_000_000),
  },
  embeddingsQueryPrefix: {
    variable: "EMBEDBOX_EMBEDDINGS_QUERY_PREFIX",
    fallback: "none",
    meaning: "What the model's authors put before a question, for instance `search_query: `.",
    value: Values.text,
  },
  embeddingsPassagePrefix: {
    variable: "EMBEDBOX_EMBEDDINGS_PASSAGE_PREFIX",
    fallback: "none",
    meaning: "The same before a text that is to be found.",
    value: Values.text,
  },
  embeddingsBatchSize: {
    variable: "EMBEDBOX_EMBEDDINGS_BATCH_SIZE",
    fallback: "32",
    meaning: "Texts in a request to the server.",
    value: Values.count(1, 2048),
  },
  embeddingsConcurrency: {
    variable: "EMBEDBOX_EMBEDDINGS_CONCURRENCY",
    fallback: "4",
    meaning: "Requests to the server in flight.",
    value: Values.count(1, 64),
  },
}
