/** How a table of somebody else's is read: which column is what. */
import * as Schema from "effect/Schema"

/** Names of a table and its columns; the case of letters does not matter. */
export interface Mapping {
  readonly table: string
  /** The column that becomes the id. */
  readonly id: string
  /** The column that becomes the text. */
  readonly content: string
  /** A column of the table that holds the type, or the type of all. Default `base`. */
  readonly type?: string | undefined
  /** Columns that become metadata, each under its own name. */
  readonly metadata?: ReadonlyArray<string> | undefined
  /** A column with a JSON object whose fields become metadata. */
  readonly metadataJson?: string | undefined
  /** Columns of times: numbers of seconds or milliseconds since the epoch, or text of ISO 8601 or as SQLite writes it. They become metadata. */
  readonly created?: string | undefined
  readonly updated?: string | undefined
}

/** The table cannot be brought in as it was asked: nothing was done. */
export class AdoptionRefused extends Schema.TaggedError<AdoptionRefused>()("AdoptionRefused", {
  reason: Schema.String,
}) {
  override get message() {
    return this.reason
  }
}
